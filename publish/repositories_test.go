// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

func openRepositories(t *testing.T, r solve.Repository) *solve.Platform {
	t.Helper()
	r.ID = "main"
	p, err := solve.Open(context.Background(), solve.Config{Arch: "x86_64", Repositories: []solve.Repository{r}, Base: solve.Base{Packages: []string{"base"}}, FileLists: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// What is wrong with a repository is in report.json, and what is right is published: RPMs that are
// on other servers, but none whose place has a password.
func TestFaultsOfARepository(t *testing.T) {
	dir := t.TempDir()
	repotest.WriteMetadata(t, dir, map[string]string{
		"primary":    repotest.Primary("base", "app", "far at https://host/v1/far.rpm?x=1", "secret at https://u:hush@host/secret.rpm"),
		"updateinfo": "<updates>\n<update>a & b",
	})
	for _, rpms := range []string{"upstream", "copy"} {
		o := options(t)
		o.Copy = rpms == "copy"
		names := []string{"app", "far", "secret"}
		if o.Copy { // the others aren't there
			names = []string{"secret"}
		}
		p := openRepositories(t, solve.Repository{URL: repotest.URL(dir)})
		if o.Copy {
			if _, err := Build(context.Background(), p, names, o); err == nil || !strings.Contains(err.Error(), "the RPM of secret-1-1.noarch can't be had: ") {
				t.Errorf("the error is %v", err)
			}
			continue
		}
		r := mustBuild(t, p, o)
		if len(r.Unsolved) != 1 || r.Unsolved[0].Name != "secret" || !strings.Contains(r.Unsolved[0].Reason, "the RPM of secret-1-1.noarch can't be had: ") {
			t.Errorf("not solved: %v", r.Unsolved)
		}
		if got := mustFollow(t, o).trees["far"].Packages[0].URLs; !slices.Equal(got, []string{"https://host/v1/far.rpm?x=1"}) {
			t.Errorf("far is at %q", got)
		}
		data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, "report.json"))
		if err != nil {
			t.Fatal(err)
		}
		var report Report
		if err := json.Unmarshal(data, &report); err != nil || len(report.Warnings) != 2 || report.Warnings[0].File != "repodata/updateinfo.xml" || report.Warnings[0].Line != 2 || report.Warnings[0].Repository != "main" {
			t.Errorf("%v: %s", err, data)
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas(t)("report").Validate(v); err != nil {
			t.Error(err)
		}
		read := 0
		for name := range snapshot(t, o.Output) {
			if strings.HasPrefix(filepath.Base(name), ".") {
				continue
			}
			for _, d := range documents(t, filepath.Join(o.Output, name)) {
				if read++; strings.Contains(string(d), "hush") {
					t.Errorf("%s tells a password: %s", name, d)
				}
			}
		}
		if read < 6 { // two trees and their entries, platform.json, report.json
			t.Errorf("only %d files were looked at", read)
		}
	}
}

// An RPM that is damaged in the first place is copied from the next.
func TestCopyFromTheNextMirror(t *testing.T) {
	bad, good := repotest.New(t, first...), repotest.New(t, first...)
	if err := os.CopyFS(filepath.Join(bad, "x"), os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(bad, "x"))))
	defer server.Close()
	file := filepath.Join(bad, "lib-1-1.x86_64.rpm")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Copy = true
	mustBuild(t, openRepositories(t, solve.Repository{URL: repotest.URL(bad), URLs: []string{server.URL}}), o)
	mustFollow(t, o)
}

// Other mirrors change platform.json, and nothing that laptops have already.
func TestOtherMirrors(t *testing.T) {
	dir := repotest.New(t, first...)
	o := options(t)
	var before map[string]string
	for i := range 2 {
		s := httptest.NewServer(http.FileServer(http.Dir(dir)))
		defer s.Close()
		if r := mustBuild(t, openRepositories(t, solve.Repository{URL: s.URL + "/"}), o); !r.Changed || r.Serial != int64(i+1) {
			t.Errorf("build %d: changed %v, serial %d", i, r.Changed, r.Serial)
		}
		r := mustFollow(t, o)
		if got := r.platform.URLs(&r.trees["write"].Packages[0]); !slices.Equal(got, []string{s.URL + "/lib-1-1.x86_64.rpm"}) {
			t.Errorf("build %d: an RPM is at %q", i, got)
		}
		is := make(map[string]string)
		for name, content := range snapshot(t, o.Output) {
			if base := filepath.Base(name); base != "platform.json" && !isHead(base) && base != waiting && base != "report.json" && base != "platforms.json" {
				is[name] = content
			}
		}
		if before != nil && !maps.Equal(before, is) {
			t.Errorf("there was %q\nand is %q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(is)))
		}
		before = is
	}
}

// A mirror list in another order changes nothing.
func TestMirrorsStay(t *testing.T) {
	dir := repotest.New(t, first...)
	var mirrors []string
	for range 5 {
		s := httptest.NewServer(http.FileServer(http.Dir(dir)))
		defer s.Close()
		mirrors = append(mirrors, s.URL)
	}
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Join(mirrors, "\n")) }))
	defer lists.Close()
	o := options(t)
	for i := range 2 {
		p := openRepositories(t, solve.Repository{MirrorList: lists.URL, Prefer: Mirrors(o.Output, o.Platform)["main"]})
		if r := mustBuild(t, p, o); r.Changed != (i == 0) || r.Serial != 1 {
			t.Errorf("build %d: changed %v, serial %d", i, r.Changed, r.Serial)
		}
		r := mustFollow(t, o)
		if got := r.platform.URLs(&r.trees["same"].Packages[0]); len(got) != 3 || len(Mirrors(o.Output, o.Platform)["main"]) != 3 {
			t.Errorf("an RPM is at %q", got)
		}
		slices.Reverse(mirrors)
	}
	o.Copy = true
	if mustBuild(t, openRepositories(t, solve.Repository{MirrorList: lists.URL}), o); len(Mirrors(o.Output, o.Platform)) != 0 {
		t.Error("where RPMs are copied, mirrors are nobody's business")
	}
}
