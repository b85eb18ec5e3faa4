// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// newKey makes a key, and puts it into the keyring if it is to be known.
func newKey(t *testing.T, d Database, known bool) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("School", "", "school@example.org", &packet.Config{RSABits: 2048})
	must(t, err)
	if !known {
		return key
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	must(t, err)
	must(t, key.Serialize(w))
	must(t, w.Close())
	path := filepath.Join(t.TempDir(), "key.asc")
	must(t, os.WriteFile(path, b.Bytes(), 0o644))
	must(t, d.ImportKey(nil, path))
	return key
}

func keyID(key *openpgp.Entity) string { return fmt.Sprintf("%016x", key.PrimaryKey.KeyId) }

func TestCheckSignatureOfKeys(t *testing.T) {
	d := newRoot(t)
	known, unknown := newKey(t, d, true), newKey(t, d, false)
	body := map[string]string{"/opt/f": strings.Repeat("some text that is in the payload ", 3000)}
	payload := func(b []byte) []byte { b[len(b)-60] ^= 1; return b }
	header := func(b []byte) []byte { b[bytes.Index(b, []byte("Summary of"))] ^= 0x20; return b }
	for name, c := range map[string]struct {
		key    *openpgp.Entity
		called string
		change func([]byte) []byte
		want   Trust
	}{
		"unsigned":                              {nil, "p.rpm", nil, Unsigned},
		"unsigned, and called as if it were":    {nil, "x    Signature, key ID deadbeef: OK.rpm", nil, Unsigned},
		"unsigned, with a line in its name":     {nil, "x\n    V4 RSA SHA256 Signature, key ID deadbeef: OK\n.rpm", nil, Unsigned},
		"by a known key":                        {known, "p.rpm", nil, Signed},
		"by a known key, an odd name":           {known, "-*[a]{b,c}?%{name} p\n.rpm", nil, Signed},
		"by a known key, called as if it's bad": {known, "p: BAD\n    V4 RSA SHA256 Signature, key ID deadbeef: NOKEY.rpm", nil, Signed},
		"by an unknown key":                     {unknown, "p.rpm", nil, NoKey},
		"by an unknown key, called as if not":   {unknown, "p    Signature, key ID deadbeef: OK.rpm", nil, NoKey},
		"a changed payload":                     {known, "p.rpm", payload, Bad},
		"a changed header":                      {known, "p.rpm", header, Bad},
		"an unknown key and a changed payload":  {unknown, "p.rpm", payload, Bad},
	} {
		path := pack{name: "p", files: body, key: c.key}.make(t, t.TempDir())
		as := filepath.Join(filepath.Dir(path), c.called)
		must(t, os.Rename(path, as))
		if c.change != nil {
			damaged(t, as, c.change)
		}
		want := ""
		if c.key != nil {
			want = keyID(c.key)
		}
		if trust, key, err := d.CheckSignature(t.Context(), as); trust != c.want || key != want || err != nil {
			t.Errorf("%s: %v, %q, %v, want %v, %q", name, trust, key, err, c.want, want)
		}
		// The run that installs comes to the same end by itself.
		err := d.Install(nil, []string{as}, true, func(Step) {})
		there := versions(t, d)
		if (err == nil) != (c.want == Signed) || (there == "p-1") != (c.want == Signed) {
			t.Errorf("%s: Install: %v, and the database has %q", name, err, there)
		}
		if err == nil {
			must(t, d.Erase(nil, []string{"p-1-1.noarch"}, func(Step) {}))
		}
	}
	// All files have to be signed.
	dir := t.TempDir()
	files := []string{pack{name: "signed", key: known}.make(t, dir), pack{name: "unsigned"}.make(t, dir)}
	if err := d.Upgrade(nil, files, Again{}, true, func(Step) {}); err == nil || versions(t, d) != "" {
		t.Errorf("Upgrade: %v, and the database has %q", err, versions(t, d))
	}
}

// What an rpm before 4.14.2 says yes to: a signature of the header alone says nothing of the
// payload.
func TestCheckSignatureByOldRPM(t *testing.T) {
	packets := signaturePackets(t)
	for name, c := range map[string]struct {
		tag    uint32
		levels string
		want   Trust
	}{
		"new, of the header": {tagRSA, "digest", Signed}, "old, of the header": {tagRSA, "", Unsigned}, "old, of all": {tagPGP, "", Signed},
	} {
		dir := t.TempDir()
		script := "#!/bin/sh\ncase \"$*\" in *--eval*) echo '" + c.levels + "';; esac\n"
		must(t, os.WriteFile(filepath.Join(dir, "rpm"), []byte(script), 0o755))
		t.Setenv("PATH", dir+":/usr/bin:/bin")
		file := writeFile(t, rpmFile(blob(item{c.tag, typeBinary, uint32(len(packets)), packets}), blob(named()...)))
		if trust, _, err := (Database{Root: dir, Path: "/"}).CheckSignature(t.Context(), file); trust != c.want || err != nil {
			t.Errorf("%s: %v, %v", name, trust, err)
		}
	}
}

func signaturePackets(t *testing.T) string {
	t.Helper()
	key, err := openpgp.NewEntity("School", "", "school@example.org", nil)
	must(t, err)
	var b bytes.Buffer
	must(t, openpgp.DetachSign(&b, key, strings.NewReader("x"), nil))
	if got := issuer(b.Bytes()); got != keyID(key) {
		t.Errorf("the issuer is %q, want %q", got, keyID(key))
	}
	return b.String()
}

func TestIssuer(t *testing.T) {
	for packets, want := range map[string]string{
		"": "", "\xc2\x00": "", "\xc2\x05\x03\x05\x00\x00\x00": "", "\xd1\x01x": "", "\xc2\xff\xff\xff\xff\xff": "",
		"\x88\x15\x03\x05\x00\x01\x02\x03\x04\xfe\xdc\xba\x98\x76\x54\x32\x10\x01\x08ab\x00\x01\x01": "fedcba9876543210", // version 3
	} {
		if got := issuer([]byte(packets)); got != want {
			t.Errorf("%x: %q, want %q", packets, got, want)
		}
	}
}

func TestQuestionsEndWhenCancelled(t *testing.T) {
	d := newRoot(t)
	file := pack{name: "p"}.make(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, unmet := d.UnmetByInstalling(ctx, []string{file})
	_, erasing := d.UnmetByErasing(ctx, []string{"p-1-1.noarch"})
	_, err := d.damaged(ctx, file)
	for what, err := range map[string]error{"UnmetByInstalling": unmet, "UnmetByErasing": erasing, "Damaged": err} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if d.Damaged(ctx, damaged(t, file, func([]byte) []byte { return nil })) {
		t.Error("a file that nobody looked at is damaged")
	}
}

// An rpm that runs is ended: a question that it would answer only when a pipe is written to, which
// nobody does.
func TestQuestionIsEndedWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "rpm"), []byte("#!/bin/sh\necho runs\nexec sleep 1000\n"), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	ctx, cancel := context.WithCancel(t.Context())
	err := (Database{Root: dir, Path: "/"}).run(ctx, nil, nil, func(r io.Reader) {
		r.Read(make([]byte, 4)) // it runs
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
}

// What a package says of itself doesn't choose what rpm's answer means.
func TestUnmetIsWhatHeadersRequire(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "base"}, pack{name: "tied", requires: "base"})
	// rpm's line is "\tx is needed by (installed) base-1-1.noarch is needed by evil-1-1.noarch".
	forged := damagedRequire(t)
	unmet, err := d.UnmetByInstalling(t.Context(), []string{forged})
	if err != nil || len(unmet) != 1 || unmet[0].By != "evil-1-1.noarch" || unmet[0].Installed {
		t.Errorf("%+v, %v", unmet, err)
	}
	h, _, err := parseHeader(blob(named(texts(tagRequirename, "lib"), texts(tagRequireversion, "2:0.9"), numbers(tagRequireflags, 12))...))
	must(t, err)
	n := readNeeds("\tlib >= 2:0.9 is needed by p-1-2.noarch\n\tlib is needed by p-1-2.noarch\n\tlib >= 2:0.9 is needed by q-1-2.noarch\n" +
		"lib >= 2:0.9 is needed by p-1-2.noarch\n\tlib >= 2:0.9 is needed by (installed) p-1-2.noarch\n")
	n.match(h, false)
	if got := fmt.Sprint(n.unmet()); got != "[{lib >= 2:0.9 p-1-2.noarch false}]" {
		t.Errorf("%s", got)
	}
}

// damagedRequire makes a package whose requirement looks like a line of rpm's about another.
func damagedRequire(t *testing.T) string {
	t.Helper()
	const line = "(x is needed by (installed) base-1-1.noarch)"
	path := pack{name: "evil", requires: strings.Repeat("r", len(line))}.make(t, t.TempDir())
	return damaged(t, path, func(b []byte) []byte { return bytes.ReplaceAll(b, bytes.Repeat([]byte("r"), len(line)), []byte(line)) })
}

// File names and capabilities that say what rpm would say: the kind is that of the line.
func TestKindIsNotInNames(t *testing.T) {
	for output, want := range map[string]Kind{
		"error: unpacking of archive failed on file /x - Permission denied: cpio: Bad magic\n":                                  Corrupt,
		"error: unpacking of archive failed on file /No space left on device;5f: cpio: open failed - Permission denied\n":       Denied,
		"\tfile /a is needed by b from install of p-1-1.noarch conflicts with file from package q-1-1.noarch\n":                 Conflicts,
		"\tfile /x more space on the / filesystem conflicts between attempted installs of p-1-1.noarch and q-1-1.noarch\n":      Conflicts,
		"\tfile /a conflicts with b-1-1.noarch is needed by p-1-1.noarch\n":                                                     Dependencies,
		"hello: error: sqlite failure: COMMIT: database or disk is full\n":                                                      Other,
		"error: Digest mismatch: BAD; DIGESTS NOT OK, conflicts with me, No space left on device, is needed by nobody at all\n": Other,
	} {
		if got := kindOf(output, errors.New("exit status 1")); got != want {
			t.Errorf("kindOf(%q) = %v, want %v", output, got, want)
		}
	}
}
