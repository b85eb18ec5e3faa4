// SPDX-License-Identifier: GPL-2.0-or-later

package pgp

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// gnupg is gpg with a home of the test's own.
type gnupg struct {
	t    testing.TB
	home string
}

func newGPG(t testing.TB) gnupg {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	return gnupg{t, home}
}

// run runs gpg; what it reads is given as input.
func (g gnupg) run(input []byte, args ...string) []byte {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %q: %v: %s (the tests need gpg: run ./setup)", args, err, &stderr)
	}
	return out
}

// key makes a key, and is it as gpg exports it.
func (g gnupg) key(algorithm, usage, expires string) []byte {
	g.t.Helper()
	g.run(nil, "--quick-gen-key", "School <school@example.org>", algorithm, usage, expires)
	return g.run(nil, "--armor", "--export")
}

func (g gnupg) print() string {
	g.t.Helper()
	for l := range strings.Lines(string(g.run(nil, "--list-keys", "--with-colons"))) {
		if f := strings.Split(l, ":"); f[0] == "fpr" {
			return strings.ToLower(f[9])
		}
	}
	g.t.Fatal("gpg has no key")
	return ""
}

func read(t testing.TB, text []byte) *Key {
	t.Helper()
	k, err := ReadKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func generate(t testing.TB, validFor time.Duration, now time.Time) *Signer {
	t.Helper()
	s, err := Generate("School <school@example.org>", validFor, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var message = []byte(`{"platform":"school-1-x86_64"}` + "\n")

// What gpg signs is verified, and gpg verifies what is signed here.
func TestAsGPG(t *testing.T) {
	for _, algorithm := range []string{"ed25519", "rsa2048"} {
		g := newGPG(t)
		k := read(t, g.key(algorithm, "sign", "1y"))
		if k.Fingerprint != g.print() || k.UserID != "School <school@example.org>" {
			t.Errorf("%s: %s of %q", algorithm, k.Fingerprint, k.UserID)
		}
		by, err := Verify(message, g.run(message, "--armor", "--detach-sign"), []*Key{k}, time.Now())
		if err != nil || len(by) != 1 || by[0] != k {
			t.Errorf("%s: %v, %v", algorithm, by, err)
		}
		secret := g.run(nil, "--armor", "--export-secret-keys")
		s, err := ReadSigner(secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := s.Sign(message, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		g.verify(message, signature)
	}

	// A key that was made here.
	s := generate(t, 0, time.Now())
	g := newGPG(t)
	g.run(s.Armoured, "--import")
	if g.print() != s.Fingerprint {
		t.Errorf("gpg knows %s as %s", s.Fingerprint, g.print())
	}
	signature, err := s.Sign(message, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	g.verify(message, signature)

	// By a subkey, whose primary key is elsewhere.
	sub := newGPG(t)
	k := read(t, sub.key("ed25519", "cert", "never"))
	sub.run(nil, "--quick-add-key", k.Fingerprint, "ed25519", "sign", "never")
	k = read(t, sub.run(nil, "--armor", "--export"))
	only, err := ReadSigner(sub.run(nil, "--armor", "--export-secret-subkeys"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if signature, err = only.Sign(message, time.Now()); err != nil {
		t.Fatal(err)
	}
	if by, err := Verify(message, signature, []*Key{k}, time.Now()); err != nil || by[0].Fingerprint != sub.print() {
		t.Errorf("by a subkey: %v, %v", by, err)
	}
	sub.verify(message, signature)

	// Both in one file.
	both, err := Merge(signature, must(s.Sign(message, time.Now())))
	if err != nil {
		t.Fatal(err)
	}
	if by, err := Verify(message, both, []*Key{s.Key, k}, time.Now()); err != nil || len(by) != 2 {
		t.Errorf("both: %v, %v", by, err)
	}
	if again, err := Merge(both, signature); err != nil || len(must(readSignatures(again))) != 2 {
		t.Errorf("the same once more: %v", err)
	}
	sub.run(s.Armoured, "--import")
	sub.verify(message, both)
}

// verify has gpg verify a signature, as an administrator does by hand.
func (g gnupg) verify(data, signature []byte) {
	g.t.Helper()
	dir := g.t.TempDir()
	for name, content := range map[string][]byte{"platform@1.json": data, "platform@1.json.asc": signature} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
	g.run(nil, "--verify", filepath.Join(dir, "platform@1.json.asc"), filepath.Join(dir, "platform@1.json"))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRefused(t *testing.T) {
	now := time.Now()
	good := generate(t, 0, now)
	signature := must(good.Sign(message, now))
	other := generate(t, 0, now)
	refused := func(name string, data, signature []byte, keys []*Key, now time.Time, kind any, says string) {
		t.Helper()
		by, err := Verify(data, signature, keys, now)
		if len(by) != 0 || err == nil || kind != nil && !errors.As(err, kind) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v, want %T %q", name, by, err, kind, says)
		}
	}
	refused("changed", append(slices.Clone(message), ' '), signature, []*Key{good.Key}, now, new(*BadSignatureError), "isn't what the key")
	refused("by another", message, must(other.Sign(message, now)), []*Key{good.Key}, now, new(*UnknownKeyError), other.Fingerprint)
	refused("by nobody", message, nil, []*Key{good.Key}, now, nil, "no ASCII-armoured signature")
	refused("a key for a signature", message, good.Armoured, []*Key{good.Key}, now, nil, "no ASCII-armoured signature")
	refused("cut off", message, signature[:len(signature)/2], []*Key{good.Key}, now, nil, "")
	refused("two blocks", message, append(slices.Clone(signature), signature...), []*Key{good.Key}, now, nil, "something beside")
	refused("too large", message, make([]byte, MaxSignatures+1), []*Key{good.Key}, now, nil, "more than")

	short := generate(t, time.Hour, now)
	old := must(short.Sign(message, now))
	if by, err := Verify(message, old, []*Key{short.Key}, now.AddDate(-40, 0, 0)); err != nil || len(by) != 1 {
		t.Errorf("a clock in the past: %v, %v", by, err)
	}
	refused("expired", message, old, []*Key{short.Key}, now.Add(2*time.Hour), new(*KeyError), "has expired")
	if _, err := short.Sign(message, now.Add(2*time.Hour)); !errors.As(err, new(*KeyError)) {
		t.Errorf("an expired key signs: %v", err)
	}

	g := newGPG(t)
	g.key("ed25519", "sign", "never")
	before := g.run(message, "--armor", "--detach-sign")
	revocation, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", strings.ToUpper(g.print())+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	g.run(bytes.Replace(revocation, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), "--import")
	refused("revoked", message, before, []*Key{read(t, g.run(nil, "--armor", "--export"))}, now, new(*KeyError), "was revoked")

	for algorithm, says := range map[string]string{"rsa1024": "RSA of 1024 bits", "dsa2048": "DSA", "nistp256": "ECDSA"} {
		g := newGPG(t)
		k := read(t, g.key(algorithm, "sign", "never"))
		refused(algorithm, message, g.run(message, "--armor", "--detach-sign"), []*Key{k}, now, new(*KeyError), says)
	}
	weak := newGPG(t)
	k := read(t, weak.key("rsa2048", "sign", "never"))
	refused("SHA-1", message, weak.run(message, "--digest-algo", "SHA1", "--armor", "--detach-sign"), []*Key{k}, now, new(*KeyError), "SHA-1")
	refused("of a text", message, weak.run(message, "--textmode", "--armor", "--detach-sign"), []*Key{k}, now, new(*KeyError), "")
	sha1 := newGPG(t)
	sha1.run(nil, "--cert-digest-algo", "SHA1", "--quick-gen-key", "School", "rsa2048", "sign", "never")
	refused("a key over SHA-1", message, sha1.run(message, "--armor", "--detach-sign"), []*Key{read(t, sha1.run(nil, "--armor", "--export"))}, now, new(*KeyError), "SHA-1")

	// What somebody adds harms nobody.
	added := must(Merge(must(other.Sign(message, now)), signature))
	if by, err := Verify(message, added, []*Key{good.Key}, now); err != nil || len(by) != 1 {
		t.Errorf("with another's signature: %v, %v", by, err)
	}
}

// Keys of version 6 sign as well.
func TestVersion6(t *testing.T) {
	e, err := openpgp.NewEntity("School", "", "", &packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSigner(e)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign(message, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if by, err := Verify(message, signature, []*Key{s.Key}, time.Now()); err != nil || len(by[0].Fingerprint) != 64 {
		t.Errorf("%v, %v", by, err)
	}
}

func TestSecret(t *testing.T) {
	s := generate(t, 0, time.Now())
	for _, phrase := range []string{"", "correct horse"} {
		text, err := s.Secret([]byte(phrase))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadSigner(text, func() ([]byte, error) { return []byte(phrase), nil })
		if err != nil || again.Fingerprint != s.Fingerprint {
			t.Fatalf("%q: %v, %v", phrase, again, err)
		}
		if signature, err := again.Sign(message, time.Now()); err != nil {
			t.Error(err)
		} else if _, err := Verify(message, signature, []*Key{s.Key}, time.Now()); err != nil {
			t.Error(err)
		}
		g := newGPG(t)
		g.run(text, "--import")
	}
	text := must(s.Secret([]byte("correct horse")))
	if _, err := ReadSigner(text, func() ([]byte, error) { return []byte("wrong"), nil }); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Error(err)
	}
	if _, err := ReadSigner(s.Armoured, nil); err == nil {
		t.Error("a public key passes for a secret one")
	}
}

func TestParseFingerprint(t *testing.T) {
	for text, want := range map[string]string{
		"0xABCD EF01 2345 6789 ABCD  EF01 2345 6789 ABCD EF01": "abcdef0123456789abcdef0123456789abcdef01",
		strings.Repeat("a", 64):                                strings.Repeat("a", 64),
		"0123456789abcdef":                                     "",
		"":                                                     "",
		strings.Repeat("g", 40):                                "",
	} {
		if got, err := ParseFingerprint(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := must(Generate("School", 0, time.Now()))
	f.Add(must(s.Sign(message, time.Now())), s.Armoured)
	f.Fuzz(func(t *testing.T, signature, key []byte) {
		k, err := ReadKey(key)
		if err != nil {
			k = s.Key
		}
		if by, _ := Verify([]byte("nobody has signed this"), signature, []*Key{k, s.Key}, time.Now()); slices.Contains(by, s.Key) {
			t.Error("a signature was made up")
		}
		Issuers(signature)
	})
}
