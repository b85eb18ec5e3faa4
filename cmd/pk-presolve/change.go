// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
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
			c, _, err := parseConfig(path, data)
			if err != nil {
				return nil, err
			}
			known, sources = data, c.sources()
			return sources, nil
		},
		Set: func(id, key, value string) error {
			return rewrite(path, func(text []byte) ([]byte, error) { return changeSource(path, text, id, key, value) })
		},
		Trust: func(id, fingerprint string) error {
			return rewrite(path, func(text []byte) ([]byte, error) { return trustKey(path, text, id, fingerprint) })
		},
	}
}

// rewrite changes the text of the configuration file.
func rewrite(path string, change func(text []byte) ([]byte, error)) error {
	folder, name, err := realFile(path)
	if err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	defer folder.Close()
	before, err := folder.ReadFile(name)
	if err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	after, err := change(before)
	if err != nil {
		return err
	}
	if bytes.Equal(before, after) {
		return nil
	}
	if err := replace(folder, name, after); err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	return nil
}

// changeSource is the text of a configuration with another value for a source's key.
func changeSource(path string, text []byte, id, key, value string) ([]byte, error) {
	return editSource(path, text, id, key, func(s *source) (toml, refused string) {
		switch key {
		case "enabled":
			enabled, err := strconv.ParseBool(value)
			if err != nil {
				return "", fmt.Sprintf("enabled can be true or false and not %q", value)
			}
			if enabled == (s.Enabled == nil || *s.Enabled) {
				return "", ""
			}
			s.Enabled = &enabled
			return strconv.FormatBool(enabled), ""
		case "name":
			s.Name = value
			return quote(value), ""
		case "url":
			if problem := checkURL(value); problem != "" {
				return "", fmt.Sprintf("the source %q: %s", id, problem)
			}
			s.URL = value
			return quote(value), ""
		}
		return "", fmt.Sprintf("%q can't be changed from here: url, name and enabled can; the order of the sources in the file is that of preference", key)
	})
}

// trustKey is the text of a configuration with a fingerprint as the only key of a source, which has
// none.
func trustKey(path string, text []byte, id, fingerprint string) ([]byte, error) {
	return editSource(path, text, id, "keys", func(s *source) (toml, refused string) {
		if len(s.Keys) > 0 {
			return "", fmt.Sprintf("the source %q has keys already: change them in the file", id)
		}
		s.Keys = []string{fingerprint}
		return "[" + quote(fingerprint) + "]", ""
	})
}

// editSource is the text of a configuration with what edit makes of a source's key: its value in
// TOML, none where it is to stay as it is, or why it is refused. All else stays as it is, comments
// too. That the text says what it should is tried by reading it: what this doesn't understand it
// doesn't change.
func editSource(path string, text []byte, id, key string, edit func(*source) (toml, refused string)) ([]byte, error) {
	want, file, err := parseConfig(path, text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(want.Source, func(s source) bool { return s.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("%s: there is no source %q", path, id)
	}
	toml, refused := edit(&want.Source[i])
	switch {
	case refused != "":
		return nil, fmt.Errorf("%s: %s", path, refused)
	case toml == "":
		return text, nil
	}
	after := setKey(text, file, fmt.Sprintf("source.%d.", i), key, toml)
	if got, _, err := parseConfig(path, after); err != nil || !reflect.DeepEqual(got, want) {
		return nil, fmt.Errorf("%s: the source %q is written in a way that can't be changed from here: give %s a line of its own, below [[source]] and the id", path, id, key)
	}
	return after, nil
}

// setKey gives a key of a table a value, in the place of the one that it has, or in a new line
// after that of its id. Where the id doesn't begin a line, the text stays as it is.
func setKey(text []byte, file *config.File, table, key, value string) []byte {
	if at, ok := file.Value(table + key); ok {
		return slices.Concat(text[:at.Start], []byte(value), text[at.End:])
	}
	id, _ := file.Key(table + "id")
	at, ok := file.Value(table + "id")
	indent := text[bytes.LastIndexByte(text[:id], '\n')+1 : id]
	if !ok || len(bytes.TrimSpace(indent)) > 0 {
		return text
	}
	line, end, newline := fmt.Sprintf("%s%s = %s", indent, key, value), len(text), "\n"
	if n := bytes.IndexByte(text[at.End:], '\n'); n >= 0 {
		end = at.End + n
	}
	if bytes.HasSuffix(text[:end], []byte("\r")) {
		end, newline = end-1, "\r\n"
	}
	return slices.Concat(text[:end], []byte(newline+line), text[end:])
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

// realFile opens the folder of the file that a path leads to, and gives the file's name in it. The
// caller closes the folder: what is done in it stays in it. A link is followed only where nobody
// but root and this user can say where it leads.
func realFile(path string) (folder *os.Root, name string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, "", err
	}
	if real != path {
		for at := real; ; at = filepath.Dir(at) {
			if err := ownedByUs(at); err != nil {
				return nil, "", fmt.Errorf("%s is a link to %s: %w: edit the file itself", path, real, err)
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	folder, err = os.OpenRoot(filepath.Dir(real))
	if err != nil {
		return nil, "", err
	}
	name = filepath.Base(real)
	if info, err := folder.Lstat(name); err != nil || !info.Mode().IsRegular() {
		folder.Close()
		return nil, "", errors.Join(err, fmt.Errorf("%s is no regular file", real))
	}
	return folder, name, nil
}

// ownedByUs tells whether only root and this user can put another file or folder in the place of
// this one or into it.
func ownedByUs(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user", path)
	}
	// In a sticky folder such as /tmp nobody can take away what another has made.
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
		return fmt.Errorf("others can write to %s", path)
	}
	return nil
}

// replace puts another content into the place of a file: a reader sees the old one or the new one,
// after a power cut too. The owner and the mode stay; where they can't, so does the content.
func replace(folder *os.Root, name string, content []byte) (err error) {
	info, err := folder.Lstat(name)
	if err != nil {
		return err
	}
	fresh := "." + name + ".new-" + rand.Text()
	f, err := folder.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			folder.Remove(fresh)
		}
	}()
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("keeping the owner of %s: %w", name, err)
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
	if err := folder.Rename(fresh, name); err != nil {
		return err
	}
	dir, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
