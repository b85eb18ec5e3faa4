// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// As Fedora, and as openSUSE and RHEL, write it.
const updateinfo = `<?xml version="1.0"?>
<updates>
<update from="updates@fedoraproject.org" status="stable" type="security" version="2.0">
  <id>FEDORA-2013-1</id><title>lib-2.0-1.fc18</title><release>Fedora 18</release><issued date="2013-01-02 03:04:05"/><updated date="2013-02-02 03:04:05"/>
  <references><reference href="https://bugzilla.redhat.com/1" id="1" title="x" type="bugzilla"/><reference href="ftp://x" type="self"/></references>
  <description>One
  two.</description>
  <pkglist><collection short="F18"><name>Fedora 18</name>
    <package name="lib" version="2.0" release="1.fc18" epoch="0" arch="x86_64" src="lib.src.rpm"><filename>lib.rpm</filename><reboot_suggested>True</reboot_suggested></package>
    <package name="lib" version="2.0" release="1.fc18" epoch="0" arch="i686"/>
    <package name="tool" version="2.0" release="1.fc18" epoch="1" arch="x86_64"><relogin_suggested>0</relogin_suggested></package>
  </collection></pkglist>
</update>
<update from="maint@suse.de" status="final" type="recommended" version="1">
  <id>openSUSE-2013-2</id><title/><severity>moderate</severity><issued date="1371048000"/><unknown><deep>x</deep></unknown>
  <pkglist><collection><package name="lib" version="1.5" release="1" arch="x86_64"><restart_suggested/></package></collection></pkglist>
</update>
<update type="security"><id/><pkglist><collection><package name="lib" version="1" release="1" arch="x86_64"/></collection></pkglist></update>
</updates>`

func readUpdateinfo(t *testing.T, name string, data []byte, max int64) (*notices, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	n := new(notices)
	_, err := n.read(context.Background(), path, max)
	n.sort()
	return n, err
}

func pkg(nevra string) *Package {
	n, err := tree.ParseNEVRA(nevra)
	if err != nil {
		panic(err)
	}
	return &Package{Package: tree.Package{NEVRA: n}}
}

func TestUpdateinfo(t *testing.T) {
	var gz, zst, x bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write([]byte(updateinfo))
	g.Close()
	z, _ := zstd.NewWriter(&zst)
	z.Write([]byte(updateinfo))
	z.Close()
	xw, _ := xz.NewWriter(&x)
	xw.Write([]byte(updateinfo))
	xw.Close()
	for name, data := range map[string][]byte{"u": []byte(updateinfo), "u.gz": gz.Bytes(), "u.zst": zst.Bytes(), "u.xz": x.Bytes()} {
		n, err := readUpdateinfo(t, name, data, maxXML)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, notice := range n.about([]*Package{pkg("lib-2.0-1.fc18.x86_64"), pkg("tool-1:1.0-1.x86_64"), pkg("other-1-1.noarch")}) {
			got = append(got, fmt.Sprintf("%s %s restart=%q %v %d", notice.ID, notice.Type, notice.Restart, notice.Packages, len(notice.References)))
		}
		want := `openSUSE-2013-2 recommended restart="application" [lib-1.5-1.x86_64] 0|FEDORA-2013-1 security restart="system" [lib-2.0-1.fc18.x86_64] 1`
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, "|"), want)
		}
	}
	n, _ := readUpdateinfo(t, "u", []byte(updateinfo), maxXML)
	first := n.byName["tool"][0]
	if first.Text != "One\n  two." || !first.Issued.Equal(time.Date(2013, 1, 2, 3, 4, 5, 0, time.UTC)) || first.State != "stable" {
		t.Errorf("%+v", first)
	}
	if about := n.about([]*Package{pkg("lib-1.5-1.x86_64")}); len(about) != 1 || about[0].ID != "openSUSE-2013-2" {
		t.Errorf("of an old version: %+v", about)
	}
}

func TestUpdateinfoRefused(t *testing.T) {
	for want, test := range map[string]struct {
		name, data string
		max        int64
	}{
		"unpacks to more than 100 bytes": {"u", updateinfo, 100},
		"no updateinfo.xml":              {"u", "<updates><update></updates>", maxXML},
		"gzip: invalid header":           {"u.gz", "plain text that is long enough", maxXML},
		"which this program can't read":  {"u.lzma", "plain", maxXML},
	} {
		if _, err := readUpdateinfo(t, test.name, []byte(test.data), test.max); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, s := range []string{"", "short", "ääää", "äääää", "abcdefghij", "日本語日本語"} {
		got := cut(s, 9)
		if len(got) > 9 || len(s) <= 9 && got != s || strings.ToValidUTF8(got, "?") != got {
			t.Errorf("%q is cut to %q", s, got)
		}
	}
}

func FuzzUpdateinfo(f *testing.F) {
	f.Add([]byte(updateinfo))
	f.Fuzz(func(t *testing.T, data []byte) {
		var n notices
		n.parse(bytes.NewReader(data), 1<<20)
		n.sort()
		for name, all := range n.byName {
			for _, notice := range all {
				for _, p := range notice.Packages {
					if err := p.Check(); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				if len(notice.Text) > tree.MaxNoticeText || len(notice.References) > tree.MaxReferences || len(notice.ID) > 200 {
					t.Errorf("%s: %+v", name, notice)
				}
			}
		}
	})
}
