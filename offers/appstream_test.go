// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What is offered is shown, in the user's language and with the icons that can be had, and only as long
// as its source is enabled.
func TestShowPrograms(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x40\x00\x00\x00\x40…")
	folder, root := t.TempDir(), t.TempDir()
	dir := filepath.Join(root, "var/cache/swcatalog")
	p := publication{Serial: 1, Packages: map[string][]string{"paint-2-1.noarch": nil, "chess-1-1.noarch": nil}, Texts: map[string]string{"chess": "Xadrez"}}
	p.Change = func(is *tree.Platform) {
		put := func(prefix string, content []byte, err error) tree.Ref {
			must(t, err)
			ref := tree.NewRef(prefix, content, ".zst")
			name := filepath.Join(folder, stickPlatform, ref.Path)
			must(t, os.MkdirAll(filepath.Dir(name), 0o755))
			must(t, os.WriteFile(name, content, 0o644))
			return ref
		}
		packs := [2]tree.Icons{{Format: tree.Format, Platform: stickPlatform, Icons: [][]byte{}}, {Format: tree.Format, Platform: stickPlatform, Icons: [][]byte{}}}
		icon := tree.IconDigest(png)
		packs[tree.Shard(icon, 2)].Icons = [][]byte{png}
		a := &tree.Appstream{Format: tree.Format, Platform: stickPlatform, Components: []tree.Component{
			{ID: "gone.desktop", Name: "gone", Type: tree.DesktopApplication, Title: "Not on offer"},
			{ID: "org.chess", Name: "chess", Type: tree.DesktopApplication, Title: "Grand Chess", Icon: icon},
		}}
		for i := range packs {
			content, err := packs[i].Encode()
			a.Packs = append(a.Packs, put("icons/", content, err))
		}
		// The pack that nobody needs isn't asked for.
		must(t, os.Remove(filepath.Join(folder, stickPlatform, a.Packs[1-tree.Shard(icon, 2)].Path)))
		content, err := a.Encode()
		is.Appstream = put("appstream/", content, err)
	}
	p.write(t, folder)
	o := newOffers(t, nil, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	o.SetLocale("pt_BR.UTF-8")
	must(t, o.Refresh(t.Context(), nobody{}, false))
	must(t, o.ShowPrograms(t.Context(), root))
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is shown where there is no software centre")
	}
	must(t, os.MkdirAll(dir, 0o755))
	must(t, o.ShowPrograms(t.Context(), root))
	content, err := os.ReadFile(filepath.Join(dir, "xml/presolve-school.xml"))
	must(t, err)
	for _, want := range []string{"<id>org.chess</id>", "<name>Grand Chess</name>", `<summary xml:lang="pt">Xadrez</summary>`, tree.IconDigest(png) + ".png</icon>", "<id>paint</id>", "<category>Game</category>"} {
		if !strings.Contains(string(content), want) {
			t.Errorf("%s isn't in %s", want, content)
		}
	}
	if strings.Contains(string(content), "gone") || strings.Count(string(content), "<component ") != 2 {
		t.Errorf("it has others: %s", content)
	}
	if is, err := os.ReadFile(filepath.Join(dir, "icons/presolve-school/64x64", tree.IconDigest(png)+".png")); string(is) != string(png) {
		t.Errorf("the icon: %v", err)
	}
	needed, err := o.Needed(t.Context())
	must(t, err)
	if !strings.Contains(strings.Join(needed, " "), o.view.platforms["school"].Appstream.SHA256) {
		t.Error("the list of programs may be dropped")
	}
	must(t, o.use(t.Context(), nil))
	must(t, o.HidePrograms(root))
	for _, name := range []string{"xml/presolve-school.xml", "icons/presolve-school"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s stays", name)
		}
	}
}
