// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import "testing"

func TestParsePath(t *testing.T) {
	const d = "0123456789abcdef"
	for _, x := range []struct {
		name string
		want Path
	}{
		{"platforms.json", Path{Kind: InPlace}},
		{"p/platform.json", Path{Root, "p", "", ""}},
		{"p/platform@" + d + ".json", Path{Head, "p", "", d}},
		{"p/platform@" + d + ".json.asc", Path{InPlace, "p", "", ""}},
		{"p/keys@12.json", Path{InPlace, "p", "", ""}},
		{"p/keys@1.json.asc", Path{InPlace, "p", "", ""}},
		{"p/keys/" + d + d + "01234567.asc", Path{InPlace, "p", "keys", ""}},
		{"p/copies.json", Path{InPlace, "p", "", ""}},
		{"p/report.json", Path{InPlace, "p", "", ""}},
		{"fedora-18-i686/search/" + d + ".zst", Path{Named, "fedora-18-i686", "search", d}},
		{"p/trees/a@b.c@" + d + ".json.zst", Path{Named, "p", "trees", d}},
		{"p/appstream/" + d + ".zst", Path{Named, "p", "appstream", d}},
		{"p/icons/" + d + ".zst", Path{Named, "p", "icons", d}},
		{"p/texts/pt_BR@" + d + ".zst", Path{Named, "p", "texts", d}},
		{"p/texts/" + d + "/4095", Path{Named, "p", "texts", d + "/4095"}},
		{"p/rpms/a-1-1.noarch.rpm", Path{RPM, "p", "rpms", ""}},
		// What nothing published has.
		{"", Path{}}, {"p", Path{}}, {"p/", Path{}}, {"/platform.json", Path{}}, {".p/platform.json", Path{}},
		{"index.html", Path{}}, {"p/index.html", Path{}}, {"p/pages/p/a.html", Path{}}, {"p/.waiting.json", Path{}},
		{"p/q/platform.json", Path{}}, {"p/keys@01.json", Path{}}, {"p/keys@x.json", Path{}}, {"p/keys@99999999.json", Path{}},
		{"p/platform@" + d + ".txt", Path{}}, {"p/platform@0123.json", Path{}}, {"p/keys/README", Path{}}, {"p/keys/01.asc", Path{}},
		{"p/trees/a.json", Path{}}, {"p/trees/" + d, Path{}}, {"p/trees/.new-a@" + d + ".json", Path{}}, {"p/trees/x/" + d + ".json", Path{}},
		{"p/unknown/" + d + ".zst", Path{}}, {"p/references/" + d + "/4096", Path{}}, {"p/references/" + d + "/-1", Path{}},
		{"p/references/short/1", Path{}}, {"p/trees/" + d + "/1", Path{}}, {"p/rpms/.new-a.rpm", Path{}}, {"p/rpms/", Path{}}, {"p/rpms/x/a.rpm", Path{}},
	} {
		if got := ParsePath(x.name); got != x.want {
			t.Errorf("%q is %+v and should be %+v", x.name, got, x.want)
		}
	}
	// What is published is what readers take.
	for folder := range maxSizes {
		ref := NewRef(folder+"/x@", []byte("x"), ".zst")
		if is := ParsePath("p/" + ref.Path); is.Kind != Named || is.Digest != ref.SHA256[:16] || ref.check(folder) != nil {
			t.Errorf("%s is %+v", ref.Path, is)
		}
	}
	if is := ParsePath("p/" + HeadName(nil)); is.Kind != Head || NameDigest(HeadName(nil)) != is.Digest {
		t.Errorf("%s is %+v", HeadName(nil), is)
	}
}

func TestKinds(t *testing.T) {
	for k, want := range map[Kind]bool{Other: false, InPlace: false, Root: false, Head: true, Named: true, RPM: true} {
		if k.Immutable() != want || (k.CacheControl() == "no-cache") == want {
			t.Errorf("%d: %v, %s", k, k.Immutable(), k.CacheControl())
		}
	}
}

func TestEscapePath(t *testing.T) {
	if got, want := EscapePath("p/rpms/libstdc++ é?#%.rpm"), "p/rpms/libstdc%2B%2B%20%C3%A9%3F%23%25.rpm"; got != want {
		t.Errorf("%s should be %s", got, want)
	}
}
