// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A publication is what a folder publishes, by hand.
type publication struct {
	Serial   int64
	Packages map[string][]string // "name-version-release.arch" and what it obsoletes
	Texts    map[string]string   // summaries in Portuguese, by name
	// Change, if not nil, changes platform.json before it is written.
	Change func(*tree.Platform)
}

// write writes it into a folder, whose earlier platform.json is replaced, and gives its platform.json.
func (p publication) write(t testing.TB, folder string) *tree.Platform {
	t.Helper()
	at := filepath.Join(folder, stickPlatform)
	put := func(name string, body []byte) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(at, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(at, name), body, 0o644))
	}
	by := make(map[string][]string)
	search := make(map[string][][]byte)
	refs := make(map[string][][]byte)
	for _, text := range slices.Sorted(maps.Keys(p.Packages)) {
		n, err := tree.ParseNEVRA(text)
		must(t, err)
		made := &tree.Tree{Format: tree.Format, Platform: stickPlatform, Name: n.Name, Packages: []tree.Package{{NEVRA: n, Size: 7, SHA256: tree.NewRef("", []byte(text), "").SHA256, Location: "rpms/" + text + ".rpm"}}}
		body, err := made.Encode()
		must(t, err)
		r := &tree.Reference{NEVRA: n, Summary: "It is " + text, Download: 7, Obsoletes: p.Packages[text], Tree: tree.NewRef("trees/"+n.Name+"@", body, ".json")}
		put(r.Tree.Path, body)
		line, err := r.Line()
		must(t, err)
		refs[n.Name] = append(refs[n.Name], line)
		search[n.Name] = append(search[n.Name], (&tree.Entry{NEVRA: n, Summary: r.Summary, Obsoletes: r.Obsoletes, Group: "games"}).Line())
		for _, dependency := range p.Packages[text] {
			name := firstWord(dependency)
			if !slices.Contains(by[name], n.Name) {
				by[name] = append(by[name], n.Name)
			}
		}
	}
	for name, all := range by {
		line, err := (&tree.Reference{NEVRA: tree.NEVRA{Name: name}, By: all}).Line()
		must(t, err)
		refs[name] = append(refs[name], line)
		search[name] = append([][]byte{(&tree.Entry{NEVRA: tree.NEVRA{Name: name}, By: all}).Line()}, search[name]...)
	}
	is := &tree.Platform{Format: tree.Format, Platform: stickPlatform, Arch: "x86_64", Serial: p.Serial, Created: time.Now()}
	var lines, texts [][]byte
	for _, name := range slices.Sorted(maps.Keys(search)) {
		lines = append(lines, search[name]...)
		if p.Texts[name] != "" {
			texts = append(texts, (&tree.Entry{NEVRA: tree.NEVRA{Name: name}, Summary: p.Texts[name]}).Line())
		}
	}
	var body []byte
	var err error
	is.Search, body, err = tree.EncodeSearch("search/", lines)
	must(t, err)
	put(is.Search.Path, body)
	if len(texts) > 0 {
		in, body, err := tree.EncodeSearch("texts/pt@", texts)
		must(t, err)
		put(in.Path, body)
		is.Texts = map[string]tree.Search{"pt": in}
	}
	shards := make([][][]byte, 4)
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		i := tree.Shard(name, len(shards))
		shards[i] = append(shards[i], refs[name]...)
	}
	var files [][]byte
	is.References, files, err = tree.EncodeIndex(shards)
	must(t, err)
	for i, body := range files {
		put(is.References.Path(references, i), body)
	}
	is.Capabilities, files, err = tree.EncodeIndex([][][]byte{nil})
	must(t, err)
	put(is.Capabilities.Path(capabilities, 0), files[0])
	if p.Change != nil {
		p.Change(is)
	}
	body, err = is.Encode()
	must(t, err)
	put("platform.json", body)
	return is
}

func firstWord(text string) string {
	for i, r := range text {
		if r == ' ' {
			return text[:i]
		}
	}
	return text
}
