// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A publication is what a folder publishes, by hand.
type publication struct {
	Serial   int64
	Packages map[string][]string // "name-version-release.arch" and what it obsoletes
	Texts    map[string]string   // summaries in Portuguese, by name
	Files    map[string][]string // by name
	// Dictionary, if it isn't empty, is what trees are compressed with, and RPMs are in a repository then.
	Dictionary string
	// Signer signs it; nil: nobody does. It has a year from Created, which is now where it is zero.
	Signer  *pgp.Signer
	Created time.Time
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
	is := &tree.Platform{Format: tree.Format, Platform: stickPlatform, Arch: "x86_64", Serial: p.Serial, Created: p.Created}
	if p.Created.IsZero() {
		is.Created = time.Now()
	}
	is.Expires = is.Created.AddDate(1, 0, 0)
	var dictionary []byte
	var err error
	if p.Dictionary != "" {
		dictionary, err = tree.EncodeDictionary([]byte(p.Dictionary))
		must(t, err)
		is.Dictionary = tree.NewRef("dictionary/", dictionary, ".zst")
		put(is.Dictionary.Path, dictionary)
		is.Repositories = []tree.Repository{{URLs: []string{"http://a.invalid/x/", "http://b.invalid/y"}}}
	}
	packer, err := tree.NewPacker(dictionary)
	must(t, err)
	by := make(map[string][]string)
	search := make(map[string][][]byte)
	refs := make(map[string][][]byte)
	for _, text := range slices.Sorted(maps.Keys(p.Packages)) {
		n, err := tree.ParseNEVRA(text)
		must(t, err)
		made := &tree.Tree{Format: tree.Format, Platform: stickPlatform, Name: n.Name, Packages: []tree.Package{{NEVRA: n, Size: 7, SHA256: tree.NewRef("", []byte(text), "").SHA256, Location: "rpms/" + text + ".rpm"}}}
		if len(is.Repositories) > 0 {
			made.Packages[0].Repository, made.Packages[0].Location = 1, "Packages/"+text+".rpm"
		}
		if paths := p.Files[n.Name]; paths != nil {
			list, err := (&tree.FileList{Format: tree.Format, Name: n.Name, Files: paths}).Encode()
			must(t, err)
			made.Packages[0].Files = tree.NewRef("files/"+n.Name+"@", list, ".json.zst")
			put(made.Packages[0].Files.Path, list)
		}
		body, err := packer.Tree(made)
		must(t, err)
		r := &tree.Reference{NEVRA: n, Summary: "It is " + text, Download: 7, Obsoletes: p.Packages[text], Tree: tree.NewRef("trees/"+n.Name+"@", body, ".json.zst")}
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
	var lines, translated [][]byte
	for _, name := range slices.Sorted(maps.Keys(search)) {
		lines = append(lines, search[name]...)
		if p.Texts[name] != "" {
			translated = append(translated, (&tree.Entry{NEVRA: tree.NEVRA{Name: name}, Summary: p.Texts[name]}).Line())
		}
	}
	var body []byte
	is.Search, body, err = tree.EncodeSearch("search/", lines)
	must(t, err)
	put(is.Search.Path, body)
	if len(translated) > 0 {
		in, body, err := tree.EncodeSearch("texts/pt@", translated)
		must(t, err)
		put(in.Path, body)
		line, err := (&tree.Language{Language: "pt", Search: in}).Line()
		must(t, err)
		var files [][]byte
		is.Texts, files, err = tree.EncodeIndex([][][]byte{{line}})
		must(t, err)
		put(is.Texts.Path(texts, 0), files[0])
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
	if p.Signer != nil {
		signature, err := p.Signer.Sign(body, is.Created)
		must(t, err)
		put(tree.SignatureName(tree.HeadName(body)), signature)
		put("keys/"+p.Signer.Fingerprint+".asc", p.Signer.Armoured)
	}
	put("platform.json", body)
	return is
}

// A dictionary comes with the first tree and is kept; another mirror changes platform.json alone; a
// package's files cost one file.
func TestTreesThatShare(t *testing.T) {
	folder := t.TempDir()
	first := publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil, "song-1-1.noarch": nil}, Dictionary: strings.Repeat("what all trees have, ", 20),
		Files: map[string][]string{"paint": {"/usr/bin/paint"}}}
	was := first.write(t, folder)
	o := newOffers(t, nil, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	find := func(name string) *Offer {
		t.Helper()
		found, err := o.Find(t.Context(), nobody{}, Wanted{Name: name})
		must(t, err)
		return found
	}
	paint := find("paint")
	copied := "file://" + folder + "/" + stickPlatform + "/" + tree.CopyOf(paint.Package())
	if got := o.Download("school", paint.Package()).URLs; !slices.Equal(got, []string{copied, "http://a.invalid/x/Packages/paint-1-1.noarch.rpm", "http://b.invalid/y/Packages/paint-1-1.noarch.rpm"}) {
		t.Errorf("the RPM is at %q", got)
	}
	must(t, os.Remove(filepath.Join(folder, stickPlatform, was.Dictionary.Path)))
	song := find("song")
	if paths, published, err := o.Files(t.Context(), paint); err != nil || !published || !slices.Equal(paths, []string{"/usr/bin/paint"}) {
		t.Errorf("files %q, %v, %v", paths, published, err)
	}
	if paths, published, err := o.Files(t.Context(), song); err != nil || published || paths != nil {
		t.Errorf("files %q, %v, %v", paths, published, err)
	}
	needed, err := o.Needed(t.Context())
	must(t, err)
	for _, sha := range []string{was.Dictionary.SHA256, paint.Package().Files.SHA256} {
		if !slices.Contains(needed, sha) {
			t.Errorf("%s isn't needed", sha)
		}
	}
	if n, err := o.Record.Unused(t.Context(), needed); err != nil || n != 0 {
		t.Errorf("%d are not needed, %v", n, err)
	}

	second := first
	second.Serial, second.Change = 2, func(p *tree.Platform) { p.Repositories[0].URLs = []string{"http://c.invalid/"} }
	is := second.write(t, folder)
	must(t, o.Refresh(t.Context(), nobody{}, false))
	if is.References != was.References {
		t.Error("another mirror has changed trees")
	}
	must(t, os.RemoveAll(filepath.Join(folder, stickPlatform, "trees")))
	if got := o.Download("school", find("paint").Package()).URLs; !slices.Equal(got, []string{copied, "http://c.invalid/Packages/paint-1-1.noarch.rpm"}) {
		t.Errorf("the RPM is at %q", got)
	}

	// Another dictionary, without which no tree can be read.
	third := first
	third.Serial, third.Dictionary = 3, strings.Repeat("what other trees have, ", 20)
	third.Change = func(p *tree.Platform) { must(t, os.Remove(filepath.Join(folder, stickPlatform, p.Dictionary.Path))) }
	third.write(t, folder)
	must(t, o.Refresh(t.Context(), nobody{}, false))
	if _, err := o.Find(t.Context(), nobody{}, Wanted{Name: "paint"}); err == nil {
		t.Error("a tree is read without its dictionary")
	}
	third.Change, third.Serial = nil, 4
	third.write(t, folder)
	must(t, o.Refresh(t.Context(), nobody{}, false))
	find("paint")
}

func firstWord(text string) string {
	for i, r := range text {
		if r == ' ' {
			return text[:i]
		}
	}
	return text
}
