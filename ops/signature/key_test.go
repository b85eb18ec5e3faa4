package signature

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// gpgKey is a new key, as gpg exports it, and its fingerprint, as gpg tells it.
func gpgKey(t testing.TB, algorithm string) (armoured []byte, print string) {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	run := func(args ...string) []byte {
		out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch"}, args...)...).Output()
		if err != nil {
			t.Fatalf("gpg %q: %v (the tests need gpg: run ./setup)", args, err)
		}
		return out
	}
	run("--quick-gen-key", "--passphrase", "", "School <school@example.org>", algorithm, "sign", "never")
	for l := range strings.Lines(string(run("--list-keys", "--with-colons"))) {
		if f := strings.Split(l, ":"); f[0] == "fpr" {
			print = strings.ToLower(f[9])
		}
	}
	return run("--armor", "--export"), print
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
			if i, err := keyID("0x" + strings.ToUpper(want[40-digits:])); err != nil || !i.is(key) {
				t.Errorf("%q, %v is not the key's", i, err)
			}
		}
		other, _ := gpgKey(t, algorithm)
		if id(want).is(other) {
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

func FuzzFingerprint(f *testing.F) {
	key, _ := gpgKey(f, "ed25519")
	f.Add(key)
	f.Fuzz(func(t *testing.T, text []byte) {
		if print, err := fingerprint(text); err == nil && len(print) != 40 {
			t.Errorf("%q", print)
		}
	})
}
