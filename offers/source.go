// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// A Source is a place that trees and RPMs come from.
type Source struct {
	ID       string
	Name     string // for people
	URL      string // without a "/" at the end
	Layout   Layout
	Disabled bool // nothing of it is offered
	// Signed: what it publishes is believed only when it is signed, by Keys, fingerprints with a space
	// between them, or whom they have led to (package trust).
	Signed bool
	Keys   string
	// Stick is which of all sticks it is, where it is a place of a source, and no source: see places.
	Stick string
}

// A Configuration is the file that the sources are written in. It may change at any time: another
// helper changes it, or a person does.
type Configuration struct {
	Path string
	// Read reads all sources, in order of preference.
	Read func() ([]Source, error)
	// Set changes a key of the source with this id in the file: "enabled", "name" or "url".
	Set func(id, key, value string) error
	// Trust adds a fingerprint as the only one of those that are believed, where there is none.
	Trust func(id, fingerprint string) error
}

// Configured are all sources as the configuration has them now, the disabled ones too, in order of
// preference.
func (o *Offers) Configured(ctx context.Context) ([]Source, error) {
	o.watchMounts()
	written := o.configured
	if o.Configuration != nil {
		var err error
		if written, err = o.Configuration.Read(); err != nil {
			return nil, mark(ErrConfiguration, "%w", err)
		}
	}
	err := o.use(ctx, written)
	return o.configured, err
}

// SetSource changes a key of a source in the configuration, "enabled", "name" or "url", for good and
// at once.
func (o *Offers) SetSource(ctx context.Context, id, key, value string) error {
	all, err := o.Configured(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, source := range all {
		ids = append(ids, source.ID)
	}
	if !slices.Contains(ids, id) {
		return mark(ErrUnknownSource, "no source has the id %.80q: the configuration has %s", id, strings.Join(ids, ", "))
	}
	if err := o.Configuration.Set(id, key, value); err != nil {
		return mark(ErrConfiguration, "%w", err)
	}
	_, err = o.Configured(ctx)
	return err
}

// use takes these for the sources from now on. The record may have been told otherwise by another
// helper, which has seen another configuration.
func (o *Offers) use(ctx context.Context, all []Source) error {
	var enabled []Source
	var on, off, folders []string
	for _, source := range all {
		if source.Disabled {
			off = append(off, source.ID)
			continue
		}
		enabled, on = append(enabled, source), append(on, source.ID)
		if path := transport.LocalPath(source.URL); path != "" {
			folders = append(folders, path)
		}
	}
	o.folders.Store(&folders)
	if err := o.Record.KeepSources(ctx, on, off); err != nil {
		return err
	}
	if !slices.Equal(all, o.configured) {
		o.configured, o.Sources, o.view = all, enabled, view{}
	}
	return nil
}

// A follower tells when a file may have changed.
type follower struct {
	stale atomic.Bool
	stop  func()
}

// follow takes over what the configuration says of the sources where it may have changed: a watch
// says so, or changed, for something else did. A configuration that can't be read doesn't count:
// the person who is changing it isn't done.
func (o *Offers) follow(ctx context.Context, changed bool) error {
	o.watchMounts()
	if o.sticks != nil && o.sticks.stale.Swap(false) {
		clear(o.failed) // a stick may have what could not be had
		o.outdated()
	}
	if o.Configuration == nil {
		return nil
	}
	if o.follower == nil {
		o.follower = watchFile(o.Configuration.Path)
		changed = true // between the program's start and the watch's
	}
	if !o.follower.stale.Swap(false) && !changed {
		return nil
	}
	all, err := o.Configuration.Read()
	if err != nil {
		o.Log.Warn("the configuration has changed and can't be read: the sources stay as they were", "error", err)
		return nil
	}
	return o.use(ctx, all)
}

// watchFile watches a file, by its folder: a file that changes is often another one that takes its
// name. Where it can't be watched it is never stale.
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
