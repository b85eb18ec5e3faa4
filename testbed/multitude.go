// SPDX-License-Identifier: GPL-2.0-or-later

package testbed

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Atlas is a program that needs 35 packages, 13 MB with it, which can't be compressed.
func Atlas() []RPM {
	noise := rand.NewChaCha8([32]byte{})
	all := []RPM{{Name: "atlas", Summary: "The world"}}
	for i := range 35 {
		name := fmt.Sprintf("atlas-%d", i)
		body := make([]byte, 20_000*i+10_000)
		noise.Read(body)
		all[0].Requires = append(all[0].Requires, name)
		all = append(all, RPM{Name: name, Summary: "A part of it", Files: map[string]string{"/usr/share/" + name: string(body)}})
	}
	return all
}

// Multitude makes the metadata of so many packages in a folder, with names, summaries and
// dependencies that are made up, and with so many files each; 0: without file lists. No RPMs are
// behind it but the one of basesystem, which all others need and whose path it returns.
func Multitude(dir string, packages, files int) (base string, err error) {
	if err := os.MkdirAll(filepath.Join(dir, "repodata"), 0o755); err != nil {
		return "", err
	}
	if base, err = (RPM{Name: "basesystem", Summary: "The standard installation"}).Write(dir); err != nil {
		return "", err
	}
	syllables := []string{"ba", "cor", "di", "fen", "gu", "hal", "ki", "lo", "mir", "nu", "pa", "qui", "ro", "sel", "tu", "ver"}
	word := func(i int) string {
		return syllables[i%16] + syllables[i/16%16] + syllables[i*7%16] + syllables[i/256%16]
	}
	name := func(i int) string {
		if i == 0 {
			return "basesystem"
		}
		return fmt.Sprintf("%s-%s%d", word(i%997), word(i), i)
	}
	primary := func(w io.Writer) {
		fmt.Fprintf(w, `<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">`, packages)
		for i := range packages {
			own := name(i)
			fmt.Fprintf(w, `<package type="rpm"><name>%s</name><arch>noarch</arch><version epoch="0" ver="1.%d" rel="1"/><checksum type="sha256" pkgid="YES">%x</checksum>`, own, i%50, sha256.Sum256([]byte(own)))
			fmt.Fprintf(w, `<summary>%s %s for %s</summary><description>It has %s, %s and %s.</description><packager/><url>http://example.org/%s</url><time file="1" build="1"/><size package="%d" installed="%d" archive="1"/><location href="%s.rpm"/>`,
				word(i*3), word(i*5), word(i*11), word(i*13), word(i*17), word(i*19), own, 10000+i, 30000+i, own)
			fmt.Fprintf(w, `<format><rpm:license>GPLv2+</rpm:license><rpm:group>Unspecified</rpm:group><rpm:provides><rpm:entry name="%s" flags="EQ" epoch="0" ver="1.%d" rel="1"/></rpm:provides><rpm:requires>`, own, i%50)
			for _, needed := range []int{0, max(1, i/2), max(1, i/3), max(1, i%1000)} {
				if i > 0 {
					fmt.Fprintf(w, `<rpm:entry name="%s"/>`, name(needed))
				}
			}
			fmt.Fprint(w, `</rpm:requires></format></package>`)
		}
		fmt.Fprint(w, `</metadata>`)
	}
	lists := func(w io.Writer) {
		fmt.Fprintf(w, `<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="%d">`, packages)
		for i := range packages {
			own := name(i)
			fmt.Fprintf(w, `<package pkgid="%x" name="%s" arch="noarch"><version epoch="0" ver="1.%d" rel="1"/>`, sha256.Sum256([]byte(own)), own, i%50)
			for n := range files {
				fmt.Fprintf(w, `<file>/usr/share/%s/%s/%s%d</file>`, own, word(n/8), word(i*n), n)
			}
			fmt.Fprint(w, `</package>`)
		}
		fmt.Fprint(w, `</filelists>`)
	}
	repomd := `<?xml version="1.0" encoding="UTF-8"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>`
	for _, data := range []struct {
		kind  string
		write func(io.Writer)
	}{{"primary", primary}, {"filelists", lists}} {
		if data.kind == "filelists" && files == 0 {
			continue
		}
		line, err := metadata(dir, data.kind, data.write)
		if err != nil {
			return "", err
		}
		repomd += line
	}
	return base, os.WriteFile(filepath.Join(dir, "repodata", "repomd.xml"), []byte(repomd+`</repomd>`), 0o644)
}

// metadata writes a file of a repository's metadata, and returns what repomd.xml has to say of it.
func metadata(dir, kind string, write func(io.Writer)) (string, error) {
	f, err := os.Create(filepath.Join(dir, "repodata", kind+".xml.gz"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	packed, plain := sha256.New(), sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, packed))
	w := bufio.NewWriter(io.MultiWriter(z, plain))
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`)
	write(w)
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return fmt.Sprintf(`<data type="%[1]s"><checksum type="sha256">%[2]x</checksum><open-checksum type="sha256">%[3]x</open-checksum><location href="repodata/%[1]s.xml.gz"/><timestamp>1</timestamp></data>`,
		kind, packed.Sum(nil), plain.Sum(nil)), f.Close()
}
