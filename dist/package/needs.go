// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// debianNames are the packages of libraries; of Debian and Ubuntu, before and after time_t had 64
// bits.
var debianNames = map[string]string{
	"libc.so.6":                 "libc6",
	"libgio-2.0.so.0":           "libglib2.0-0 (>= 2.66) | libglib2.0-0t64",
	"libglib-2.0.so.0":          "libglib2.0-0 (>= 2.66) | libglib2.0-0t64",
	"libgmodule-2.0.so.0":       "libglib2.0-0 (>= 2.66) | libglib2.0-0t64",
	"libgobject-2.0.so.0":       "libglib2.0-0 (>= 2.66) | libglib2.0-0t64",
	"libpackagekit-glib2.so.18": "libpackagekit-glib2-18 (>= 1.1.13)",
	"libsolv.so.1":              "libsolv1",
	"libsolvext.so.1":           "libsolvext1",
}

// libraryNeeds says what a file needs by the libraries that its ELF header names, in a format's
// words; nothing of another kind of file.
func libraryNeeds(path, format string) ([]string, error) {
	head := make([]byte, 4)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := io.ReadFull(f, head); err != nil || !bytes.Equal(head, []byte(elf.ELFMAG)) {
		return nil, nil
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	versions := map[string][]string{}
	if len(libraries) > 0 {
		needs, err := program.DynamicVersionNeeds()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, n := range needs {
			for _, v := range n.Needs {
				versions[n.Name] = append(versions[n.Name], v.Dep)
			}
		}
	}
	var all []string
	for _, library := range libraries {
		if strings.HasPrefix(library, "ld-linux") { // glibc's own
			continue
		}
		if format == "deb" {
			name, ok := debianNames[library]
			if !ok {
				return nil, fmt.Errorf("%s needs %s, and Debian's package of it isn't known", path, library)
			}
			if name == "libc6" {
				name = fmt.Sprintf("libc6 (>= %s)", newest(versions[library]))
			}
			all = append(all, name)
			continue
		}
		// As rpm's own generator names them.
		bits, whole := "", library
		if program.Class == elf.ELFCLASS64 {
			bits, whole = "(64bit)", library+"()(64bit)"
		}
		all = append(all, whole)
		for _, v := range versions[library] {
			all = append(all, library+"("+v+")"+bits)
		}
	}
	return all, nil
}

// newest is the newest version of glibc among those of its symbols.
func newest(versions []string) string {
	var all [][2]int
	for _, v := range versions {
		var n [2]int
		if _, err := fmt.Sscanf(v, "GLIBC_%d.%d", &n[0], &n[1]); err == nil {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return "2.2"
	}
	n := slices.MaxFunc(all, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	return fmt.Sprintf("%d.%d", n[0], n[1])
}
