// SPDX-License-Identifier: GPL-2.0-or-later

package repotest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// WriteMetadata writes a repository's metadata from the texts of its files, by their types in
// repomd.xml: "primary", "updateinfo" and so on. They become repodata/TYPE.xml, and repomd.xml
// lists them. It is for what createrepo_c doesn't write.
func WriteMetadata(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Join(dir, "repodata"), 0o755))
	var data strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(files)) {
		text := files[kind]
		check(t, os.WriteFile(filepath.Join(dir, "repodata", kind+".xml"), []byte(text), 0o644))
		sum := sha256.Sum256([]byte(text))
		fmt.Fprintf(&data, "<data type=%q><checksum type=\"sha256\">%s</checksum><location href=\"repodata/%s.xml\"/><size>%d</size></data>\n",
			kind, hex.EncodeToString(sum[:]), kind, len(text))
	}
	repomd := "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n" + data.String() + "</repomd>\n"
	check(t, os.WriteFile(filepath.Join(dir, "repodata", "repomd.xml"), []byte(repomd), 0o644))
}

// Primary is a primary.xml of packages of one version, 1-1.noarch. Each is "NAME",
// "NAME requires DEPENDENCY" or "NAME at LOCATION".
func Primary(packages ...string) string {
	var b strings.Builder
	b.WriteString(`<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">` + "\n")
	for _, p := range packages {
		words := strings.Fields(p)
		location, requires := words[0]+"-1-1.noarch.rpm", ""
		switch {
		case len(words) == 3 && words[1] == "at":
			location = words[2]
		case len(words) == 3:
			requires = fmt.Sprintf(`<rpm:requires><rpm:entry name=%q/></rpm:requires>`, words[2])
		}
		sum := sha256.Sum256([]byte(words[0]))
		fmt.Fprintf(&b, `<package type="rpm"><name>%s</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><checksum type="sha256" pkgid="YES">%s</checksum>`+
			`<summary>the summary of %s</summary><size package="100" installed="100"/><location href=%q/><format>%s<rpm:provides><rpm:entry name=%q flags="EQ" epoch="0" ver="1" rel="1"/></rpm:provides></format></package>`+"\n",
			words[0], hex.EncodeToString(sum[:]), words[0], location, requires, words[0])
	}
	b.WriteString("</metadata>\n")
	return b.String()
}
