// SPDX-License-Identifier: GPL-2.0-or-later

package signature

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A keyring is gpg's, of the test's own.
type keyring struct {
	t    testing.TB
	home string
}

func newKeyring(t testing.TB) keyring {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	return keyring{t, home}
}

// gpg runs gpg; what it reads is given as input.
func (k keyring) gpg(input []byte, args ...string) []byte {
	k.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", k.home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		k.t.Fatalf("gpg %q: %v: %s (the tests need gpg: run ./setup)", args, err, &stderr)
	}
	return out
}

// prints are the fingerprints of a keyring's keys and subkeys, as gpg tells them.
func (k keyring) prints() (all []string) {
	k.t.Helper()
	for l := range strings.Lines(string(k.gpg(nil, "--list-keys", "--with-colons"))) {
		if f := strings.Split(l, ":"); f[0] == "fpr" {
			all = append(all, strings.ToLower(f[9]))
		}
	}
	return all
}

func (k keyring) make(algorithm, expires string) {
	k.t.Helper()
	k.gpg(nil, "--quick-gen-key", "School <school@example.org>", algorithm, "sign", expires)
}

func (k keyring) export() []byte { return k.gpg(nil, "--armor", "--export") }

// gpgKey is a new key, as gpg exports it, and its fingerprint, as gpg tells it.
func gpgKey(t testing.TB, algorithm string) (armoured []byte, print string) {
	t.Helper()
	k := newKeyring(t)
	k.make(algorithm, "never")
	return k.export(), k.prints()[0]
}

// fingerprint is that of the key in a text.
func fingerprint(text []byte) (string, error) {
	key, err := readKey(text, time.Now())
	if err != nil {
		return "", err
	}
	return key.prints[0], nil
}

func TestFingerprintIsGpgs(t *testing.T) {
	for _, algorithm := range []string{"rsa2048", "ed25519"} {
		key, want := gpgKey(t, algorithm)
		withText := append([]byte("A key of the school's.\n\n"), bytes.ReplaceAll(key, []byte("\n"), []byte("\r\n"))...)
		withHeader := bytes.Replace(key, []byte("BLOCK-----\n"), []byte("BLOCK-----\nVersion: GnuPG v1.4.5\nComment: x\n"), 1)
		for _, k := range [][]byte{key, withText, withHeader} {
			if got, err := fingerprint(k); got != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", algorithm, got, err, want)
			}
		}
		for _, digits := range []int{8, 16, 40} {
			if i, err := keyID("0x" + strings.ToUpper(want[40-digits:])); err != nil || i.in(key) == nil {
				t.Errorf("%q, %v is not the key's", i, err)
			}
		}
		other, _ := gpgKey(t, algorithm)
		if id(want).in(other) != nil {
			t.Error("another key passes for it")
		}
		if got, err := fingerprint(append(key, other...)); err == nil {
			t.Errorf("two keys pass for one: %q", got)
		}
	}
}

func TestFingerprintRefused(t *testing.T) {
	armour := func(packets ...byte) string {
		return fmt.Sprintf("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n%s\n-----END PGP PUBLIC KEY BLOCK-----\n", base64.StdEncoding.EncodeToString(packets))
	}
	for text, want := range map[string]string{
		"":       "no ASCII-armoured",
		armour(): "no public key",
		armour(0x99, 0, 2, 4, 1, 0x99, 0, 2, 4, 1):          "more than one key",
		armour(0x99, 0, 2, 6, 1):                            "not of version 4",
		armour(0x99, 0, 9, 4):                               "damaged",
		armour(0x99, 0):                                     "damaged",
		armour(0x9b, 4):                                     "damaged", // of no length
		armour(0x19, 4):                                     "damaged",
		armour(0xc6, 0xe1, 4):                               "damaged", // in parts
		armour(0xc6, 0xff, 0xff, 0xff, 0xff, 0xff):          "damaged",
		strings.Replace(armour(1, 2, 3), "AQID", "A*ID", 1): "damaged",
	} {
		if got, err := fingerprint([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

// RPM is given the key and the subkeys that sign for it, as gpg reads them again, and nothing that
// isn't verified.
func TestKeyIsWrittenAnew(t *testing.T) {
	k := newKeyring(t)
	k.make("rsa2048", "never")
	primary := k.prints()[0]
	k.gpg(nil, "--quick-add-key", primary, "ed25519", "sign", "never")
	k.gpg(nil, "--quick-add-key", primary, "rsa2048", "encr", "never")
	k.gpg(nil, "--quick-add-uid", primary, "Village <village@example.org>")
	prints := k.prints()

	// Somebody else's signature on it, and SHA-1 as old distributions have it.
	other := newKeyring(t)
	other.make("ed25519", "never")
	other.gpg(k.export(), "--import")
	other.gpg(nil, "--yes", "--quick-sign-key", primary)
	for name, text := range map[string][]byte{"": k.export(), "signed by another": other.gpg(nil, "--armor", "--export", primary)} {
		key, err := readKey(text, time.Now())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := prints[:2]; !slices.Equal(key.prints, want) {
			t.Errorf("%s: the key and those that sign for it are %q, want %q", name, key.prints, want)
		}
		for _, i := range []id{id(primary), id(primary[24:]), id(prints[1]), id(prints[1][24:])} {
			if i.in(text) == nil {
				t.Errorf("%s: %s is not found", name, i)
			}
		}
		if id(prints[2]).in(text) != nil {
			t.Errorf("%s: the subkey for encryption counts as one that signs", name)
		}
		again, err := readKey(append(append([]byte("before\n"), key.armoured...), "after\n"...), time.Now())
		if err != nil || !bytes.Equal(again.armoured, key.armoured) {
			t.Errorf("%s: written anew it is another one: %v", name, err)
		}
		gpg := newKeyring(t)
		gpg.gpg(key.armoured, "--import")
		if got := gpg.prints(); !slices.Equal(got, prints[:2]) {
			t.Errorf("%s: gpg finds %q in what is written anew", name, got)
		}
		if sigs := string(gpg.gpg(nil, "--list-sigs", "--with-colons")); strings.Count(sigs, "\nsig:") != 3 {
			t.Errorf("%s: more is written than two names and a subkey: %s", name, sigs)
		}
	}

	old := newKeyring(t)
	old.gpg(nil, "--cert-digest-algo", "SHA1", "--quick-gen-key", "School <school@example.org>", "rsa2048", "sign", "never")
	if _, err := readKey(old.export(), time.Now()); err != nil {
		t.Errorf("a key with SHA-1, as distributions of 2012 have: %v", err)
	}
}

func TestKeyRefused(t *testing.T) {
	k := newKeyring(t)
	k.make("ed25519", "2d")
	primary := k.prints()[0]
	k.gpg(nil, "--quick-add-key", primary, "ed25519", "sign", "1d")
	good, now := k.export(), time.Now()
	for days, want := range map[int]int{-10000: 2, 0: 2, 1: 1} { // a laptop whose clock stands in the past believes the key
		key, err := readKey(good, now.AddDate(0, 0, days).Add(time.Hour))
		if err != nil || len(key.prints) != want {
			t.Errorf("%d days later: %v, %v, want %d keys", days, key, err, want)
		}
	}
	refused := func(name, want string, text []byte, now time.Time) {
		t.Helper()
		if key, err := readKey(text, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", name, key, err, want)
		}
	}
	refused("expired", "has expired", good, now.AddDate(0, 0, 3))
	refused("secret", "no ASCII-armoured public key", k.gpg(nil, "--armor", "--export-secret-keys"), now)
	refused("a secret key that is called public", "secret key",
		bytes.ReplaceAll(k.gpg(nil, "--armor", "--export-secret-keys"), []byte("PGP PRIVATE"), []byte("PGP PUBLIC")), now)
	other := newKeyring(t)
	other.make("ed25519", "never")
	refused("two blocks", "more than one key", append(slices.Clone(good), other.export()...), now)
	refused("a message beside it", "something beside", append(slices.Clone(good), "-----BEGIN PGP SIGNATURE-----\n\n"...), now)
	other.gpg(good, "--import")
	refused("two keys in a block", "more than one key", other.export(), now)

	// A subkey that another key has signed: it must not come in under this one's name.
	stolen := append(packetsOf(t, other.gpg(nil, "--armor", "--export", other.prints()[0])), subkeyOf(t, good)...)
	refused("another's subkey", "damaged", armoured(t, stolen), now)

	revocation, err := os.ReadFile(filepath.Join(k.home, "openpgp-revocs.d", strings.ToUpper(primary)+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	k.gpg(bytes.Replace(revocation, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), "--import")
	refused("revoked", "was revoked", k.export(), now)
}

func packetsOf(t *testing.T, text []byte) []byte {
	t.Helper()
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := io.ReadAll(block.Body)
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// subkeyOf are the packets of a key's subkey and the signature that binds it.
func subkeyOf(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	all := packet.NewOpaqueReader(bytes.NewReader(packetsOf(t, text)))
	for found := false; ; {
		p, err := all.Next()
		if err == io.EOF {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		if found = found || p.Tag == 14; found {
			if err := p.Serialize(&out); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func armoured(t *testing.T, packets []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, "PGP PUBLIC KEY BLOCK", nil)
	if err == nil {
		_, err = w.Write(packets)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzFingerprint(f *testing.F) {
	k := newKeyring(f)
	k.make("ed25519", "never")
	f.Add(k.export())
	k.gpg(nil, "--quick-add-key", k.prints()[0], "ed25519", "sign", "never")
	f.Add(k.export())
	f.Add(append(k.export(), "behind it -----BEGIN\n=abcd\n"...))
	f.Add(append(k.export(), k.export()...))
	other, _ := gpgKey(f, "rsa2048")
	f.Add(other)
	k.gpg(other, "--import")
	f.Add(k.export())
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := readKey(text, time.Now())
		if err != nil {
			return
		}
		for _, print := range key.prints {
			if len(print) != 40 {
				t.Errorf("%q", print)
			}
		}
		again, err := readKey(key.armoured, time.Now())
		if err != nil || !slices.Equal(again.prints, key.prints) || !bytes.Equal(again.armoured, key.armoured) {
			t.Errorf("written anew the key %q is %v, %v", key.prints, again, err)
		}
	})
}
