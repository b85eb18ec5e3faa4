// SPDX-License-Identifier: GPL-2.0-or-later

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A File is a configuration file that was read. Keys are named by their path in it: "parallel" in
// [transport] is transport.parallel, "url" in the second [[source]] is source.1.url.
type File struct {
	name   string // as errors have it
	dir    string // absolute
	data   []byte
	places map[string]place
}

// A place is where a key is in the file's bytes. A table is where its name is first.
type place struct {
	key   int
	value Range // empty where the value is a table or list
}

// A Range is a part of the file's bytes, from Start up to but without End.
type Range struct{ Start, End int }

// maxSize is far more than a configuration has. What is larger is some other file.
const maxSize = 1 << 20

// Read reads a configuration file into a pointer to a struct, which holds the defaults. See Parse.
func Read(name string, into any) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(name, data, into)
}

// Parse reads what a configuration file has into a pointer to a struct, which holds the defaults.
// The file's keys are the fields' tags "toml". Fields are string, bool, int, *bool (nil: the key is
// left out), Duration, Size, Path, structs (tables), and slices of string, Path and struct. The
// first thing in the file that doesn't fit is the error, an *Error.
func Parse(name string, data []byte, into any) (*File, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", name, err)
	}
	f := &File{name: name, dir: dir, data: data, places: make(map[string]place)}
	if len(data) > maxSize {
		return nil, f.Errorf("", "this is no configuration: it has more than 1 MiB")
	}
	var values map[string]any
	err = toml.Unmarshal(data, &values)
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &wrong):
		line, column := wrong.Position()
		return nil, &Error{File: name, Line: line, Column: column, Problem: strings.TrimPrefix(wrong.Error(), "toml: ")}
	case err != nil:
		return nil, f.Errorf("", "%s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	f.locate()
	return f, f.decode(values, into)
}

// Errorf is an error about a key, in the line of the key, or of the table that lacks it. The text
// has to name the key.
func (f *File) Errorf(key, format string, args ...any) error {
	e := &Error{File: f.name, Key: key, Problem: fmt.Sprintf(format, args...)}
	for key != "" {
		if p, ok := f.places[key]; ok {
			e.Line = 1 + bytes.Count(f.data[:p.key], []byte("\n"))
			break
		}
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return e
}

// OneOf is an error about a key whose value, a text or one of a list, is none of the choices; nil
// where it is.
func (f *File) OneOf(key, value string, choices ...string) error {
	for _, c := range choices {
		if c == value {
			return nil
		}
	}
	did := ""
	if near := Nearest(value, choices); near != "" {
		did = fmt.Sprintf(": did you mean %q?", near)
	}
	if isElement(key) {
		return f.Errorf(key, "%s has %s, which should be %s%s", nameOf(key), Shown(value), Either(choices...), did)
	}
	return f.Errorf(key, "%s = %s should be %s%s", nameOf(key), Shown(value), Either(choices...), did)
}

// Value is the part of the file that is a key's value, as it is written there; false where the file
// doesn't have the key, or it is a table or list.
func (f *File) Value(key string) (Range, bool) {
	p, ok := f.places[key]
	return p.value, ok && p.value.End > 0
}

// Key is where a key begins in the file; false where the file doesn't have it.
func (f *File) Key(key string) (offset int, ok bool) {
	p, ok := f.places[key]
	return p.key, ok
}

// nameOf is the name of a key without the tables that it is in: the message tells the line.
func nameOf(key string) string {
	parts := strings.Split(key, ".")
	if n := len(parts); n > 1 && isElement(key) {
		return parts[n-2]
	}
	return parts[len(parts)-1]
}

// isElement tells whether a path ends with a number.
func isElement(key string) bool {
	_, err := strconv.Atoi(key[strings.LastIndexByte(key, '.')+1:])
	return err == nil
}

// maxDepth is how deep tables and lists are looked into. No configuration is deeper, and the paths
// in a hostile one are longer than memory.
const maxDepth = 6

// locate finds the place of every key.
func (f *File) locate() {
	var p unstable.Parser
	p.Reset(f.data)
	tables := make(map[string]int) // how many tables each list has so far
	table := ""
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = ""
			depth := 0
			for it := e.Key(); it.Next() && depth < maxDepth; depth++ {
				table = join(table, string(it.Node().Data))
				at := place{key: int(it.Node().Raw.Offset)}
				f.put(table, at)
				if e.Kind == unstable.ArrayTable && it.IsLast() {
					tables[table]++
				}
				if n := tables[table]; n > 0 { // [list.table] is in the last one of the list
					table = join(table, strconv.Itoa(n-1))
					f.put(table, at)
				}
			}
		case unstable.KeyValue:
			f.locateKey(table, e, 0)
		}
	}
}

func (f *File) locateKey(table string, e *unstable.Node, depth int) {
	path, offset := table, 0
	for it := e.Key(); it.Next(); depth++ {
		if depth >= maxDepth {
			return
		}
		path, offset = join(path, string(it.Node().Data)), int(it.Node().Raw.Offset)
		f.put(path, place{key: offset})
	}
	f.locateValue(path, offset, e.Value(), depth)
}

// locateValue finds the place of a value, and of the keys and elements in it. key is where its key
// is.
func (f *File) locateValue(path string, key int, v *unstable.Node, depth int) {
	switch v.Kind {
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next() && depth < maxDepth; i++ {
			at := key
			if raw := it.Node().Raw; raw.Length > 0 {
				at = int(raw.Offset)
			}
			f.locateValue(join(path, strconv.Itoa(i)), at, it.Node(), depth+1)
		}
	case unstable.InlineTable:
		f.put(path, place{key: key})
		for it := v.Children(); it.Next(); {
			f.locateKey(path, it.Node(), depth)
		}
	default:
		start := int(v.Raw.Offset)
		f.places[path] = place{key, Range{start, start + int(v.Raw.Length)}}
	}
}

// put keeps the first place of a key.
func (f *File) put(path string, at place) {
	if _, ok := f.places[path]; !ok {
		f.places[path] = at
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
