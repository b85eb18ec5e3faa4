// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

const platform = "school-1-x86_64"

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func signer(t testing.TB, validFor time.Duration) *pgp.Signer {
	t.Helper()
	return must(pgp.Generate("Key <key@example.org>", validFor, now.AddDate(-2, 0, 0)))
}

// A site is the files in a platform's folder.
type site map[string][]byte

func (s site) get(_ context.Context, name string, most int64) ([]byte, error) {
	body, ok := s[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(body)) > most {
		return nil, errors.New("too large")
	}
	return body, nil
}

// head publishes a platform.json, signed by some.
func (s site) head(t testing.TB, serial, keys int64, created time.Time, by ...*pgp.Signer) {
	t.Helper()
	const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	search, _, err := tree.EncodeSearch("search/", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &tree.Platform{Format: tree.Format, Platform: platform, Arch: "x86_64", Serial: serial, Keys: keys, Created: created, Expires: created.AddDate(0, 1, 0),
		Base: tree.Base{SHA256: sum}, Search: search, References: tree.Index{Root: sum, Shards: 1}}
	s["platform.json"] = must(p.Encode())
	delete(s, tree.SignatureName(tree.HeadName(s["platform.json"])))
	s.sign(t, tree.HeadName(s["platform.json"]), s["platform.json"], created, by...)
}

func (s site) sign(t testing.TB, name string, data []byte, at time.Time, by ...*pgp.Signer) {
	t.Helper()
	for _, k := range by {
		s[tree.SignatureName(name)] = must(pgp.Merge(s[tree.SignatureName(name)], must(k.Sign(data, at))))
	}
}

// keys publishes a keys file, signed by some.
func (s site) keys(t testing.TB, k tree.Keys, offline, online []*pgp.Signer, by ...*pgp.Signer) {
	t.Helper()
	k.Format = tree.Format
	if k.Created.IsZero() {
		k.Created, k.Expires = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
	}
	for _, o := range offline {
		k.Offline = append(k.Offline, string(o.Armoured))
	}
	for _, o := range online {
		k.Online = append(k.Online, string(o.Armoured))
	}
	name := tree.KeysName(k.Version)
	s[name] = must(k.Encode())
	delete(s, tree.SignatureName(name))
	s.sign(t, name, s[name], now.AddDate(-1, 0, 0), by...)
}

// A laptop is a store, and who its configuration believes.
type laptop struct {
	*Store
	t       *testing.T
	anchors []string
}

func newLaptop(t *testing.T, clock time.Time, anchors ...*pgp.Signer) *laptop {
	dir := t.TempDir()
	l := &laptop{t: t, Store: Open(dir, filepath.Join(dir, "keyring"), now.AddDate(0, -1, 0), func(problem error) { t.Error(problem) })}
	l.clock = func() time.Time { return clock }
	for _, k := range anchors {
		l.anchors = append(l.anchors, k.Fingerprint)
		l.has(k)
	}
	return l
}

// has puts a key into the folder of keys.
func (l *laptop) has(k *pgp.Signer) {
	l.t.Helper()
	if err := errors.Join(os.MkdirAll(l.keyring, 0o755), os.WriteFile(filepath.Join(l.keyring, k.Fingerprint+".asc"), k.Armoured, 0o644)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *laptop) check(s site) error {
	a, err := l.Check(l.t.Context(), Claim{Platform: platform, Anchors: l.anchors, Head: s["platform.json"], Get: s.get})
	if err == nil {
		err = l.Accept(a)
	}
	return err
}

func (l *laptop) accepts(s site) {
	l.t.Helper()
	if err := l.check(s); err != nil {
		l.t.Error(err)
	}
}

func (l *laptop) refuses(s site, kind Kind, says string) {
	l.t.Helper()
	before, _ := os.ReadFile(filepath.Join(l.folder, File))
	var e *Error
	if err := l.check(s); !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), says) {
		l.t.Errorf("%v, want the kind %d, %q", err, kind, says)
	}
	if after, _ := os.ReadFile(filepath.Join(l.folder, File)); string(after) != string(before) {
		l.t.Errorf("what was refused changed what was accepted:\n%s\n%s", before, after)
	}
}

func TestOneKey(t *testing.T) {
	k, other := signer(t, 0), signer(t, 0)
	l := newLaptop(t, now, k)
	s := site{}
	s.head(t, 5, 0, now.AddDate(0, 0, -1), k, other)
	l.accepts(s)
	l.accepts(s)

	s.head(t, 4, 0, now.AddDate(0, 0, -1), k)
	l.refuses(s, Older, "the serial 4, older than the 5")
	s.head(t, 6, 0, now, other)
	l.refuses(s, UnknownKey, other.Fingerprint)
	s.head(t, 6, 0, now)
	l.refuses(s, Unsigned, "it isn't signed")
	s.head(t, 6, 0, now, k)
	s["platform.json"] = append(s["platform.json"], ' ')
	s[tree.SignatureName(tree.HeadName(s["platform.json"]))] = must(k.Sign([]byte("something else"), now))
	l.refuses(s, Changed, "isn't what the key")
	s.head(t, 6, 0, now.AddDate(0, -2, 0), k)
	l.refuses(s, Expired, "it has expired at 2026-10-25")
	s.head(t, 6, 0, now.AddDate(0, 0, 2), k)
	l.refuses(s, Future, "it was made at 2026-11-27")
	s.head(t, now.Unix(), 0, now, k)
	l.accepts(s) // as fast as serials may go

	// Who took part in this is another one: begin anew.
	l.anchors = []string{other.Fingerprint}
	l.has(other)
	s.head(t, 7, 0, now, other)
	l.accepts(s)
	if yes, err := l.Believes(l.anchors, []string{k.Fingerprint}); yes || err != nil {
		t.Error("who was taken out is believed still", err)
	}
	if yes, err := l.Believes(l.anchors, []string{k.Fingerprint, other.Fingerprint}); !yes || err != nil {
		t.Error("who is in isn't believed", err)
	}

	// Another platform of the same key has serials of its own, and is not this one.
	if _, err := l.Check(t.Context(), Claim{Platform: "school-2-x86_64", Anchors: l.anchors, Head: s["platform.json"], Get: s.get}); err == nil || !strings.Contains(err.Error(), "this is the platform") {
		t.Error(err)
	}
}

func TestKeyOfNobody(t *testing.T) {
	k := signer(t, 0)
	l := newLaptop(t, now)
	s := site{}
	s.head(t, 1, 0, now, k)
	l.refuses(s, UnknownKey, "nor at the source")
	s["keys/"+k.Fingerprint+".asc"] = signer(t, 0).Armoured
	l.refuses(s, UnknownKey, "nor at the source")
	s["keys/"+k.Fingerprint+".asc"] = k.Armoured
	var e *Error
	if err := l.check(s); !errors.As(err, &e) || e.Key == nil || e.Key.Fingerprint != k.Fingerprint {
		t.Error(err)
	}
	// Its fingerprint alone is enough.
	l.anchors = []string{k.Fingerprint}
	l.accepts(s)
}

// A copy by who believes nobody is as good as the source, for a laptop of each kind.
func TestCarry(t *testing.T) {
	a, b, online, then := signer(t, 0), signer(t, 0), signer(t, 0), signer(t, 0)
	s := site{}
	s.keys(t, tree.Keys{Version: 1, Threshold: 1}, []*pgp.Signer{a}, []*pgp.Signer{online}, a)
	s.keys(t, tree.Keys{Version: 2, Threshold: 1}, []*pgp.Signer{b}, []*pgp.Signer{then}, a, b)
	s[tree.KeyName(then.Fingerprint)] = then.Armoured
	s["keys/"+a.Fingerprint+".asc"] = a.Armoured // not needed: it is in the keys files
	s.head(t, 1, 2, now, then)
	copied := site{"platform.json": s["platform.json"]}
	claim := Claim{Platform: platform, Head: s["platform.json"], Get: func(ctx context.Context, name string, most int64) ([]byte, error) {
		data, err := s.get(ctx, name, most)
		if err == nil {
			copied[name] = data
		}
		return data, err
	}}
	keys, err := claim.Carry(t.Context())
	if err != nil || len(keys) != 2 || keys[1].Version != 2 {
		t.Fatal(len(keys), err)
	}
	newLaptop(t, now, a).accepts(copied)
	newLaptop(t, now, b).accepts(copied)
	nobody := newLaptop(t, now)
	if err := nobody.check(copied); err == nil || err.Error() != nobody.check(s).Error() {
		t.Error("a laptop that trusts nobody is told", err)
	}

	// What isn't there is left out, and what is no keys file is refused.
	delete(s, tree.SignatureName("keys@1.json"))
	delete(s, "keys@2.json")
	if keys, err := claim.Carry(t.Context()); err != nil || len(keys) != 1 || keys[0].Signatures != nil {
		t.Error(len(keys), err)
	}
	s["keys@2.json"] = []byte("<html>Log in</html>")
	if _, err := claim.Carry(t.Context()); !errors.As(err, new(*Error)) {
		t.Error(err)
	}
}

func TestClocks(t *testing.T) {
	k := signer(t, 0)
	s := site{}
	dead := newLaptop(t, time.Unix(100, 0), k)
	s.head(t, 1, 0, now.AddDate(0, -3, 0), k)
	dead.refuses(s, Expired, "it is 2026-10-25") // since the program was built then
	s.head(t, 2, 0, now.AddDate(1, 0, 0), k)
	dead.accepts(s)
	s.head(t, 3, 0, now, k)
	dead.refuses(s, Expired, "it is 2027-11-25") // since that was accepted

	ahead := newLaptop(t, now.AddDate(74, 0, 0), k)
	s.head(t, 1, 0, now, k)
	ahead.refuses(s, Expired, "correct it")

	// What is here is old, and stays.
	p := must(tree.ParsePlatform(s["platform.json"], platform))
	if !ahead.Expired(p) || newLaptop(t, now, k).Expired(p) {
		t.Error("what is old isn't told")
	}
}

func TestKeysExpire(t *testing.T) {
	k := signer(t, 2*365*24*time.Hour+48*time.Hour)
	s := site{}
	s.head(t, 1, 0, now, k)
	newLaptop(t, now, k).accepts(s)
	newLaptop(t, time.Unix(0, 0), k).accepts(s)
	later := newLaptop(t, now.AddDate(0, 0, 5), k)
	later.refuses(s, BadKey, "has expired")
}

func TestKeysFiles(t *testing.T) {
	a, b, c, d := signer(t, 0), signer(t, 0), signer(t, 0), signer(t, 0)
	online, next, last := signer(t, 0), signer(t, 0), signer(t, 0)
	all := func(k ...*pgp.Signer) []*pgp.Signer { return k }

	s := site{}
	s.keys(t, tree.Keys{Version: 1, Threshold: 2}, all(a, b, c), all(online), a, c)
	s.head(t, 1, 1, now.AddDate(0, 0, -9), online)
	away := newLaptop(t, now, a, b, c)
	away.accepts(s)

	// An offline key signs no platform, an online one no keys; neither do the keys that the
	// configuration names, once they have led to a keys file.
	s.head(t, 2, 1, now, a, b, c)
	away.refuses(s, UnknownKey, "may not sign it")
	s.head(t, 2, 0, now, a)
	away.refuses(s, UnknownKey, "may not sign it")
	bad := site{}
	for name, by := range map[string][]*pgp.Signer{"by too few": all(a), "by the online key": all(online), "by nobody of before": all(d)} {
		offline := all(a, b, c)
		threshold := 2
		if name == "by nobody of before" {
			offline, threshold = all(d), 1
		}
		bad["keys@1.json"], bad["keys@1.json.asc"] = s["keys@1.json"], s["keys@1.json.asc"]
		bad.keys(t, tree.Keys{Version: 2, Threshold: threshold}, offline, all(next), by...)
		bad.head(t, 2, 2, now, next)
		away.refuses(bad, UnknownKey, "")
	}

	// Twice rolled over while a laptop was away; the second time all offline keys are others.
	s.keys(t, tree.Keys{Version: 2, Threshold: 2}, all(a, b, d), all(next), a, b)
	s.keys(t, tree.Keys{Version: 3, Threshold: 1}, all(d), all(last), a, d)
	s.head(t, 2, 3, now.AddDate(0, 0, -2), last)
	away.accepts(s)
	for _, k := range all(online, next, a, d) {
		if yes, err := away.Believes(away.anchors, []string{k.Fingerprint}); yes || err != nil {
			t.Errorf("%v, %v", yes, err)
		}
	}
	s.head(t, 9, 1, now, online)
	away.refuses(s, UnknownKey, online.Fingerprint) // the stolen key has ended

	// Who is new, with keys of any time.
	for _, anchors := range [][]*pgp.Signer{all(a, b, c), all(a, b), all(d), all(a, b, d)} {
		s.head(t, 2, 3, now.AddDate(0, 0, -2), last)
		newLaptop(t, now, anchors...).accepts(s)
	}
	newLaptop(t, now, b, c, online).refuses(s, UnknownKey, "the keys that the configuration names")
	lone := newLaptop(t, now, a, b, c) // of whom one was stolen, that names itself
	forged := site{}
	forged.keys(t, tree.Keys{Version: 1, Threshold: 1}, all(a), all(next), a)
	forged.head(t, 1, 1, now, next)
	lone.refuses(forged, UnknownKey, "1 of the keys that the configuration names")

	// One that is missing between, and one that has expired.
	delete(s, "keys@2.json.asc")
	if err := newLaptop(t, now, a, b, c).check(s); err == nil || !strings.Contains(err.Error(), "keys@2.json, or its signature, isn't there") {
		t.Error(err)
	}
	s.keys(t, tree.Keys{Version: 4, Threshold: 1, Created: now.AddDate(-1, 0, 0), Expires: now.AddDate(0, 0, -1)}, all(d), all(last), d)
	s.head(t, 3, 4, now, last)
	var e *Error
	if err := away.check(s); !errors.As(err, &e) || e.Kind != Expired || e.What != "keys@4.json" {
		t.Error(err)
	}

	// A fast-forward by a stolen key ends with it.
	fast := site{}
	fast.keys(t, tree.Keys{Version: 1, Threshold: 1}, all(a), all(online), a)
	fast.head(t, now.Unix(), 1, now, online)
	l := newLaptop(t, now, a)
	l.accepts(fast)
	fast.keys(t, tree.Keys{Version: 2, Threshold: 1}, all(a), all(next), a)
	fast.head(t, 7, 2, now, next)
	l.accepts(fast)
}

// A keys file between may have expired; its number is that which it is asked for by.
func TestChainOfKeysFiles(t *testing.T) {
	a, online := signer(t, 0), signer(t, 0)
	offline, signs := []*pgp.Signer{a}, []*pgp.Signer{online}
	s := site{}
	s.keys(t, tree.Keys{Version: 1, Threshold: 1, Created: now.AddDate(0, -23, 0), Expires: now.AddDate(0, -18, 0)}, offline, signs, a)
	s.keys(t, tree.Keys{Version: 2, Threshold: 1, Created: now.AddDate(0, -18, 0), Expires: now.AddDate(0, -12, 0)}, offline, signs, a)
	s.keys(t, tree.Keys{Version: 3, Threshold: 1}, offline, signs, a)
	s.head(t, 1, 1, now.AddDate(0, -20, 0), online)
	old := newLaptop(t, now.AddDate(0, -20, 0), a)
	old.built = time.Time{}
	old.accepts(s)
	old.clock = func() time.Time { return now }
	s.head(t, 2, 3, now, online)
	old.accepts(s)

	// A laptop that has version 3, and a server that says it has less, or other.
	for _, version := range []int64{1, 2, 5} {
		other := site{}
		for name, body := range s {
			other[name] = body
		}
		if version == 5 {
			other.keys(t, tree.Keys{Version: 5, Threshold: 1}, offline, signs, a)
			other["keys@4.json"], other["keys@4.json.asc"] = other["keys@5.json"], other["keys@5.json.asc"]
		}
		other.head(t, 3, version, now, online)
		if err := old.check(other); (err == nil) != (version < 3) {
			t.Errorf("keys %d: %v", version, err)
		}
	}
	if k, err := old.keysOf(old.anchors); err != nil || k.Version != 3 {
		t.Errorf("%+v, %v", k, err)
	}
}

// A keys file far away, which nobody has, costs a bounded number of questions.
func TestEndlessKeys(t *testing.T) {
	a, online := signer(t, 0), signer(t, 0)
	s := site{}
	s.head(t, 1, tree.MaxKeysVersion, now, online)
	l := newLaptop(t, now, a)
	var asked atomic.Int64
	_, err := l.Check(t.Context(), Claim{Platform: platform, Anchors: l.anchors, Head: s["platform.json"], Get: func(ctx context.Context, name string, n int64) ([]byte, error) {
		asked.Add(1)
		return s.get(ctx, name, n)
	}})
	if err == nil || asked.Load() > most+2 {
		t.Errorf("%d questions, %v", asked.Load(), err)
	}
}

// A source is far away: what is needed in any case is asked for at once.
func TestRoundTrips(t *testing.T) {
	a, b, online := signer(t, 0), signer(t, 0), signer(t, 0)
	key := func(s site, k *pgp.Signer) { s[tree.KeyName(k.Fingerprint)] = k.Armoured }
	one, rolled, nobody := site{}, site{}, site{}
	one.head(t, 1, 0, now, a)
	key(one, a)
	key(one, b)
	rolled.keys(t, tree.Keys{Version: 1, Threshold: 1}, []*pgp.Signer{a}, []*pgp.Signer{online}, a)
	rolled.head(t, 1, 1, now, online)
	nobody.head(t, 1, 0, now)
	key(nobody, a)
	for _, test := range []struct {
		what    string
		source  site
		anchors []*pgp.Signer
		had     bool // the folder of keys has them
		asked   int
		ok      bool
	}{
		{"one key", one, []*pgp.Signer{a}, false, 2, true},
		{"one key, which is here", one, []*pgp.Signer{a}, true, 1, true},
		{"two keys", one, []*pgp.Signer{a, b}, false, 3, true},
		{"the first keys file", rolled, []*pgp.Signer{a}, false, 3, true},
		{"nobody has signed it", nobody, []*pgp.Signer{a}, false, 2, false},
	} {
		t.Run(test.what, func(t *testing.T) {
			l := newLaptop(t, now, test.anchors...)
			if !test.had {
				l.keyring = filepath.Join(l.keyring, "none")
			}
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				begun := time.Now()
				_, err := l.Check(t.Context(), Claim{Platform: platform, Anchors: l.anchors, Head: test.source["platform.json"], Get: func(ctx context.Context, name string, n int64) ([]byte, error) {
					asked.Add(1)
					time.Sleep(time.Second)
					return test.source.get(ctx, name, n)
				}})
				if (err == nil) != test.ok {
					t.Error(err)
				}
				if took := time.Since(begun); took != time.Second || asked.Load() != int64(test.asked) {
					t.Errorf("%d questions took %v: not %d, and one round trip", asked.Load(), took, test.asked)
				}
			})
		})
	}
}

// The file is damaged, or is gone: the keys of the configuration count, and other processes' changes.
func TestFile(t *testing.T) {
	k := signer(t, 0)
	l := newLaptop(t, now, k)
	s := site{}
	s.head(t, 5, 0, now, k)
	l.accepts(s)
	other := Open(l.folder, l.keyring, time.Time{}, func(error) {})
	other.clock = l.clock
	s.head(t, 4, 0, now, k)
	(&laptop{other, t, l.anchors}).refuses(s, Older, "")
	s.head(t, 8, 0, now, k)
	(&laptop{other, t, l.anchors}).accepts(s)
	s.head(t, 7, 0, now, k)
	l.refuses(s, Older, "older than the 8")

	var said []error
	l.note = func(problem error) { said = append(said, problem) }
	for _, damage := range []string{"", "{", `{"format":2}`, strings.Repeat("\x00", 100)} {
		if err := os.WriteFile(filepath.Join(l.folder, File), []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		said = nil
		l.accepts(s)
		if len(said) == 0 {
			t.Errorf("%q: nobody was told", damage)
		}
	}
	left, err := os.ReadDir(l.folder)
	if err != nil || slices.ContainsFunc(left, func(e fs.DirEntry) bool { return strings.Contains(e.Name(), File+"-") }) {
		t.Errorf("%v, %v", left, err)
	}
}

func FuzzCheck(f *testing.F) {
	a, online := signer(f, 0), signer(f, 0)
	s := site{}
	s.keys(f, tree.Keys{Version: 1, Threshold: 1}, []*pgp.Signer{a}, []*pgp.Signer{online}, a)
	s.head(f, 1, 1, now, online)
	name := tree.SignatureName(tree.HeadName(s["platform.json"]))
	f.Add(s["platform.json"], s[name], s["keys@1.json"], s["keys@1.json.asc"])
	head, keys := string(s["platform.json"]), string(s["keys@1.json"])
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, platformJSON, signature, keysJSON, keysSignature []byte) {
		store := Open(dir, dir, time.Time{}, func(error) {})
		store.clock = func() time.Time { return now }
		_, err := store.Check(t.Context(), Claim{Platform: platform, Anchors: []string{a.Fingerprint}, Head: platformJSON, Get: func(_ context.Context, name string, _ int64) ([]byte, error) {
			switch {
			case name == "keys@1.json":
				return keysJSON, nil
			case name == "keys@1.json.asc":
				return keysSignature, nil
			case strings.HasPrefix(name, "platform@"):
				return signature, nil
			}
			return nil, fs.ErrNotExist
		}})
		if err == nil && (string(platformJSON) != head || string(keysJSON) != keys) {
			t.Errorf("believed: %.100q %.100q", platformJSON, keysJSON)
		}
	})
}

// Who only looks follows keys files as others do, and keeps nothing of them. Until when is told is as long
// as the keys, and the keys file, are good.
func TestLooking(t *testing.T) {
	offline, online := signer(t, 0), signer(t, 0)
	l := newLaptop(t, now, offline)
	s := site{}
	s.keys(t, tree.Keys{Version: 1, Threshold: 1}, []*pgp.Signer{offline}, []*pgp.Signer{online}, offline)
	s.keys(t, tree.Keys{Version: 2, Threshold: 1}, []*pgp.Signer{offline}, []*pgp.Signer{online}, offline)
	s.head(t, 1, 2, now, online)
	claim := Claim{Platform: platform, Anchors: l.anchors, Head: s["platform.json"], Get: s.get}
	a, err := l.Looking().Check(t.Context(), claim)
	if err != nil || !a.Until.Equal(now.AddDate(1, 0, 0)) {
		t.Errorf("%+v, %v", a, err)
	}
	if left, err := filepath.Glob(filepath.Join(l.folder, "*trust*")); err != nil || len(left) > 0 {
		t.Errorf("it has kept %v, %v", left, err)
	}

	short := signer(t, 3*365*24*time.Hour)
	l = newLaptop(t, now, short)
	s = site{}
	s.head(t, 1, 0, now, short)
	a, err = l.Looking().Check(t.Context(), Claim{Platform: platform, Anchors: l.anchors, Head: s["platform.json"], Get: s.get})
	if err != nil || !a.Until.Equal(short.Expires()) || a.Until.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
}
