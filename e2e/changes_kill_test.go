// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// As TestKilled, in updates: old and new versions are there at once, and what was asked for must
// stay so.
func TestKilledUpdate(t *testing.T) {
	points := []string{
		"status\tdownload", "allow-cancel\tfalse", "status\ttest-commit", "package\tupdating\tlibtext;", "package\tinstalling\tlibvoice;", "package\tupdating\thello;",
		"status\tcleanup", "package\tcleanup\tlibgreet;", "package\tinstalled\tlibvoice;",
	}
	s, laptops := schoolWith(t, len(points))
	if err := s.Release(springNotices, seasons["spring"].packages...); err != nil {
		t.Fatal(err)
	}
	const id = "hello;2.0-1;noarch;school"
	for i, at := range points {
		t.Run(strings.ReplaceAll(at, "\t", " "), func(t *testing.T) {
			t.Parallel()
			killAt(t, laptops[i], at, "update-packages", "none", id)
			h := start(t, laptops[i])
			// Looking alone must not make the record forget anything.
			h.Answer("get-updates", "none")
			if e := laptoptest.ErrorOf(h.Answer("update-packages", "none", id)); e != "" && !strings.HasPrefix(e, "no-packages-to-update\t") {
				t.Error("the next update:", e)
			}
			for _, name := range []string{"hello;2.0-1;noarch", "libgreet;2.0-1;x86_64", "libtext;2:1.0-1;x86_64", "libvoice;1.0-1;x86_64", "paint;4.0-1;x86_64"} {
				if lines := h.OK("resolve", "installed", name+";installed"); !has(lines, "package\tinstalled\t"+name+";installed:school\t") {
					t.Errorf("%s is not known to be this backend's: %q", name, lines)
				}
			}
			laptoptest.Agrees(t, laptops[i], h.OK("get-packages", "installed"))
			// Why each is there is known as before.
			if got := removing(h.OK("remove-packages", "simulate", "hello;2.0-1;noarch;installed", "no", "yes")); got != "hello libgreet libvoice" {
				t.Errorf("removing hello would remove %s", got)
			}
			verify(t, laptops[i], "hello", "libgreet", "libtext", "libvoice", "paint", "paint-data")
		})
	}
}

// As TestKilled, in removals.
func TestKilledRemove(t *testing.T) {
	points := []string{"status\tdep-resolve", "allow-cancel\tfalse", "status\ttest-commit", "package\tremoving\thello;", "package\tremoving\tlibgreet;"}
	_, laptops := schoolWith(t, len(points))
	const id = "hello;1.0-1;noarch;installed:school"
	for i, at := range points {
		t.Run(strings.ReplaceAll(at, "\t", " "), func(t *testing.T) {
			t.Parallel()
			killAt(t, laptops[i], at, "remove-packages", "none", id, "no", "yes")
			h := start(t, laptops[i])
			if e := laptoptest.ErrorOf(h.Answer("remove-packages", "none", id, "no", "yes")); e != "" && !strings.HasPrefix(e, "package-not-installed\t") {
				t.Error("the next removal:", e)
			}
			lines := h.OK("get-packages", "installed")
			laptoptest.Agrees(t, laptops[i], lines)
			if has(lines, "package\tinstalled\thello;") {
				t.Errorf("hello is still there: %q", lines)
			}
			if got := removing(h.OK("remove-packages", "simulate", "paint;3.1-1;x86_64;installed", "no", "yes")); !strings.HasPrefix(got, "paint-data paint libtext") && !strings.HasPrefix(got, "paint paint-data libtext") {
				t.Errorf("removing paint would remove %s", got)
			}
			verify(t, laptops[i], "libtext", "paint", "paint-data")
		})
	}
}

// schoolWith makes a school with laptops that have hello and paint.
func schoolWith(t *testing.T, laptops int) (*testbed.School, []*testbed.Laptop) {
	t.Helper()
	s, err := testbed.NewSchool(filepath.Join(t.TempDir(), "school"), school.Tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var all []*testbed.Laptop
	for range laptops {
		l, err := s.Laptop("", "presolve", "")
		if err != nil {
			t.Fatal(err)
		}
		h := start(t, l)
		h.OK("install-packages", "none", "hello;1.0-1;noarch;school&paint;3.1-1;x86_64;school")
		if err := h.Stop(); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return s, all
}

// killAt kills a helper when a line of its reply begins in a way.
func killAt(t *testing.T, l *testbed.Laptop, at string, words ...string) {
	t.Helper()
	h := start(t, l)
	h.OK("refresh-cache", "no")
	if err := h.Send(words...); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := h.Line()
		if err != nil || line == "finished" {
			t.Fatalf("%q did not come before the end: %q, %v", at, line, err)
		}
		if strings.HasPrefix(line, at) {
			break
		}
	}
	h.Kill()
}

// removing are the names of the packages that a simulation would remove.
func removing(lines []string) string {
	var names []string
	for _, l := range lines {
		if id, ok := strings.CutPrefix(l, "package\tremoving\t"); ok {
			name, _, _ := strings.Cut(id, ";")
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func verify(t *testing.T, l *testbed.Laptop, names ...string) {
	t.Helper()
	if out, err := testbed.RPMQuery(l.Root, append([]string{"-V"}, names...)...); err != nil {
		t.Errorf("rpm -V: %v, %s", err, out)
	}
}

// A key that a person trusts goes into RPM's keyring and into the folder of keys; then what is
// signed with it is trusted, and what was changed afterwards isn't.
func TestSignatures(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	l := makeLaptop(t, "", fmt.Sprintf("[trust]\nkeyring = %q\n", keys))
	key := laptoptest.NewKey(t, dir)
	poem, err := files["poem"].Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	key.Sign(t, poem)
	h := start(t, l)
	fails := func(want string, words ...string) {
		t.Helper()
		if e := laptoptest.ErrorOf(h.Answer(words...)); !strings.HasPrefix(e, want) {
			t.Errorf("%q: %q, want %q", words, e, want)
		}
	}
	if rpm.FindDatabase(l.Root, "").Damaged(t.Context(), poem) {
		t.Error("what is signed with an unknown key is found damaged")
	}
	fails("missing-gpg-signature\tpoem-1.0-1.noarch is signed with the key "+key.ID(), "install-files", "only-trusted", poem)
	fails("gpg-failure\tthe key "+key.ID()+" is neither in "+keys, "install-signature", "gpg", key.ID(), "poem;1.0-1;noarch;school")
	fails(`gpg-failure	"poem" is not the id of a key`, "install-signature", "gpg", "poem", "poem;1.0-1;noarch;school")
	fails("not-supported\t", "install-signature", "x509", key.ID(), "poem;1.0-1;noarch;school")

	// The distribution has brought it.
	other := laptoptest.NewKey(t, t.TempDir())
	key.Export(t, filepath.Join(l.Root, "etc/pki/rpm-gpg/RPM-GPG-KEY-school"))
	other.Export(t, filepath.Join(l.Root, "etc/pki/rpm-gpg/RPM-GPG-KEY-other"))
	h.OK("install-signature", "gpg", strings.ToUpper(key.ID()), "poem;1.0-1;noarch;school")
	h.OK("install-signature", "gpg", key.Fingerprint, "poem;1.0-1;noarch;school") // again: from the folder of keys now
	if out, err := testbed.RPMQuery(l.Root, "-q", "gpg-pubkey", "--qf", "%{version}\n"); err != nil || out != key.Short()+"\n" {
		t.Errorf("RPM's keyring has %q, %v", out, err)
	}
	kept, err := filepath.Glob(keys + "/*")
	if err != nil || len(kept) != 1 || filepath.Base(kept[0]) != key.Fingerprint+".asc" {
		t.Errorf("the folder of keys has %q, %v", kept, err)
	}
	if lines := h.OK("install-files", "only-trusted;simulate", poem); has(lines, "package\tuntrusted\t") {
		t.Errorf("a simulation says %q", lines)
	}
	h.OK("install-files", "only-trusted", poem)

	changed, err := files["poem2"].Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	key.Sign(t, changed)
	change(t, changed, "at length")
	if !rpm.FindDatabase(l.Root, "").Damaged(t.Context(), changed) {
		t.Error("what was changed after it was signed is not found damaged")
	}
	fails("bad-gpg-signature\tpoem-2.0-1.noarch is signed with the key "+key.ID(), "install-files", "only-trusted", changed)

	// A school that asks for signatures gets no unsigned package, whatever the user allows.
	strict := makeLaptop(t, "", "[trust]\nrpm_signatures = \"required\"\n")
	h = start(t, strict)
	fails("missing-gpg-signature\tlibtext-2:0.9-1.x86_64 is not signed", "install-packages", "none", "hello;1.0-1;noarch;school")
}
