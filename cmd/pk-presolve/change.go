package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
)

// sourcesIn is the configuration file as the helper follows and changes it while it runs.
func sourcesIn(path string) *offers.Configuration {
	var known []byte // what was read last, and what it said
	var sources []offers.Source
	return &offers.Configuration{
		Path: path,
		Read: func() ([]offers.Source, error) {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("reading the configuration: %w", err)
			}
			if known != nil && bytes.Equal(data, known) {
				return sources, nil
			}
			c, err := parseConfig(data)
			if err != nil {
				return nil, fmt.Errorf("%s:%w", path, err)
			}
			known, sources = data, c.sources()
			return sources, nil
		},
		Set: func(id, key, value string) error { return setSource(path, id, key, value) },
	}
}

// setSource changes a key of a source in the configuration file. All else stays as it is, comments too.
func setSource(path, id, key, value string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	before, err := os.ReadFile(real)
	if err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	after, err := changeSource(before, id, key, value)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(before, after) {
		return nil
	}
	if err := replace(real, after); err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	return nil
}

// changeSource is the text of a configuration with another value for a source's key. That the text says what it should is
// tried by reading it: what this doesn't understand it doesn't change.
func changeSource(text []byte, id, key, value string) ([]byte, error) {
	want, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(want.Source, func(s source) bool { return s.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("there is no source %q", id)
	}
	line := ""
	switch s := &want.Source[i]; key {
	case "enabled":
		enabled, err := strconv.ParseBool(value)
		if err != nil {
			return nil, fmt.Errorf("enabled can be true or false and not %q", value)
		}
		if enabled == (s.Enabled == nil || *s.Enabled) {
			return text, nil
		}
		s.Enabled, line = &enabled, strconv.FormatBool(enabled)
	case "name":
		s.Name, line = value, quote(value)
	case "url":
		s.URL, line = value, quote(value)
	default:
		return nil, fmt.Errorf("%q can't be changed from here: url, name and enabled can; the order of the sources in the file is that of preference", key)
	}
	if problem := want.Source[i].check(); problem != "" {
		return nil, fmt.Errorf("the source %q: %s", id, problem)
	}
	after := setLine(strings.SplitAfter(string(text), "\n"), id, key, line)
	if got, err := parseConfig([]byte(after)); err != nil || !reflect.DeepEqual(got, want) {
		return nil, fmt.Errorf("the source %q is written in a way that can't be changed from here: give %s a line of its own, below [[source]] and the id", id, key)
	}
	return []byte(after), nil
}

var (
	tableLine  = regexp.MustCompile(`^\s*\[`)
	sourceLine = regexp.MustCompile(`^\s*\[\[\s*source\s*\]\]`)
	idLine     = regexp.MustCompile(`^(\s*)id\s*=`)
)

// setLine gives a key of a source a value, in the key's line or, where there is none, in a new one after the id's.
func setLine(lines []string, id, key, value string) string {
	keyLine := regexp.MustCompile(`^(\s*` + key + `\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*'|true|false)(.*)`)
	for i := 0; i < len(lines); i++ {
		if !sourceLine.MatchString(lines[i]) {
			continue
		}
		end := i + 1
		for end < len(lines) && !tableLine.MatchString(lines[end]) {
			end++
		}
		idAt, keyAt := -1, -1
		for j := i + 1; j < end; j++ {
			var has struct{ ID string }
			if idLine.MatchString(lines[j]) && toml.Unmarshal([]byte(lines[j]), &has) == nil && has.ID == id {
				idAt = j
			}
			if keyLine.MatchString(lines[j]) {
				keyAt = j
			}
		}
		switch {
		case idAt < 0:
			continue
		case keyAt >= 0:
			m := keyLine.FindStringSubmatchIndex(lines[keyAt])
			lines[keyAt] = lines[keyAt][:m[4]] + value + lines[keyAt][m[5]:]
		default:
			indent := idLine.FindStringSubmatch(lines[idAt])[1]
			end := "\n"
			if strings.HasSuffix(lines[idAt], "\r\n") {
				end = "\r\n"
			}
			if !strings.HasSuffix(lines[idAt], "\n") {
				lines[idAt] += end
			}
			lines = slices.Insert(lines, idAt+1, indent+key+" = "+value+end)
		}
		break
	}
	return strings.Join(lines, "")
}

// quote is a text as TOML has it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// replace puts another content into the place of a file: a reader sees the old one or the new one, after a power cut too.
func replace(path string, content []byte) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
