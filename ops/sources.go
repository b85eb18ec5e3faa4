package ops

import (
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"

	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A Configuration is the file that the sources are written in. It may change at any time: another helper changes it, or
// a person does.
type Configuration struct {
	Path string
	// Read reads all sources, in order of preference.
	Read func() ([]Source, error)
	// Set changes a key of the source with this id in the file: "enabled", "name" or "url".
	Set func(id, key, value string) error
}

// Configured are all sources as the configuration has them now, the disabled ones too, in order of preference; then the sticks that
// are believed.
func (s *System) Configured() ([]Source, error) {
	s.watchMounts()
	written := s.written
	if s.Configuration != nil {
		var err error
		if written, err = s.Configuration.Read(); err != nil {
			return nil, wire.Errorf(wire.RepoConfigurationError, "%w", err)
		}
	}
	err := s.use(written)
	return s.configured, err
}

// SetSource changes a key of a source in the configuration, for good and at once.
func (s *System) SetSource(id, key, value string) error {
	all, err := s.Configured()
	if err != nil {
		return err
	}
	var ids []string
	for _, source := range all {
		ids = append(ids, source.ID)
	}
	if !slices.Contains(ids, id) {
		return wire.Errorf(wire.RepoNotFound, "no source has the id %.80q: the configuration has %s", id, strings.Join(ids, ", "))
	}
	if i := slices.Index(ids, id); all[i].Stick != "" {
		return wire.Errorf(wire.RepoConfigurationError, "the source %s is a stick and not in the configuration: it is used while it is there", id)
	}
	if err := s.Configuration.Set(id, key, value); err != nil {
		return wire.Errorf(wire.RepoConfigurationError, "%w", err)
	}
	_, err = s.Configured()
	return err
}

// use takes these, and the sticks that are believed, for the sources from now on. The record may have been told otherwise by
// another helper, which has seen another configuration.
func (s *System) use(written []Source) error {
	all := written
	if s.sticks != nil {
		all = slices.Concat(written, s.sticks.sources(written))
	}
	var enabled []Source
	var on, off []string
	for _, source := range all {
		if source.Disabled {
			off = append(off, source.ID)
			continue
		}
		enabled, on = append(enabled, source), append(on, source.ID)
	}
	changed, err := s.Record.KeepSources(on, off)
	if err != nil {
		return err
	}
	s.written = written
	if changed || !slices.Equal(all, s.configured) {
		s.configured, s.Sources, s.view = all, enabled, view{}
	}
	return nil
}

// A follower tells when a file may have changed.
type follower struct {
	stale atomic.Bool
	stop  func()
}

// follow takes over what the configuration says of the sources where it may have changed: a watch says so, or changed, for
// something else did. A configuration that can't be read doesn't count: the person who is changing it isn't done.
func (s *System) follow(changed bool) error {
	s.watchMounts()
	if s.sticks != nil && s.sticks.stale.Swap(false) {
		clear(s.failed) // a stick may have what could not be had
		if err := s.use(s.written); err != nil {
			s.sticks.stale.Store(true)
			return err
		}
	}
	if s.Configuration == nil {
		return nil
	}
	if s.following == nil {
		s.following = watchFile(s.Configuration.Path)
		changed = true // between the program's start and the watch's
	}
	if !s.following.stale.Swap(false) && !changed {
		return nil
	}
	all, err := s.Configuration.Read()
	if err != nil {
		s.Log.Warn("the configuration has changed and can't be read: the sources stay as they were", "error", err)
		return nil
	}
	return s.use(all)
}

// watchFile watches a file, by its folder: a file that changes is often another one that takes its name. Where it can't be
// watched it is never stale.
func watchFile(path string) *follower {
	f := &follower{stop: func() {}}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return f
	}
	if err := w.Add(filepath.Dir(path)); err != nil {
		w.Close()
		return f
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if filepath.Base(e.Name) == filepath.Base(path) {
					f.stale.Store(true)
				}
			case _, ok := <-w.Errors: // an overflow: something changed, it is not known what
				if !ok {
					return
				}
				f.stale.Store(true)
			}
		}
	}()
	f.stop = func() { w.Close(); <-done }
	return f
}
