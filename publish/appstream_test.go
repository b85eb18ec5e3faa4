// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"archive/tar"
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// icon is a PNG file of a size; shade tells it from others.
func icon(t *testing.T, size int, shade byte) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, size, size))
	m.SetGray(1, 1, color.Gray{Y: shade})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withIcons adds an archive of AppStream's icons, of two sizes, to a repository.
func withIcons(t *testing.T, repository string, names ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "icons.tar")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, size := range []int{128, 64} {
		for i, name := range names {
			data := icon(t, size, byte(i+1))
			if err := w.WriteHeader(&tar.Header{Name: "./64x64/" + name, Typeflag: tar.TypeReg, Size: int64(len(data)), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			w.Write(data)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("modifyrepo_c", "--mdtype=appstream-icons", file, filepath.Join(repository, "repodata")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestAppstream(t *testing.T) {
	repository := repotest.New(t, append(slices.Clone(first),
		repotest.Package{NEVRA: "chess-1-1.noarch", Files: []string{"/usr/share/applications/chess.desktop", "/usr/share/applications/a.desktop"}},
		repotest.Package{NEVRA: "go-1-1.noarch", Provides: []string{"application(org.go.desktop)"}})...)
	withTexts(t, repository, `<component type="desktop"><id>org.write.desktop</id><pkgname>none</pkgname><pkgname>write</pkgname><name xml:lang="de">Schreiben</name><name>Write &amp; Read</name>`+
		`<categories><category>Office</category><category>a;b</category></categories><icon type="stock">write</icon><icon type="cached" width="64" height="64">write.png</icon></component>`+
		`<component type="font"><id>font</id><pkgname>write</pkgname><name>Font</name></component>`+
		`<component type="desktop"><id>gone.desktop</id><pkgname>gone</pkgname><name>Not on offer</name></component>`+
		`<component type="console-application"><id>../evil</id><pkgname>write</pkgname><name>Evil</name></component>`)
	withIcons(t, repository, "other.png", "write.png")
	o := options(t)
	mustBuild(t, open(t, repotest.URL(repository)), o)
	p := mustFollow(t, o).platform
	dir := filepath.Join(o.Output, o.Platform)
	read := func(ref tree.Ref) []byte {
		data, err := os.ReadFile(filepath.Join(dir, ref.Path))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	a, err := tree.ParseAppstream(read(p.Appstream), o.Platform)
	if err != nil {
		t.Fatal(err)
	}
	png := icon(t, 64, 2)
	want := []tree.Component{
		{ID: "chess.desktop", Name: "chess", Type: tree.DesktopApplication, Title: "chess", Launch: "chess.desktop"},
		{ID: "org.go.desktop", Name: "go", Type: tree.DesktopApplication, Title: "go", Launch: "org.go.desktop"},
		{ID: "org.write.desktop", Name: "write", Type: tree.DesktopApplication, Title: "Write & Read", Categories: "Office", Launch: "org.write.desktop", Icon: tree.IconDigest(png)},
	}
	if !slices.Equal(a.Components, want) {
		t.Errorf("components are %+v, want %+v", a.Components, want)
	}
	if len(a.Packs) != 1 {
		t.Fatalf("%d packs", len(a.Packs))
	}
	icons, err := tree.ParseIcons(read(a.Packs[0]), o.Platform)
	if err != nil || len(icons.Icons) != 1 || !bytes.Equal(icons.Icons[0], png) {
		t.Errorf("the pack has %d icons: %v", len(icons.Icons), err)
	}
	if _, err := Verify(context.Background(), dir, p, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	if r := mustBuild(t, open(t, repotest.URL(repository)), o); r.Changed {
		t.Error("the same again is a change")
	}
}
