// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// withComps gives a repository new metadata, with comps.
func withComps(t *testing.T, repository, comps string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(file, []byte("<comps>"+comps+"</comps>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := testbed.CreateRepo(repository, "--groupfile", file, "--keep-all-metadata", "--update"); err != nil {
		t.Fatal(err)
	}
}

// categoriesOf are those that a reader finds; nil where there are none.
func categoriesOf(t *testing.T, o Options) *tree.Categories {
	t.Helper()
	ref := mustFollow(t, o).platform.Categories
	if ref.IsZero() {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, ref.Path))
	if err != nil || ref.Check(data) != nil {
		t.Fatal(err, ref.Check(data))
	}
	c, err := tree.ParseCategories(data, o.Platform)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCategories(t *testing.T) {
	repository := repotest.New(t, first...)
	o := options(t)
	mustBuild(t, open(t, repotest.URL(repository)), o)
	if c := categoriesOf(t, o); c != nil {
		t.Errorf("without comps: %+v", c)
	}
	withComps(t, repository, `
		<group><id>words</id><name>Words</name><name xml:lang="de">Wörter</name><description>To
			write</description><packagelist><packagereq>write</packagereq><packagereq>base</packagereq><packagereq>nowhere</packagereq></packagelist></group>
		<group><id>none</id><name>None</name><name xml:lang="fr">Rien</name><packagelist><packagereq>nowhere</packagereq></packagelist></group>
		<category><id>apps</id><name>Apps</name><grouplist><groupid>none</groupid><groupid>words</groupid></grouplist></category>
		<category><id>empty</id><name>Empty</name><grouplist><groupid>none</groupid></grouplist></category>`)
	if r := mustBuild(t, open(t, repotest.URL(repository)), o); !r.Changed || r.Serial != 2 {
		t.Errorf("with comps: %+v", r)
	}
	c := categoriesOf(t, o)
	if c == nil {
		t.Fatal("there are none")
	}
	want := []tree.Category{{ID: "words", Name: "Words", Summary: "To write", Names: []string{"write"}}, {ID: "apps", Name: "Apps", Groups: []string{"words"}}}
	if len(c.Texts) != 1 || !reflect.DeepEqual(c.Categories, want) {
		t.Fatalf("%+v", c)
	}
	data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, c.Texts["de"].Path))
	if err != nil {
		t.Fatal(err)
	}
	texts, err := tree.ParseTexts(data, o.Platform, "de")
	if err != nil || len(texts.Texts) != 1 || texts.Texts[0] != (tree.Text{Name: "words", Summary: "Wörter"}) {
		t.Errorf("%+v, %v", texts, err)
	}
	if r := mustBuild(t, open(t, repotest.URL(repository)), o); r.Changed {
		t.Error("the same categories are a change")
	}
}
