// SPDX-License-Identifier: GPL-2.0-or-later

package laptoptest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A Key is an OpenPGP key of gpg's, in a keyring of its own, with an RSA key that signs and no
// subkeys.
type Key struct {
	Home        string // gpg's folder
	Fingerprint string // in lower case
}

// NewKey makes a key in a folder. It needs gpg.
func NewKey(t testing.TB, dir string) Key {
	t.Helper()
	k := Key{Home: filepath.Join(dir, "gnupg")}
	if err := os.MkdirAll(k.Home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", k.Home, "--kill", "gpg-agent").Run() })
	k.Run(t, "gpg", "--batch", "--quick-gen-key", "--passphrase", "", "School <school@example.org>", "rsa2048", "sign", "never")
	for l := range strings.Lines(k.Run(t, "gpg", "--list-keys", "--with-colons")) {
		if f := strings.Split(l, ":"); f[0] == "fpr" {
			k.Fingerprint = strings.ToLower(f[9])
		}
	}
	return k
}

// ID is the key's id, 16 hexadecimal digits.
func (k Key) ID() string { return k.Fingerprint[24:] }

// Short is the key's id as rpm before 4.20 has it, 8 hexadecimal digits.
func (k Key) Short() string { return k.Fingerprint[32:] }

// Run runs a program in the key's keyring and gives what it prints.
func (k Key) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+k.Home)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, &stderr)
	}
	return string(out)
}

// Sign signs an RPM file as distributions do. It needs rpmsign.
func (k Key) Sign(t testing.TB, rpm string) {
	t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal(err)
	}
	k.Run(t, "rpmsign", "--define", "_gpg_name School", "--define", "__gpg "+gpg, "--addsign", rpm)
}

// Export writes the public key, ASCII-armoured, to a file.
func (k Key) Export(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(k.Run(t, "gpg", "--armor", "--export")), 0o644); err != nil {
		t.Fatal(err)
	}
}
