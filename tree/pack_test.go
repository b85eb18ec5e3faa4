// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// someDictionary has the packages of the tree good.
func someDictionary(t testing.TB) []byte {
	t.Helper()
	content, err := json.Marshal(good().Packages)
	if err != nil {
		t.Fatal(err)
	}
	file, err := EncodeDictionary(content)
	if err != nil || file == nil {
		t.Fatal(err, "no dictionary")
	}
	if again, err := ParseDictionary(file); err != nil || !bytes.Equal(again, content) {
		t.Errorf("a dictionary is %q and was %q, %v", again, content, err)
	}
	return file
}

// A tree tells its dictionary, is read with that alone, and is smaller for it.
func TestDictionary(t *testing.T) {
	dictionary := someDictionary(t)
	p, err := NewPacker(dictionary)
	if err != nil {
		t.Fatal(err)
	}
	want := good()
	data, err := p.Tree(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseTree(data, dictionary, "p", "top"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	alone := mustEncode(t, want)
	if len(data) > len(alone)/2 {
		t.Errorf("a tree has %d bytes with a dictionary and %d without", len(data), len(alone))
	}
	if of := DictionaryOf(data); of == "" || !strings.HasPrefix(NewRef("", dictionary, "").SHA256, of) {
		t.Errorf("the dictionary is %q", of)
	}
	if of := DictionaryOf(alone); of != "" {
		t.Errorf("a tree without has the dictionary %q", of)
	}
	other, err := EncodeDictionary(bytes.Repeat([]byte("other"), 100))
	if err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string][]byte{"none": nil, "another one": other, "garbage": []byte("garbage"), "an empty one": {}} {
		if _, err := ParseTree(data, wrong, "p", "top"); err == nil {
			t.Errorf("it is read with %s", what)
		}
	}
	if _, err := ParseTree(alone, dictionary, "p", "top"); err != nil {
		t.Errorf("a tree without one is read with one: %v", err)
	}
}

// What becomes of a tree doesn't hang on those that were written before.
func TestSameBytes(t *testing.T) {
	var all []*Tree
	for i := range 50 {
		tr := good()
		for j := range tr.Packages {
			tr.Packages[j].Description = strings.Repeat(fmt.Sprintf("%d of %d, ", j, i), 1+i*7)
		}
		all = append(all, tr)
	}
	for _, dictionary := range [][]byte{nil, someDictionary(t)} {
		written := make([][]byte, len(all))
		for round := range 3 {
			p, err := NewPacker(dictionary)
			if err != nil {
				t.Fatal(err)
			}
			for k := range all {
				i := (k*7 + round*13) % len(all)
				data, err := p.Tree(all[i])
				if err != nil {
					t.Fatal(err)
				}
				if written[i] != nil && !bytes.Equal(written[i], data) {
					t.Errorf("tree %d differs in round %d", i, round)
				}
				written[i] = data
			}
		}
	}
}

// A small file that is a large one unpacked is refused, in little memory.
func TestUnpackedIsBounded(t *testing.T) {
	bomb := compress(t, strings.Repeat("\x00", 64<<20))
	got := allocated(func() {
		if _, err := ParseTree(bomb, nil, "p", "top"); err == nil || !strings.Contains(err.Error(), "more than 8388608 bytes, unpacked") {
			t.Errorf("a tree of 64 MiB: %v", err)
		}
		if _, err := ParseTree(bomb, bomb, "p", "top"); err == nil || !strings.Contains(err.Error(), "more than 65536 bytes, unpacked") {
			t.Errorf("a dictionary of 64 MiB: %v", err)
		}
		if _, err := ParseFileList(bomb, "top"); err == nil {
			t.Error("a file list of 64 MiB is taken")
		}
	})
	if got > 128<<20 { // as a slice of 8 MiB grows
		t.Errorf("%d bytes were allocated", got)
	}
}

func TestURLs(t *testing.T) {
	p := &Platform{Repositories: []Repository{
		{URLs: []string{"https://a.example.org/x%20y/", "http://b.example.org/?token=1"}}, {URLs: []string{"file:///srv/repo"}},
	}}
	for want, pkg := range map[string]Package{
		"https://a.example.org/x%20y/p/a%2B%2B%231.rpm http://b.example.org/p/a%2B%2B%231.rpm?token=1": {Repository: 1, Location: "p/a++#1.rpm"},
		"file:///srv/repo/a.rpm":      {Repository: 2, Location: "a.rpm"},
		"":                            {Location: "rpms/a.rpm"},
		"https://c.example.org/b.rpm": {URLs: []string{"https://c.example.org/b.rpm"}},
		"file:///srv/repo/b.rpm https://c.example.org/b":   {Repository: 2, Location: "b.rpm", URLs: []string{"https://c.example.org/b"}},
		"https://c.example.org/in a repository that isn't": {Repository: 3, Location: "b.rpm", URLs: []string{"https://c.example.org/in a repository that isn't"}},
	} {
		if got := strings.Join(p.URLs(&pkg), " "); got != want {
			t.Errorf("%+v is at %s\nand not %s", pkg, got, want)
		}
	}
}
