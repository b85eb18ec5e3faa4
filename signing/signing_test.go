// SPDX-License-Identifier: GPL-2.0-or-later

package signing

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// key is a signer whose key expires after a while; 0: never.
func key(t testing.TB, validFor time.Duration) *Signer {
	t.Helper()
	s, err := pgp.Generate("A person", validFor, noon)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.Secret(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := File(file(t, secret), nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func public(signers ...*Signer) (all []*pgp.Key) {
	for _, s := range signers {
		all = append(all, s.Key)
	}
	return all
}

// made is a keys file that these have signed.
func made(t testing.TB, before *trust.Keys, offline, online []*Signer, threshold int, at time.Time, by ...*Signer) *trust.Keys {
	t.Helper()
	k, err := NewKeys(before, public(offline...), public(online...), threshold, 1000*time.Hour, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range by {
		if k.Signatures, err = s.Add(context.Background(), k.Text, k.Signatures, at); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func TestWhoHasToSign(t *testing.T) {
	a, b, c, d, online, other := key(t, 0), key(t, 0), key(t, 0), key(t, 0), key(t, 0), key(t, 0)
	first := func(by ...*Signer) *trust.Keys {
		return made(t, nil, []*Signer{a, b, c}, []*Signer{online}, 0, noon, by...)
	}
	whole := first(a, b)
	if whole.Threshold != 2 || Check(whole, nil, noon) != nil {
		t.Errorf("two of three: %v", Check(whole, nil, noon))
	}
	next := func(offline []*Signer, threshold int, by ...*Signer) *trust.Keys {
		return made(t, whole, offline, nil, threshold, noon, by...)
	}
	spoilt := first(a, b)
	spoilt.Text = append(spoilt.Text, '\n')
	for _, test := range []struct {
		name      string
		before, k *trust.Keys
		want      string // "": it is right
	}{
		{"nobody", nil, first(), "is signed by 0 of its own offline keys, and 2 are needed"},
		{"one", nil, first(c), "is signed by 1 of its own offline keys, and 2 are needed; " + a.Key.Fingerprint + ", " + b.Key.Fingerprint + " can sign it"},
		{"the online key", nil, first(a, online), "is signed by 1 of its own"},
		{"a stranger", nil, first(a, d), "is signed by 1 of its own"},
		{"another text", nil, spoilt, "isn't what the key"},
		{"the same people again", whole, next(nil, 0, b, c), ""},
		{"one is exchanged", whole, next([]*Signer{b, c, d}, 0, b, c), ""},
		{"by whom the old one doesn't know", whole, next([]*Signer{b, c, d}, 0, c, d), "is signed by 1 of the offline keys of keys@1.json, and 2 are needed"},
		{"by those who leave", whole, next([]*Signer{d}, 1, a, b), "is signed by 0 of its own offline keys, and 1 are needed"},
		{"by those who leave and who comes", whole, next([]*Signer{d}, 1, a, b, d), ""},
	} {
		err := Check(test.k, test.before, noon)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := New(other, []*trust.Keys{whole}, noon); err == nil || !strings.Contains(err.Error(), "not among the online keys") {
		t.Errorf("another online key: %v", err)
	}
	s, err := New(online, []*trust.Keys{whole}, noon)
	if err != nil || s.Version() != 1 || len(s.Soon(noon, time.Hour)) != 0 {
		t.Errorf("%v, %v", s, err)
	}
	if soon := s.Soon(noon, 1001*time.Hour); len(soon) != 1 || !strings.Contains(soon[0], "keys@1.json expires at 2027-01-01") {
		t.Errorf("soon: %q", soon)
	}
	if _, err := New(online, []*trust.Keys{whole}, noon.Add(1001*time.Hour)); err == nil || !strings.Contains(err.Error(), "keys@1.json has expired at 2027-01-01") {
		t.Errorf("expired: %v", err)
	}
}

// An offline key that has ended makes what it signed last for nobody new, and what came before it good
// enough still.
func TestKeysThatExpire(t *testing.T) {
	short, long, online, shortOnline := key(t, 100*time.Hour), key(t, 0), key(t, 0), key(t, 100*time.Hour)
	one := made(t, nil, []*Signer{short}, []*Signer{online, shortOnline}, 1, noon, short)
	two := made(t, one, []*Signer{long}, nil, 1, noon.Add(99*time.Hour), short, long)
	later := noon.Add(200 * time.Hour)
	if err := CheckKeys([]*trust.Keys{one}, noon); err != nil {
		t.Error(err)
	}
	if err := CheckKeys([]*trust.Keys{one}, later); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("by a key that has expired: %v", err)
	}
	if err := CheckKeys([]*trust.Keys{one, two}, later); err != nil {
		t.Errorf("by one that had not: %v", err)
	}
	if err := Check(two, one, later); err == nil {
		t.Error("who was away follows a key that has expired")
	}
	if _, err := New(shortOnline, []*trust.Keys{one, two}, later); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("an online key that has expired: %v", err)
	}
	if soon := must(New(shortOnline, []*trust.Keys{one}, noon)).Soon(noon, 101*time.Hour); len(soon) != 2 {
		t.Errorf("soon: %q", soon)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestNewKeysRefuses(t *testing.T) {
	a, b, online := key(t, 0), key(t, 0), key(t, time.Hour)
	for _, test := range []struct {
		offline, online []*Signer
		threshold       int
		at              time.Time
		want            string
	}{
		{nil, []*Signer{online}, 0, noon, "asks for 1 of 0 signatures"},
		{[]*Signer{a}, nil, 0, noon, "no key that signs platforms"},
		{[]*Signer{a, b}, []*Signer{online}, 3, noon, "asks for 3 of 2 signatures"},
		{[]*Signer{a, b}, []*Signer{online}, -1, noon, "asks for -1 of 2 signatures"},
		{[]*Signer{a, a}, []*Signer{online}, 1, noon, "twice"},
		{[]*Signer{a}, []*Signer{a}, 1, noon, "both offline and online"},
		{[]*Signer{a}, []*Signer{online}, 1, noon.Add(2 * time.Hour), "has expired"},
	} {
		if _, err := NewKeys(nil, public(test.offline...), public(test.online...), test.threshold, time.Hour, test.at); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("says %v, want %q", err, test.want)
		}
	}
	if _, err := NewKeys(nil, public(a), public(online), 1, -time.Hour, noon); err == nil || !strings.Contains(err.Error(), "expires before it was made") {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	for _, mode := range []os.FileMode{0o604, 0o640, 0o620} {
		name := file(t, nil)
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := File(name, nil); err == nil || !strings.Contains(err.Error(), "run chmod 600 "+name) {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if _, err := File(file(t, make([]byte, pgp.MaxKey+1)), nil); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Error(err)
	}
	if _, err := File(t.TempDir(), nil); err == nil {
		t.Error("a folder is a key")
	}
	s := key(t, 0)
	if _, err := File(file(t, s.Key.Armoured), nil); err == nil || !strings.Contains(err.Error(), "no ASCII-armoured secret key") {
		t.Error(err)
	}

	// What is no signature, or of something else, is no reason not to sign.
	for _, had := range [][]byte{nil, []byte("damaged"), must(s.Sign(context.Background(), []byte("other"), noon))} {
		all, err := s.Add(context.Background(), []byte("data"), had, noon)
		if err == nil {
			_, err = pgp.Verify([]byte("data"), all, []*pgp.Key{s.Key}, noon)
		}
		if err != nil {
			t.Errorf("%.20q: %v", had, err)
		}
	}
}

// A command is ended with its context.
func TestACommandThatHangs(t *testing.T) {
	s, err := Command([]string{"sh", "-c", "echo up >&2; exec sleep 1000"}, file(t, key(t, 0).Key.Armoured))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	signed := make(chan error)
	go func() {
		_, err := s.Sign(ctx, []byte("data"), noon)
		signed <- err
	}()
	cancel()
	if err := <-signed; err != context.Canceled {
		t.Error(err)
	}
}

// Whatever bytes there are, they are a keys file that can be written again, or refused.
func FuzzKeys(f *testing.F) {
	k := made(f, nil, []*Signer{key(f, 0)}, []*Signer{key(f, 0)}, 1, noon)
	f.Add(k.Text)
	f.Add([]byte(`{"format":2,"version":1,"threshold":1,"offline":["x"],"online":["x"],"expires":"2026-11-20T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := trust.ParseKeys(text, 1)
		if err != nil {
			return
		}
		if Check(k, nil, noon) == nil {
			t.Error("it needs no signature")
		}
		if len(k.Offline) < k.Threshold || len(k.Online) == 0 || k.Name() != tree.KeysName(1) {
			t.Errorf("%+v", k.Keys)
		}
		if _, err := k.Encode(); err != nil {
			t.Error(err)
		}
	})
}
