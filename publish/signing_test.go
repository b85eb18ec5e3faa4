// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// signer is a new key that signs, as a file.
func newSigner(t testing.TB, name string) *signing.Signer {
	t.Helper()
	s, err := pgp.Generate(name, 0, noon.AddDate(0, -1, 0))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.Secret(nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := signing.File(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// rolled are keys files, each with other keys than the one before: of three offline keys of which two
// sign, one is another, and so is the online key.
type rolled struct {
	files   []*trust.Keys
	online  []*signing.Signer // of each version; where there is none, the one that laptops know
	anchors []string
}

func newKeys(t testing.TB, versions int) *rolled {
	t.Helper()
	r := &rolled{}
	if versions == 0 {
		s := newSigner(t, "Online <online@example.org>")
		return &rolled{nil, []*signing.Signer{s}, []string{s.Key.Fingerprint}}
	}
	dir := t.TempDir()
	offline := []*signing.Signer{newSigner(t, "a"), newSigner(t, "b"), newSigner(t, "c")}
	for _, s := range offline {
		r.anchors = append(r.anchors, s.Key.Fingerprint)
	}
	var before *trust.Keys
	for version := range versions {
		if version > 0 {
			offline = append(slices.Clone(offline[1:]), newSigner(t, "d"))
		}
		online := newSigner(t, "Online <online@example.org>")
		var keys []*pgp.Key
		for _, s := range offline {
			keys = append(keys, s.Key)
		}
		k, err := signing.NewKeys(before, keys, []*pgp.Key{online.Key}, 2, 1000*time.Hour, noon.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range offline[:2] { // both are keys of the version before
			if k.Signatures, err = s.Add(context.Background(), k.Text, k.Signatures, noon); err != nil {
				t.Fatal(err)
			}
		}
		for name, content := range map[string][]byte{k.Name(): k.Text, k.Name() + ".asc": k.Signatures} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		before = k
		r.online = append(r.online, online)
	}
	files, err := signing.ReadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.files = files
	return r
}

// signedBy is who signs with a version of keys files.
func signedBy(t testing.TB, r *rolled, version int) *signing.Signing {
	t.Helper()
	s, err := signing.New(r.online[max(version-1, 0)], r.files[:version], noon)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A believer is a laptop that asks whether what is published is believed.
type believer struct {
	*trust.Store
	anchors []string
}

func newBeliever(t testing.TB, anchors []string) *believer {
	t.Helper()
	return &believer{trust.Open(t.TempDir(), "", time.Time{}, func(err error) { t.Error(err) }), anchors}
}

func (b *believer) check(o Options) ([]string, error) {
	head, err := os.ReadFile(filepath.Join(o.home(), "platform.json"))
	if err != nil {
		return nil, err
	}
	a, err := b.Check(context.Background(), trust.Claim{Platform: o.Platform, Anchors: b.anchors, Head: head,
		Get: func(_ context.Context, name string, _ int64) ([]byte, error) {
			return os.ReadFile(filepath.Join(o.home(), name))
		}})
	if err != nil {
		return nil, err
	}
	return a.Signers, b.Accept(a)
}

func (r *rolled) believed(t testing.TB, o Options) {
	t.Helper()
	if _, err := newBeliever(t, r.anchors).check(o); err != nil {
		t.Errorf("a laptop doesn't believe what is published: %v", err)
	}
}

// What a key has signed is believed by who knows its fingerprint; a build signs where that is missing.
func TestSigned(t *testing.T) {
	a := newAgain(t, t.TempDir(), first)
	keys := newKeys(t, 0)
	a.options.Signing = signedBy(t, keys, 0)
	a.build(t)
	keys.believed(t, a.options)
	head, err := os.ReadFile(filepath.Join(a.options.home(), "platform.json"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(a.options.home(), tree.SignatureName(tree.HeadName(head)))
	if a.unchanged(t) == nil {
		t.Fatal("something has changed")
	}
	before := snapshot(t, a.options.Output)
	a.unchanged(t)
	a.build(t)
	after := snapshot(t, a.options.Output)
	for _, all := range []map[string]string{before, after} { // but for what is between builds, and nobody's
		maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(filepath.Base(name), ".") })
	}
	if !maps.Equal(before, after) {
		t.Errorf("it was written again:\n%v\n%v", before, after)
	}

	// The signature is lost: nothing is built for that.
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := newBeliever(t, keys.anchors).check(a.options); err == nil {
		t.Error("it is believed without a signature")
	}
	if a.unchanged(t) == nil {
		t.Error("a lost signature is taken for a change")
	}
	keys.believed(t, a.options)

	// Another key is configured: both are there, until there is another platform.json.
	other := newKeys(t, 0)
	a.options.Signing = signedBy(t, other, 0)
	if a.unchanged(t) == nil {
		t.Error("another key is taken for a change")
	}
	keys.believed(t, a.options)
	other.believed(t, a.options)

	// Who signs by hand replaces nothing else, and the next build doesn't mind.
	third := newKeys(t, 0)
	if err := Sign(context.Background(), a.options.home(), third.online[0], time.Now()); err != nil {
		t.Fatal(err)
	}
	a.options.Signing = nil
	if a.unchanged(t) == nil {
		t.Error("a signature by hand is taken for a change")
	}
	for _, k := range []*rolled{keys, other, third} {
		k.believed(t, a.options)
	}

	// The expiry moves: what a laptop has asked for before has its signature still, as long as it is valid.
	a.options.Signing = signedBy(t, other, 0)
	a.options.Now = a.options.Now.Add(6 * time.Hour)
	if a.unchanged(t) == nil {
		t.Error("an expiry is taken for a change")
	}
	other.believed(t, a.options)
	if _, err := newBeliever(t, keys.anchors).check(a.options); err == nil {
		t.Error("what was signed by another key is believed when that is gone")
	}
	if !exists(name) {
		t.Error("the signature of a platform.json that is valid still is gone")
	}
	for range 4 {
		a.options.Now = a.options.Now.Add(6 * time.Hour)
		a.unchanged(t)
	}
	if exists(name) || exists(strings.TrimSuffix(name, ".asc")) {
		t.Error("what has expired is there for ever")
	}
}

// Laptops follow keys files, whichever they saw last, and whom they don't name is out.
func TestKeysFiles(t *testing.T) {
	keys := newKeys(t, 3)
	p := openRepo(t, first)
	o := options(t)
	o.Now = time.Now()
	var laptops []*believer
	for version := 1; version <= 3; version++ {
		o.Signing = signedBy(t, keys, version)
		if r := mustBuild(t, p, o); r.Serial != 1 {
			t.Errorf("version %d: the serial is %d", version, r.Serial)
		}
		if got := mustFollow(t, o).platform.Keys; got != int64(version) {
			t.Errorf("it is signed by the keys of version %d, want %d", got, version)
		}
		// The last one begins with two of the three keys of the newest version.
		anchors := keys.anchors
		if version == 3 {
			anchors = []string{keys.files[2].Offline[0].Fingerprint, keys.files[2].Offline[1].Fingerprint}
		}
		laptops = append(laptops, newBeliever(t, anchors))
		for i, l := range laptops {
			if i == 1 && version == 3 {
				continue // it comes back later
			}
			by, err := l.check(o)
			if want := []string{keys.online[version-1].Key.Fingerprint}; err != nil || !slices.Equal(by, want) {
				t.Errorf("version %d: laptop %d believes %v, %v", version, i, by, err)
			}
		}
	}
	if _, err := laptops[1].check(o); err != nil {
		t.Error(err)
	}

	// A thief of the first online key signs what is published.
	head, err := os.ReadFile(filepath.Join(o.home(), "platform.json"))
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := keys.online[0].Sign(context.Background(), head, o.Now)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.home(), tree.SignatureName(tree.HeadName(head)))
	if err := os.WriteFile(file, stolen, 0o644); err != nil {
		t.Fatal(err)
	}
	var unknown *trust.Error
	if _, err := laptops[0].check(o); !errors.As(err, &unknown) || unknown.Kind != trust.UnknownKey {
		t.Errorf("what a thief signs: %v", err)
	}
	if err := Sign(context.Background(), o.home(), keys.online[0], o.Now); err == nil || !strings.Contains(err.Error(), "is not among the online keys of keys@3.json") {
		t.Errorf("a key that is out signs: %v", err)
	}
	if err := Sign(context.Background(), o.home(), keys.online[2], o.Now); err != nil {
		t.Error(err)
	}
	if _, err := laptops[0].check(o); err != nil {
		t.Error(err)
	}

	// What contradicts what laptops may have is refused, before anything is solved.
	refused := func(s *signing.Signing, want string) {
		t.Helper()
		o.Signing = s
		o.Progress = func(int, int) { t.Error("it was solved") }
		if _, err := Build(context.Background(), p, p.Names(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("says %v, want %q", err, want)
		}
	}
	refused(signedBy(t, keys, 2), "has 2 versions")
	refused(signedBy(t, newKeys(t, 3), 3), "keys@1.json isn't the one that is published")
}

// A build whose signer fails publishes nothing.
func TestASignerThatFails(t *testing.T) {
	o := options(t)
	p1, p2 := openRepo(t, first), openRepo(t, second)
	key := newSigner(t, "Online")
	public := filepath.Join(t.TempDir(), "key.pub")
	if err := os.WriteFile(public, key.Key.Armoured, 0o644); err != nil {
		t.Fatal(err)
	}
	sign := func(command ...string) *signing.Signing {
		s, err := signing.Command(command, public)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signing.New(s, nil, noon)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	mustBuild(t, p1, o)
	before := snapshot(t, o.Output)
	for want, s := range map[string]*signing.Signing{
		"exit status 3: no card":     sign("sh", "-c", "cat >/dev/null; echo no card >&2; exit 3"),
		"no ASCII-armoured":          sign("cat"),
		"executable file not found":  sign("there-is-no-such-program"),
		"signing with the key " + "": sign("true"),
	} {
		o.Signing = s
		if _, err := Build(context.Background(), p2, p2.Names(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("says %v, want %q", err, want)
		}
		if after := snapshot(t, o.Output); !maps.Equal(before, after) {
			t.Errorf("%s: something has changed", want)
		}
	}
}

// Verify finds each file that isn't what platform.json leads to.
func TestVerify(t *testing.T) {
	o := options(t)
	o.Copy = true
	mustBuild(t, openRepo(t, first), o)
	p := mustFollow(t, o).platform
	problems := func() (all []string) {
		if _, err := Verify(context.Background(), o.home(), p, func(err error) { all = append(all, err.Error()) }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := problems(); len(all) > 0 {
		t.Fatal(all)
	}
	files, err := Verify(context.Background(), o.home(), p, nil)
	if err != nil || files.Trees != 3 || files.RPMs != 3 {
		t.Errorf("%+v, %v", files, err)
	}
	checked := 0
	for name := range snapshot(t, o.home()) {
		if in := filepath.Dir(name); in == "." {
			continue
		}
		checked++
		path := filepath.Join(o.home(), name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := slices.Clone(data)
		damaged[len(damaged)/2] ^= 1
		os.Remove(path) // RPMs are links
		for what, content := range map[string][]byte{"missing": nil, "damaged": damaged, "longer": append(slices.Clone(data), 0), "cut off": data[:len(data)/2]} {
			if content != nil {
				if err := os.WriteFile(path, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if all := problems(); !strings.Contains(strings.Join(all, "\n"), strings.Split(name, "@")[0]) {
				t.Errorf("%s, %s: %q", name, what, all)
			}
			os.Remove(path)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if checked < 10 {
		t.Errorf("only %d files were tried", checked)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, o.home(), p, func(err error) { t.Error(err) }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
