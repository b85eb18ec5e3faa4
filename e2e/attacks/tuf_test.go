// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// The attacks of The Update Framework (https://theupdateframework.github.io/specification/latest/,
// 1.5.2), by its names, against a running helper that has accepted what the school publishes. Each is
// refused with an error of its own, and what was accepted stays, and can be installed. In each the
// attacker is the server, the network or a stick: whoever brings the bytes. Where he has keys it is
// said which.

// A victim is a laptop that has accepted what the school publishes, from a server that the attacker
// has taken over since.
type victim struct {
	*testing.T
	*laptoptest.Helper
	laptop *testbed.Laptop
	dir    *atomic.Value
	before state
}

func newVictim(t *testing.T, more string) *victim {
	t.Helper()
	url, dir := serve(t)
	l := newLaptop(t, url, more)
	v := &victim{t, start(t, l, asNobody...), l, dir, nil}
	warm(t, v.Helper)
	v.before = stateOf(t, l, filepath.Join(l.State, "trust.json"))
	return v
}

// refuses has the user refresh by force, and checks that what is offered is refused so, and changed
// nothing.
func (v *victim) refuses(code, says string) {
	v.T.Helper()
	lines := ask(v.T, v.Helper, "refresh-cache", "yes")
	refused(v.T, lines, code)
	if e := laptoptest.ErrorOf(lines); !strings.Contains(e, says) {
		v.T.Errorf("the error is %q, want %q", e, says)
	}
	v.unharmed()
}

func (v *victim) unharmed() {
	v.T.Helper()
	v.before.same(v.T, stateOf(v.T, v.laptop, filepath.Join(v.laptop.State, "trust.json")), "file: "+v.laptop.Cache)
	if lines := v.OK("resolve", "none", "hello"); !strings.Contains(strings.Join(lines, "\n"), helloID) {
		v.T.Errorf("what was accepted isn't offered any more: %q", lines)
	}
}

// installs installs what was accepted, from the school.
func (v *victim) installs() {
	v.T.Helper()
	v.dir.Store(school.Published())
	v.OK("install-packages", "none", helloID)
	laptoptest.Agrees(v.T, v.laptop, v.OK("get-packages", "installed"))
}

func newKey(t testing.TB) *pgp.Signer {
	t.Helper()
	k, err := pgp.Generate("Somebody <somebody@example.org>", 0, time.Now().Add(-time.Hour))
	check(t, err)
	return k
}

// at is what a platform.json says of a time.
func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func TestArbitrarySoftware(t *testing.T) {
	for name, test := range map[string]struct {
		attack     func(f *forgery)
		code, says string
	}{
		"nobody signed it":       {func(f *forgery) { f.keys = nil; f.seal() }, "missing-gpg-signature", "it isn't signed"},
		"the attacker signed it": {func(f *forgery) { f.keys = []*pgp.Signer{newKey(f.t)}; f.seal() }, "gpg-failure", "which may not sign it"},
		"under the school's keyring": {func(f *forgery) {
			other := newKey(f.t)
			f.keys = []*pgp.Signer{other}
			f.seal()
			f.write("keys/"+school.Key.Fingerprint+".asc", other.Armoured)
		}, "gpg-failure", "nor at the source"},
		"another thing's signature": {func(f *forgery) {
			f.seal()
			signature, err := school.Key.Sign([]byte("another thing"), time.Now())
			check(f.t, err)
			f.write(tree.SignatureName(tree.HeadName(f.read("platform.json"))), signature)
		}, "bad-gpg-signature", "isn't what the key"},
		"a signature that is none": {func(f *forgery) {
			f.seal()
			f.write(tree.SignatureName(tree.HeadName(f.read("platform.json"))), school.Key.Armoured)
		}, "bad-gpg-signature", "its signature can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, "")
			f := forge(t)
			test.attack(f)
			v.dir.Store(f.dir)
			v.refuses(test.code, test.says)
			v.installs()
		})
	}
	for name, attack := range map[string]func(f *forgery){
		"an RPM": func(f *forgery) {
			path, err := evil.Write(folder(f.t))
			check(f.t, err)
			body, err := os.ReadFile(path)
			check(f.t, err)
			f.write(f.packages()[0]["location"].(string), body)
		},
		"a tree": func(f *forgery) { f.write(f.hello["tree"].(object)["path"].(string), f.pack(f.json(f.tree))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, dir := serve(t)
			f := forge(t)
			attack(f) // platform.json is as the school has signed it
			dir.Store(f.dir)
			l := newLaptop(t, url, "[transport]\nretry_for = \"1s\"\n")
			h := start(t, l, asNobody...)
			h.OK("refresh-cache", "yes")
			refused(t, ask(t, h, "install-packages", "none", helloID), "package-corrupt", "package-download-failed", "repo-not-available")
			if n := len(laptoptest.Installed(t, l)); n != len(testbed.Base) {
				t.Errorf("%d packages are installed", n)
			}
			dir.Store(school.Published())
			h.OK("install-packages", "none", helloID)
		})
	}
}

// Somebody gives again what was right once; so the laptop never hears of what was mended.
func TestRollback(t *testing.T) {
	for _, forget := range []bool{false, true} {
		t.Run(fmt.Sprintf("the record is lost: %v", forget), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, "")
			newer := forge(t)
			newer.seal()
			v.dir.Store(newer.dir)
			v.OK("refresh-cache", "no")
			if forget {
				check(t, v.Stop())
				for _, file := range []string{"", "-wal", "-shm"} {
					os.Remove(laptoptest.Record(v.laptop) + file)
				}
				v.Helper = start(t, v.laptop, asNobody...)
				v.OK("get-packages", "installed")
			}
			v.before = stateOf(t, v.laptop, filepath.Join(v.laptop.State, "trust.json"))
			v.dir.Store(school.Published())
			lines := ask(t, v.Helper, "refresh-cache", "yes")
			refused(t, lines, "repo-not-available")
			if e := laptoptest.ErrorOf(lines); !strings.Contains(e, "older than") {
				t.Error(e)
			}
			v.before.same(t, stateOf(t, v.laptop, filepath.Join(v.laptop.State, "trust.json")))
		})
	}
}

// Who has the online key says so high a serial that nothing of the publisher's will be newer.
func TestFastForward(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "")
	f := forge(t)
	f.platform["serial"] = int64(1) << 62
	f.seal()
	v.dir.Store(f.dir)
	v.refuses("repo-not-available", "there can't have been so many builds")
	f.platform["serial"] = 5
	f.platform["created"], f.platform["expires"] = at(time.Now().AddDate(0, 0, 3)), at(time.Now().AddDate(1, 0, 0))
	f.seal()
	v.refuses("repo-not-available", "correct whichever clock is wrong")
	v.installs()
}

// The same is given for ever, until it has expired; then it is refused, and what is here is said to be
// old, and stays.
func TestIndefiniteFreeze(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "")
	f := forge(t)
	f.platform["created"], f.platform["expires"] = at(time.Now().AddDate(0, 0, -2)), at(time.Now().AddDate(0, 0, -1))
	f.seal()
	v.dir.Store(f.dir)
	v.refuses("repo-not-available", "it has expired at")

	old := forge(t)
	old.platform["expires"] = at(time.Now().Add(3 * time.Second))
	old.seal()
	v.dir.Store(old.dir)
	v.OK("refresh-cache", "no")
	for deadline := time.Now().Add(patience); ; {
		list := strings.Join(v.OK("get-repo-list", "none"), "\n")
		if strings.Contains(list, "repo-detail\tschool\tSchool server (old: what is here of it has expired on ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(list)
		}
	}
	v.before = stateOf(t, v.laptop, filepath.Join(v.laptop.State, "trust.json"))
	v.refuses("repo-not-available", "it has expired at")
	v.OK("install-packages", "none", helloID) // it stays usable
}

// A file without an end fills neither memory nor disk.
func TestEndlessData(t *testing.T) {
	for _, what := range []string{"platform.json", ".asc", "references/"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := forge(t)
			f.seal()
			attacking := new(atomic.Bool)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if attacking.Load() && strings.Contains(r.URL.Path, what) {
					for block := make([]byte, 64<<10); ; {
						if _, err := w.Write(block); err != nil {
							return
						}
					}
				}
				dir := school.Published()
				if attacking.Load() {
					dir = f.dir
				}
				http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			l := newLaptop(t, server.URL, "")
			h := start(t, l, asNobody...)
			h.OK("resolve", "none", "paint")
			attacking.Store(true)
			h2 := start(t, l, append(asNobody, "CACHE_AGE=0")...)
			ask(t, h2, "install-packages", "simulate", helloID) // what was accepted before may do
			small(t, h2.Process.Pid, 64)
		})
	}
}

// A server that gives a byte now and then doesn't keep anybody waiting for ever.
func TestSlowRetrieval(t *testing.T) {
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("NOT TESTED: it takes a minute: set PRESOLVE_LONG=1 (the bounds are tested in transport)")
	}
	for _, what := range []string{"platform.json", ".asc"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			stop := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, what) {
					http.FileServer(http.Dir(school.Published())).ServeHTTP(w, r)
					return
				}
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for {
					if _, err := io.WriteString(w, " "); err != nil {
						return
					}
					http.NewResponseController(w).Flush()
					select {
					case <-tick.C:
					case <-stop:
						return
					case <-r.Context().Done():
						return
					}
				}
			}))
			t.Cleanup(server.Close)
			t.Cleanup(func() { close(stop) })
			l := newLaptop(t, server.URL, "")
			h := start(t, l, asNobody...)
			lines, err := h.Do("refresh-cache", "yes") // it ends
			check(t, err)
			refused(t, lines, "no-network", "repo-not-available", "package-download-failed")
		})
	}
}

// A tree gets a package more, on the way.
func TestExtraneousDependencies(t *testing.T) {
	for _, level := range []string{"the tree alone", "and what leads to it"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			f := forge(t)
			was := f.hello["tree"].(object)["path"].(string)
			head := f.read("platform.json")
			extra := object{"name": "evil", "version": "1.0", "release": "1", "arch": "noarch", "size": 1, "sha256": strings.Repeat("0", 64), "location": "rpms/evil.rpm"}
			f.tree["packages"] = append([]any{extra}, f.tree["packages"].([]any)...)
			if level == "the tree alone" {
				f.write(was, f.pack(f.json(f.tree)))
			} else {
				references := f.platform["references"].(object)
				f.seal()
				var signed object
				check(t, json.Unmarshal(head, &signed))
				root := signed["references"].(object)["root"].(string)
				for i := range int(references["shards"].(float64)) { // in the place of those that are signed
					f.write(fmt.Sprintf("references/%s/%d", root[:16], i), f.read(fmt.Sprintf("references/%s/0", f.platform["references"].(object)["root"].(string)[:16])))
				}
				f.write("platform.json", head)
			}
			url, dir := serve(t)
			dir.Store(f.dir)
			l := newLaptop(t, url, "")
			h := start(t, l, asNobody...)
			refused(t, ask(t, h, "install-packages", "none", helloID), "repo-not-available", "package-corrupt", "package-download-failed")
			if n := len(laptoptest.Installed(t, l)); n != len(testbed.Base) {
				t.Errorf("%d packages are installed", n)
			}
		})
	}
}

// Files of two builds, each of them right, that were never published together.
func TestMixAndMatch(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "")
	f := forge(t)
	f.seal()
	newer := f.read("platform.json")
	signature := f.read(tree.SignatureName(tree.HeadName(newer)))
	old, err := os.ReadFile(filepath.Join(school.Published(), testbed.Platform, "platform.json"))
	check(t, err)

	// The newer signature for the older file, and for the newer one with the older references.
	mixed := forge(t)
	mixed.write("platform.json", append(old, '\n'))
	mixed.write(tree.SignatureName(tree.HeadName(append(old, '\n'))), signature)
	v.dir.Store(mixed.dir)
	v.refuses("bad-gpg-signature", "isn't what the key")

	var was object
	check(t, json.Unmarshal(old, &was))
	mixed.platform["references"], mixed.platform["search"] = was["references"], f.platform["search"]
	body := mixed.json(mixed.platform)
	mixed.write("platform.json", body)
	mixed.write(tree.SignatureName(tree.HeadName(body)), signature)
	v.refuses("bad-gpg-signature", "isn't what the key")

	// The newer platform.json, and the older files under the names that it has.
	mixed = forge(t)
	mixed.write("platform.json", newer)
	mixed.write(tree.SignatureName(tree.HeadName(newer)), signature)
	mixed.write(f.platform["search"].(object)["path"].(string), mixed.read(was["search"].(object)["path"].(string)))
	v.dir.Store(mixed.dir)
	lines := ask(t, v.Helper, "refresh-cache", "yes")
	refused(t, lines, "repo-not-available", "package-corrupt", "package-download-failed")
	v.unharmed()
	v.installs()
}

// What the same publisher has signed, and nobody has asked for.
func TestWrongSoftware(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "")
	f := forge(t)
	f.platform["platform"] = "school-2-x86_64"
	f.seal()
	v.dir.Store(f.dir)
	v.refuses("repo-not-available", "this is the platform")

	// Another program's tree under hello's name: only the publisher could do it, and it is refused.
	f = forge(t)
	f.tree["name"] = "paint"
	f.seal()
	v.dir.Store(f.dir)
	v.OK("refresh-cache", "no")
	refused(t, ask(t, v.Helper, "install-packages", "none", helloID), "repo-not-available")
}

// One mirror hides what is new, another has it.
func TestMaliciousMirrors(t *testing.T) {
	t.Parallel()
	frozen, _ := serve(t) // what the school published first
	f := forge(t)
	f.hello["summary"] = "Says hello, and no more"
	f.seal()
	honest, dir := serve(t)
	dir.Store(f.dir)
	l := newLaptop(t, frozen, fmt.Sprintf("[[source]]\nid = \"mirror\"\nurl = %q\nkeys = [%q]\n", honest, school.Key.Fingerprint))
	// The frozen one is first in the order of preference.
	text, err := os.ReadFile(l.Config)
	check(t, err)
	first, second, _ := strings.Cut(string(text), "[[source]]\nid = \"school\"")
	before, mirror, _ := strings.Cut(first, "[[source]]")
	check(t, os.WriteFile(l.Config, []byte(before+"[[source]]\nid = \"school\""+second+"\n[[source]]"+mirror), 0o644))
	h := start(t, l, asNobody...)
	h.OK("refresh-cache", "no")
	lines := strings.Join(h.OK("search-name", "none", "hello"), "\n")
	if !strings.Contains(lines, helloID+"\tSays hello, and no more") {
		t.Error(lines)
	}
	h.OK("install-packages", "none", helloID)
	h.OK("refresh-cache", "yes") // the frozen one is no error
}

// An online key is stolen. The publisher's next keys file ends it; until then the thief is the
// publisher, and can't say who comes next.
func TestKeyCompromise(t *testing.T) {
	t.Parallel()
	offline, online, next := newKey(t), newKey(t), newKey(t)
	keys := func(f *forgery, version int, signs *pgp.Signer) {
		t.Helper()
		body := f.json(object{"format": tree.Format, "version": version, "created": at(time.Now().Add(-time.Hour)), "expires": at(time.Now().AddDate(1, 0, 0)), "threshold": 1,
			"offline": []string{string(offline.Armoured)}, "online": []string{string(signs.Armoured)}})
		signature, err := offline.Sign(body, time.Now())
		check(t, err)
		f.write(tree.KeysName(int64(version)), body)
		f.write(tree.SignatureName(tree.KeysName(int64(version))), signature)
		f.platform["keys"], f.keys = version, []*pgp.Signer{signs}
		f.seal()
	}
	f := forge(t)
	keys(f, 1, online)
	url, dir := serve(t)
	dir.Store(f.dir)
	l := newLaptop(t, url, "")
	text, err := os.ReadFile(l.Config)
	check(t, err)
	check(t, os.WriteFile(l.Config, []byte(strings.ReplaceAll(string(text), school.Key.Fingerprint, offline.Fingerprint)), 0o644))
	h := start(t, l, asNobody...)
	h.OK("refresh-cache", "no")

	// The thief can't name keys; he can run ahead.
	thief := forge(t)
	thief.platform["serial"] = time.Now().Add(-time.Hour).Unix()
	thief.platform["created"] = at(time.Now())
	evil := newKey(t)
	keys(thief, 1, online)
	body := thief.json(object{"format": tree.Format, "version": 2, "created": at(time.Now().Add(-time.Hour)), "expires": at(time.Now().AddDate(1, 0, 0)), "threshold": 1,
		"offline": []string{string(evil.Armoured)}, "online": []string{string(evil.Armoured)}})
	signature, err := evil.Sign(body, time.Now())
	check(t, err)
	signed, err := online.Sign(body, time.Now())
	check(t, err)
	signature, err = pgp.Merge(signature, signed)
	check(t, err)
	thief.write("keys@2.json", body)
	thief.write("keys@2.json.asc", signature)
	thief.platform["keys"], thief.keys = 2, []*pgp.Signer{evil}
	thief.seal()
	dir.Store(thief.dir)
	refused(t, ask(t, h, "refresh-cache", "yes"), "gpg-failure")
	thief.platform["keys"], thief.keys = 1, []*pgp.Signer{online}
	thief.seal()
	h.OK("refresh-cache", "yes")

	// The publisher's next keys file ends that, high serial or not.
	f.platform["serial"] = 7
	keys(f, 2, next)
	dir.Store(f.dir)
	h.OK("refresh-cache", "no")
	h.OK("install-packages", "simulate", helloID)
	dir.Store(thief.dir)
	refused(t, ask(t, h, "refresh-cache", "yes"), "gpg-failure")
	dir.Store(f.dir)
	h.OK("install-packages", "none", helloID)
}
