// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The parts of a primary.xml that change when packages are built anew.
var (
	packageVersion  = regexp.MustCompile(`<version epoch="([^"]*)" ver="([^"]*)" rel="([^"]*)"/>`)
	packageID       = regexp.MustCompile(`pkgid="YES">([^<]*)<`)
	packageProvides = regexp.MustCompile(`(?s)<rpm:provides>.*?</rpm:provides>`)
	packageRequires = regexp.MustCompile(`(?s)<rpm:requires>.*?</rpm:requires>`)
	exactEntry      = regexp.MustCompile(`<rpm:entry name="([^"]*)" flags="(?:EQ|LE)" epoch="([^"]*)" ver="([^"]*)" rel="([^"]*)"`)
	primaryData     = regexp.MustCompile(`(?s)<data type="primary">.*?</data>`)
)

// exact are the capabilities with an exact version in a part of a package's metadata.
func exact(part string) (all []string) {
	for _, m := range exactEntry.FindAllStringSubmatch(part, -1) {
		all = append(all, strings.Join(m[1:], " "))
	}
	return all
}

// rebuild exchanges a repository's metadata for those of the day after, when a hundredth of its
// packages was built anew: each with those that have a capability in the same exact version, as what
// is built of one source does, and so on. It returns how many packages there are, and how many of
// them are new.
func rebuild(repository string) (all, rebuilt int, err error) {
	paths, _ := filepath.Glob(filepath.Join(repository, "repodata", "*primary.xml.gz"))
	if len(paths) != 1 {
		return 0, 0, fmt.Errorf("%s has %d files primary.xml.gz", repository, len(paths))
	}
	text, err := unpacked(paths[0])
	if err != nil {
		return 0, 0, err
	}
	const end = "</package>"
	parts := strings.SplitAfter(text, end)
	packages := parts[:len(parts)-1] // the first has what is before it, too
	having := make(map[string][]int) // capabilities in exact versions
	for i, p := range packages {
		for _, capability := range append(exact(packageRequires.FindString(p)), provided(p)...) {
			having[capability] = append(having[capability], i)
		}
	}
	anew := make(map[int]bool)
	for i := 50; i < len(packages) && len(anew) < len(packages)/100; i += 97 {
		for next := []int{i}; len(next) > 0; next = next[1:] {
			if anew[next[0]] {
				continue
			}
			anew[next[0]] = true
			for _, capability := range provided(packages[next[0]]) {
				next = append(next, having[capability]...)
			}
		}
	}
	moved := make(map[string]bool)
	for i := range anew {
		for _, capability := range provided(packages[i]) {
			moved[capability] = true
		}
	}
	for i := range anew {
		packages[i] = builtAnew(packages[i], moved)
	}
	return len(packages), len(anew), replacePrimary(repository, paths[0], strings.Join(parts, ""))
}

// provided are the capabilities that a package has in its own version.
func provided(p string) (own []string) {
	m := packageVersion.FindStringSubmatch(p)
	if m == nil {
		return nil
	}
	version := " " + strings.Join(m[1:], " ")
	for _, capability := range exact(packageProvides.FindString(p)) {
		if strings.HasSuffix(capability, version) {
			own = append(own, capability)
		}
	}
	return own
}

// builtAnew is a package's metadata after it was built anew, as were those whose capabilities moved.
func builtAnew(p string, moved map[string]bool) string {
	m := packageVersion.FindStringSubmatch(p)
	p = strings.Replace(p, m[0], fmt.Sprintf(`<version epoch="%s" ver="%s" rel="%s.1"/>`, m[1], m[2], m[3]), 1)
	p = strings.Replace(p, "-"+m[2]+"-"+m[3]+".", "-"+m[2]+"-"+m[3]+".1.", 1) // in its location
	p = packageID.ReplaceAllStringFunc(p, func(id string) string {
		return fmt.Sprintf(`pkgid="YES">%x<`, sha256.Sum256([]byte(id)))
	})
	move := func(part string) string {
		return exactEntry.ReplaceAllStringFunc(part, func(entry string) string {
			if moved[strings.Join(exactEntry.FindStringSubmatch(entry)[1:], " ")] {
				return strings.TrimSuffix(entry, `"`) + `.1"`
			}
			return entry
		})
	}
	return packageRequires.ReplaceAllStringFunc(packageProvides.ReplaceAllStringFunc(p, move), move)
}

func unpacked(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(z)
	return string(text), err
}

// replacePrimary writes a repository's primary.xml, and what its repomd.xml says of it.
func replacePrimary(repository, path, text string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	packed := sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, packed))
	if _, err := io.WriteString(z, text); err != nil {
		return err
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		return err
	}
	repomd := filepath.Join(repository, "repodata", "repomd.xml")
	was, err := os.ReadFile(repomd)
	if err != nil {
		return err
	}
	data := fmt.Sprintf(`<data type="primary"><checksum type="sha256">%x</checksum><open-checksum type="sha256">%x</open-checksum><location href="repodata/%s"/><timestamp>2</timestamp></data>`,
		packed.Sum(nil), sha256.Sum256([]byte(text)), filepath.Base(path))
	return os.WriteFile(repomd, primaryData.ReplaceAllLiteral(was, []byte(data)), 0o644)
}
