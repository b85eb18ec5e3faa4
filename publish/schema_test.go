// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// schemas are those of doc/schema.
func schemas(t *testing.T) func(name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	dir := filepath.Join("..", "doc", "schema")
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		if err := c.AddResource("https://schema.invalid/"+e.Name(), doc); err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
	}
	return func(name string) *jsonschema.Schema {
		s, err := c.Compile("https://schema.invalid/" + name + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// documents are the JSON documents in a published file, or the lines of a search file.
func documents(t *testing.T, path string) (all [][]byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if shards := filepath.Dir(path); slices.Contains([]string{"references", "capabilities", "texts"}, filepath.Base(filepath.Dir(shards))) {
		all, err := os.ReadDir(shards)
		if err != nil {
			t.Fatal(err)
		}
		data = data[bits.TrailingZeros(uint(len(all)))*32:] // the hashes
	} else if !strings.HasSuffix(path, ".zst") {
		return [][]byte{data}
	}
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewReader(z)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			all = append(all, line)
		}
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The documented schemas are right about what is published: each kind of file is there and fits,
// and what doesn't fit is told.
func TestSchemas(t *testing.T) {
	o := options(t)
	o.Signing = signedBy(t, newKeys(t, 1), 1)
	repository := repotest.New(t, append(slices.Clone(first),
		repotest.Package{NEVRA: "asks-1-1.noarch", Requires: []string{"(lib if write)"}, Conflicts: []string{"old < 2"}, Provides: []string{"asked = 2"}},
		repotest.Package{NEVRA: "foe-1-1.noarch", Conflicts: []string{"asked"}, Obsoletes: []string{"enemy < 2"}})...)
	withTexts(t, repository, `<component type="desktop"><id>write.desktop</id><pkgname>write</pkgname><name>Write</name><categories><category>Office</category></categories><icon type="cached" width="64" height="64">write.png</icon><summary xml:lang="de">Schreiben</summary></component>`)
	withIcons(t, repository, "write.png")
	withComps(t, repository, `<group><id>words</id><name>Words</name><name xml:lang="de">Wörter</name><packagelist><packagereq>write</packagereq></packagelist></group>`+
		`<category><id>apps</id><name>Apps</name><grouplist><groupid>words</groupid></grouplist></category>`)
	mustBuild(t, open(t, repotest.URL(repository)), o)
	schema := schemas(t)
	copies, err := (&tree.Copies{Format: tree.Format, Platform: o.Platform, RPMs: true, Chosen: true}).Encode()
	if err == nil {
		err = os.WriteFile(filepath.Join(o.Output, o.Platform, tree.CopiesName), copies, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	names := map[any]bool{}
	err = filepath.WalkDir(o.Output, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		in, err := filepath.Rel(filepath.Join(o.Output, o.Platform), path)
		if filepath.Ext(path) == ".asc" {
			return err
		}
		if err != nil || strings.HasSuffix(path, ".zst") && !strings.HasSuffix(path, ".json.zst") && !strings.HasPrefix(in, "appstream/") && !strings.HasPrefix(in, "icons/") { // lines of no JSON
			checked[strings.Split(in, "/")[0]+" lines"]++
			return err
		}
		kind := map[string]string{"references": "reference", "trees": "tree", "files": "files", "notices": "notices", "texts": "texts", "capabilities": "capability", "categories": "categories", "appstream": "appstream", "icons": "icons"}[strings.Split(in, "/")[0]]
		if strings.HasPrefix(in, "texts/") && strings.Count(in, "/") == 2 {
			kind = "language"
		}
		if kind == "" {
			kind, _, _ = strings.Cut(strings.TrimSuffix(e.Name(), ".json"), "@")
		}
		for _, d := range documents(t, path) {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(d))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if err := schema(kind).Validate(v); err != nil {
				t.Errorf("%s: %v\n%s", path, err, d)
			}
			checked[kind]++
			names[v.(map[string]any)["name"]] = true
			object := v.(map[string]any)
			if kind == "tree" && object["name"] == "asks" && !bytes.Contains(d, []byte(`"conditions":{"requires":["(lib if write)"],"conflicts":["old \u003c 2"]},"meets":["asked = 2"]`)) {
				t.Errorf("the tree of asks is %s", d)
			}
			for key := range object {
				if key == "created" || key == "expires" {
					continue
				}
				spoilt := map[string]any{}
				json.Unmarshal(d, &spoilt)
				spoilt[key] = map[string]any{"no": "such"}
				if schema(kind).Validate(spoilt) == nil && key != "totals" && key != "texts" {
					t.Errorf("the schema of %s takes anything as %s", kind, key)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !names["asks"] {
		t.Error("nothing with conditions was published")
	}
	for _, kind := range []string{"platform", "search lines", "texts lines", "reference", "language", "tree", "files", "texts", "capability", "categories", "appstream", "icons", "platforms", "report", "keys", "copies"} {
		if checked[kind] == 0 {
			t.Errorf("no file of the kind %s was published: %v", kind, checked)
		}
	}
}
