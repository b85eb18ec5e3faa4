package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A key is an OpenPGP key of gpg's, in a keyring of its own.
type key struct {
	home        string
	fingerprint string
}

func newKey(t *testing.T, dir string) key {
	t.Helper()
	k := key{home: filepath.Join(dir, "gnupg")}
	if err := os.MkdirAll(k.home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", k.home, "--kill", "gpg-agent").Run() })
	k.run(t, "gpg", "--batch", "--quick-gen-key", "--passphrase", "", "School <school@example.org>", "rsa2048", "sign", "never")
	for l := range strings.Lines(k.run(t, "gpg", "--list-keys", "--with-colons")) {
		if f := strings.Split(l, ":"); f[0] == "fpr" {
			k.fingerprint = strings.ToLower(f[9])
		}
	}
	return k
}

func (k key) id() string    { return k.fingerprint[24:] }
func (k key) short() string { return k.fingerprint[32:] }

func (k key) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+k.home)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, &stderr)
	}
	return string(out)
}

// sign signs an RPM as distributions do.
func (k key) sign(t *testing.T, rpm string) {
	t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal(err)
	}
	k.run(t, "rpmsign", "--define", "_gpg_name School", "--define", "__gpg "+gpg, "--addsign", rpm)
}

func (k key) export(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(k.run(t, "gpg", "--armor", "--export")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// change changes the first letter of a text in a file.
func change(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte(text))
	if i < 0 {
		t.Fatalf("%s has no %q", path, text)
	}
	data[i] ^= 0x20
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
