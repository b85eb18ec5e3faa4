// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func platform() *Platform {
	now := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	return &Platform{Format: Format, Platform: "p", Arch: "i686", Serial: 3, Created: now, Expires: now.AddDate(0, 1, 0), Base: Base{digest, 7},
		Search: search("search"), References: Index{digest, 4}, Texts: Index{digest, 1}, Capabilities: Index{digest, 2},
		Dictionary: NewRef("dictionary/", []byte("c"), ".zst"), Repositories: []Repository{{[]string{"https://a.example.org/x", "file:///srv/x"}}, {[]string{"http://[::1]/"}}}}
}

func search(folder string) Search {
	return Search{NewRef(folder+"/", []byte("a"), ".zst"), digest, 100, 3, []Difference{{"fedcba9876543210", NewRef(folder+"/", []byte("b"), ".zst")}}}
}

func TestPlatformRoundTrip(t *testing.T) {
	want := platform()
	got, err := ParsePlatform(mustEncode(t, want), "p")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestPlatformRefused(t *testing.T) {
	ref := func(change func(*Ref)) func(*Platform) { return func(p *Platform) { change(&p.Search.Ref) } }
	difference := func(change func(*Difference)) func(*Platform) {
		return func(p *Platform) { change(&p.Search.Differences[0]) }
	}
	tests := []struct {
		name   string
		change func(*Platform)
		says   string
	}{
		{"another platform", func(p *Platform) { p.Platform = "q" }, `platform "q" and not "p"`},
		{"no architecture", func(p *Platform) { p.Arch = "" }, "no architecture"},
		{"bad architecture", func(p *Platform) { p.Arch = "a;b" }, "no architecture"},
		{"no serial", func(p *Platform) { p.Serial = 0 }, "serial 0"},
		{"negative serial", func(p *Platform) { p.Serial = -1 }, "serial -1"},
		{"no search file", func(p *Platform) { p.Search = Search{} }, "plain relative path"},
		{"path up", ref(func(r *Ref) { r.Path = "../" + r.Path }), "plain relative path"},
		{"absolute path", ref(func(r *Ref) { r.Path = "/" + r.Path }), "plain relative path"},
		{"path in another folder", ref(func(r *Ref) { r.Path = "trees/" + r.SHA256[:16] }), "should be in search/"},
		{"path in a folder below", ref(func(r *Ref) { r.Path = "search/x/" + r.SHA256[:16] }), "should be in search/"},
		{"path without the digest", ref(func(r *Ref) { r.Path = "search/x" }), "have the digest"},
		{"no digest", ref(func(r *Ref) { r.SHA256 = "" }), "not a SHA-256"},
		{"short digest", ref(func(r *Ref) { r.SHA256 = r.SHA256[:16] }), "not a SHA-256"},
		{"no size", ref(func(r *Ref) { r.Size = 0 }), "not between"},
		{"negative size", ref(func(r *Ref) { r.Size = -5 }), "not between"},
		{"huge size", ref(func(r *Ref) { r.Size = MaxSearchFile + 1 }), "not between"},
		{"no content", func(p *Platform) { p.Search.Content = "" }, "not a SHA-256"},
		{"no lines", func(p *Platform) { p.Search.Lines = 0 }, "0 lines in 100 bytes"},
		{"too many lines", func(p *Platform) { p.Search.Lines, p.Search.Unpacked = MaxEntries+1, MaxUnpacked }, "300001 lines"},
		{"more lines than bytes", func(p *Platform) { p.Search.Lines = 51 }, "51 lines in 100 bytes"},
		{"too many bytes", func(p *Platform) { p.Search.Unpacked = MaxUnpacked + 1 }, "bytes are not between"},
		{"a difference from nothing", difference(func(d *Difference) { d.From = "" }), "a difference is from"},
		{"a difference from a path", difference(func(d *Difference) { d.From = "../../../../../x" }), "a difference is from"},
		{"a difference without a digest", difference(func(d *Difference) { d.SHA256 = "abc" }), "not a SHA-256"},
		{"a huge difference", difference(func(d *Difference) { d.Size = MaxSearchFile + 1 }), "not between"},
		{"many differences", func(p *Platform) {
			p.Search.Differences = slices.Repeat(p.Search.Differences, MaxDifferences+1)
		}, "17 differences"},
		{"no references", func(p *Platform) { p.References = Index{} }, "not a SHA-256"},
		{"references without shards", func(p *Platform) { p.References.Shards = 0 }, "no power of two"},
		{"three shards", func(p *Platform) { p.References.Shards = 3 }, "no power of two"},
		{"too many shards", func(p *Platform) { p.References.Shards = 2 * MaxShards }, "no power of two"},
		{"capabilities without shards", func(p *Platform) { p.Capabilities.Shards = -1 }, "no power of two"},
		{"texts without a root", func(p *Platform) { p.Texts.Root = "" }, "not a SHA-256"},
		{"a large dictionary", func(p *Platform) { p.Dictionary.Size = MaxDictionary + 1 }, "not between"},
		{"a dictionary elsewhere", func(p *Platform) { p.Dictionary.Path = "trees/" + p.Dictionary.SHA256[:16] }, "should be in dictionary/"},
		{"a repository nowhere", func(p *Platform) { p.Repositories[1].URLs = nil }, "repository 2 of platform.json has 0 mirrors"},
		{"too many mirrors", func(p *Platform) { p.Repositories[1].URLs = make([]string, maxURLs+1) }, "has 65 mirrors"},
		{"too many repositories", func(p *Platform) { p.Repositories = slices.Repeat(p.Repositories, 33) }, "66 repositories"},
		{"a mirror that is a path", func(p *Platform) { p.Repositories[0].URLs[1] = "/srv/x" }, "absolute http, https or file URL"},
		{"larger than any", func(p *Platform) { p.Repositories[0].URLs[0] += strings.Repeat("x", MaxPlatform) }, "more than"},
		{"keys of no version", func(p *Platform) { p.Keys = -1 }, "keys of the version -1"},
		{"more builds than seconds", func(p *Platform) { p.Serial = p.Created.Unix() + 1 }, "so many builds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := platform()
			tt.change(p)
			if _, err := ParsePlatform(mustEncode(t, p), "p"); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("ParsePlatform: %v, want %q", err, tt.says)
			}
		})
	}
}

// What an older server has published is told apart from what a newer one has.
func TestOlderFormat(t *testing.T) {
	_, err := ParsePlatform([]byte(`{"format":1,"platform":"p","catalogue":[]}`), "p")
	var format *FormatError
	if !errors.As(err, &format) || format.Format != 1 || !strings.Contains(err.Error(), "the server's presolver is older") {
		t.Error(err)
	}
}

func TestRefCheck(t *testing.T) {
	r := NewRef("trees/x@", []byte("content"), ".json")
	if r.Path != fmt.Sprintf("trees/x@%.8x.json", sha256.Sum256([]byte("content"))) || r.IsZero() || !(Ref{}).IsZero() {
		t.Errorf("NewRef = %+v", r)
	}
	if err := r.Check([]byte("content")); err != nil {
		t.Error(err)
	}
	for _, content := range []string{"", "conten", "contents", "CONTENT"} {
		if r.Check([]byte(content)) == nil {
			t.Errorf("%q passes for \"content\"", content)
		}
	}
}

func FuzzParsePlatform(f *testing.F) {
	f.Add(mustEncode(f, platform()))
	f.Add([]byte(`{"format":2,"platform":"p","arch":"x","serial":1,"search":{"path":"../x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePlatform(data, "p")
		if err != nil {
			return
		}
		if s := p.References.Shard("abc"); s < 0 || s >= p.References.Shards {
			t.Errorf("shard %d of %d", s, p.References.Shards)
		}
		for _, d := range p.Search.Differences {
			if p.Search.From(d.From+strings.Repeat("0", 48)) == nil {
				t.Errorf("the difference from %q isn't found", d.From)
			}
		}
		for _, path := range []string{p.Search.Path, p.References.Path("search", 0)} {
			if !strings.HasPrefix(path, "search/") || strings.Contains(path, "/../") {
				t.Errorf("the path %q", path)
			}
		}
		if again, err := ParsePlatform(mustEncode(t, p), "p"); err != nil || !reflect.DeepEqual(again.Search, p.Search) {
			t.Errorf("what was read can't be read again: %v", err)
		}
	})
}
