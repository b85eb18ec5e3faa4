// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A user can't lock what commands wait for: nothing of it can be opened, in an installation from
// before that was so either.
func TestLocksByAnybody(t *testing.T) {
	t.Parallel()
	g := newGate(t, school.Server.URL, ".rpm")
	l := newLaptop(t, g.URL, "")
	h := start(t, l)
	warm(t, h)
	check(t, h.Stop())
	for _, path := range below(t, l.State, l.Cache) { // as earlier versions left them
		info, err := os.Stat(path)
		check(t, err)
		check(t, os.Chmod(path, map[bool]os.FileMode{true: 0o755, false: 0o644}[info.IsDir()]))
	}
	write(t, filepath.Join(l.Cache, "rpms", "0123456789abcdef-old-1.0-1.noarch.rpm.part"), "what came", 0o644)
	if could := asUser(t, append([]string{"open"}, below(t, l.State, l.Cache)...)...); !strings.Contains(could, "flock "+l.State) {
		t.Fatalf("nobody could do nothing with an old installation: %q", could)
	}

	h = start(t, l)
	h.OK("get-packages", "none")
	check(t, h.Send("install-packages", "none", helloID))
	g.wait(t) // now all is open and locked that ever is
	if could := asUser(t, append([]string{"open"}, below(t, l.State, l.Cache)...)...); could != "" {
		t.Errorf("nobody could\n%s", could)
	}
	g.Open()
	if lines := reply(t, h); laptoptest.ErrorOf(lines) != "" {
		t.Errorf("installing: %q", lines)
	}
	check(t, h.Stop())
	paths := below(t, l.State, l.Cache)
	if could := asUser(t, append([]string{"open"}, paths...)...); could != "" {
		t.Errorf("afterwards nobody could\n%s", could)
	}
	fresh := newLaptop(t, "", "")
	h = start(t, fresh)
	h.OK("install-packages", "only-download", helloID)
	for _, path := range append(below(t, fresh.State, fresh.Cache), l.State, l.Cache) {
		info, err := os.Lstat(path)
		check(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
	}
}

// Whoever has a lock, a command that waits for it ends when it's told to.
func TestLockedCommandIsCancelled(t *testing.T) {
	flock := func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			f, err = os.Open(path)
		}
		check(t, err)
		t.Cleanup(func() { f.Close() })
		check(t, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	}
	for name, test := range map[string]struct {
		lock    func(t *testing.T, l *testbed.Laptop) (opened string) // what is opened by who waits for it
		atStart bool                                                  // it is in the way of the helper's start
		command []string
	}{
		"the state folder": {func(t *testing.T, l *testbed.Laptop) string {
			flock(t, l.State)
			return l.State
		}, true, []string{"get-packages", "none"}},
		"the lock": {func(t *testing.T, l *testbed.Laptop) string {
			path := filepath.Join(l.State, "lock")
			flock(t, path)
			return path
		}, false, []string{"install-packages", "none", helloID}},
		"a partial RPM": {func(t *testing.T, l *testbed.Laptop) string {
			paths, err := filepath.Glob(filepath.Join(l.Cache, "rpms", "*.rpm"))
			if err != nil || len(paths) == 0 {
				t.Fatal(paths, err)
			}
			for _, path := range paths {
				check(t, os.Rename(path, path+".part"))
				check(t, os.Truncate(path+".part", 100))
				flock(t, path+".part")
			}
			return paths[0] + ".part"
		}, false, []string{"install-packages", "none", helloID}},
		"the record": {func(t *testing.T, l *testbed.Laptop) string {
			f, err := os.OpenFile(laptoptest.Record(l)+"-shm", os.O_RDWR, 0)
			check(t, err)
			t.Cleanup(func() { f.Close() })
			check(t, unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}))
			return f.Name()
		}, false, []string{"install-packages", "none", helloID}},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
			t.Run(name+" "+signal.String(), func(t *testing.T) {
				t.Parallel()
				l := newLaptop(t, "", "")
				other := start(t, l)
				warm(t, other)
				other.OK("install-packages", "only-download", helloID)
				if name != "the record" { // its files are there as long as it's open
					check(t, other.Stop())
				}
				h := other
				if !test.atStart {
					h = start(t, l)
					h.OK("resolve", "none", "hello")
				}
				opened := newWatch(t, unix.IN_OPEN|unix.IN_ACCESS|unix.IN_MODIFY, test.lock(t, l))
				if test.atStart {
					h = start(t, l)
				}
				check(t, h.Send(test.command...))
				if name == "the record" { // it's open already, and a lock of bytes is no event
					first := make(chan error, 1)
					go func() {
						_, err := h.Line()
						first <- err
					}()
					check(t, <-first)
				} else {
					opened.wait(t)
				}
				check(t, h.Process.Signal(signal))
				check(t, h.CloseStdin())
				ends(t, h)
			})
		}
	}
}

// Who downloads into a folder gets there what they could have put there themselves, and nothing
// else is written.
func TestDownloadIntoALink(t *testing.T) {
	const file = "hello-1.0-1.noarch.rpm"
	// The folder to download to is dir/to; vault is root's.
	for name, attack := range map[string]struct {
		before, while func(t *testing.T, dir, vault string)
		fails         bool // rather than that the user gets the file
	}{
		"a link in place of the file": {before: func(t *testing.T, dir, vault string) {
			check(t, os.Symlink(filepath.Join(vault, "precious"), filepath.Join(dir, "to", file)))
		}},
		"a link in place of the partial file": {before: func(t *testing.T, dir, vault string) {
			check(t, os.Symlink(filepath.Join(vault, "precious"), filepath.Join(dir, "to", file+".part")))
		}},
		"a link to a file that isn't there": {before: func(t *testing.T, dir, vault string) {
			check(t, os.Symlink(filepath.Join(vault, "new"), filepath.Join(dir, "to", file)))
		}},
		"a link in place of the folder": {fails: true, before: func(t *testing.T, dir, vault string) {
			check(t, os.Remove(filepath.Join(dir, "to")))
			check(t, os.Symlink(vault, filepath.Join(dir, "to")))
		}},
		"a folder of root's": {fails: true, before: func(t *testing.T, dir, vault string) {
			check(t, os.Chown(filepath.Join(dir, "to"), 0, 0))
		}},
		"the file becomes a link": {while: func(t *testing.T, dir, vault string) {
			os.Remove(filepath.Join(dir, "to", file))
			check(t, os.Symlink(filepath.Join(vault, "precious"), filepath.Join(dir, "to", file)))
		}},
		"the partial file becomes a link": {while: func(t *testing.T, dir, vault string) {
			os.Remove(filepath.Join(dir, "to", file+".part"))
			check(t, os.Symlink(filepath.Join(vault, "precious"), filepath.Join(dir, "to", file+".part")))
		}},
		"the folder becomes a link": {while: func(t *testing.T, dir, vault string) {
			check(t, os.Rename(filepath.Join(dir, "to"), filepath.Join(dir, "old")))
			check(t, os.Symlink(vault, filepath.Join(dir, "to")))
		}},
		"the folder becomes root's": {while: func(t *testing.T, dir, vault string) {
			check(t, os.Rename(filepath.Join(dir, "to"), filepath.Join(dir, "old")))
			check(t, os.Rename(vault, filepath.Join(dir, "to"))) // as a mount would
		}},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, school.Server.URL, ".rpm")
			l := newLaptop(t, g.URL, "[transport]\nretry_for = \"1s\"\n")
			h := start(t, l, asNobody...)
			warm(t, h)
			dir, vault := home(t), filepath.Join(folder(t), "vault")
			check(t, os.Mkdir(filepath.Join(dir, "to"), 0o700))
			check(t, os.Chown(filepath.Join(dir, "to"), nobody, nobody))
			write(t, filepath.Join(vault, "precious"), "precious\n", 0o644)
			write(t, filepath.Join(vault, file), "an older one of root's\n", 0o644)
			if attack.before != nil {
				attack.before(t, dir, vault)
			}
			old := state{}
			old.addFiles(t, vault)
			system := stateOf(t, l)
			check(t, h.Send("download-packages", filepath.Join(dir, "to"), helloID))
			if !attack.fails {
				g.wait(t)
			}
			if attack.while != nil {
				attack.while(t, dir, vault)
			}
			g.Open()
			lines := reply(t, h)
			now := state{}
			if _, err := os.Stat(vault); err != nil { // it was moved there
				check(t, os.Rename(filepath.Join(dir, "to"), vault))
			}
			now.addFiles(t, vault)
			old.same(t, now)
			system.same(t, stateOf(t, l), "file: "+l.Cache)
			if attack.fails {
				if laptoptest.ErrorOf(lines) == "" {
					t.Errorf("answered %q", lines)
				}
				if _, err := os.Lstat(filepath.Join(dir, "to", file)); err == nil && name == "a folder of root's" {
					t.Error("the file is there")
				}
				return
			}
			if attack.before == nil && attack.while == nil {
				got := asUser(t, "read", filepath.Join(dir, "to", file))
				want, err := os.ReadFile(filepath.Join(school.Dir, "repository", file))
				check(t, err)
				if got != string(want) || laptoptest.ErrorOf(lines) != "" {
					t.Errorf("%q: nobody has %d bytes and wanted %d", lines, len(got), len(want))
				}
				info, err := os.Stat(filepath.Join(dir, "to", file))
				check(t, err)
				if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
					t.Errorf("the file is %d's", owner)
				}
			}
		})
	}
}

// A query of any length is answered, or refused in so many words; never is it a fault of the
// program, and never long.
func TestManyWords(t *testing.T) {
	l := newLaptop(t, "", "")
	h := start(t, l, asNobody...)
	warm(t, h)
	before := stateOf(t, l)
	for _, n := range []int{1001, 100_000} {
		words := make([]string, n)
		ids := make([]string, n)
		for i := range words {
			words[i] = fmt.Sprintf("word%d", i)
			ids[i] = fmt.Sprintf("word%d;1.0-1;noarch;school", i)
		}
		for _, command := range []string{
			"search-name", "search-details", "search-file", "search-group", "what-provides", "resolve", "get-details", "get-files", "get-update-detail",
			"depends-on", "required-by", "get-details-local", "download-packages", "install-packages", "update-packages",
		} {
			t.Run(fmt.Sprintf("%d %s", n, command), func(t *testing.T) {
				all, allIDs := strings.Join(words, "&"), strings.Join(ids, "&")
				request := map[string][]string{
					"get-details": {allIDs}, "get-files": {allIDs}, "get-update-detail": {allIDs}, "depends-on": {"none", allIDs, "yes"},
					"required-by": {"none", allIDs, "yes"}, "get-details-local": {"/" + strings.ReplaceAll(all, "&", "&/")},
					"download-packages": {"/tmp", allIDs}, "install-packages": {"simulate", allIDs}, "update-packages": {"simulate", allIDs},
				}[command]
				if request == nil {
					request = []string{"none", all}
				}
				lines := ask(t, h, append([]string{command}, request...)...)
				code, text, _ := strings.Cut(laptoptest.ErrorOf(lines), "\t")
				longest := len(strings.Join(request, "\t")) > 1<<20 // no line of the protocol is that long: it's refused before it is understood
				if code == "internal-error" && !longest || strings.Contains(text, "Expression tree") || strings.Contains(text, "SQL") {
					t.Errorf("answered %q (%.300q)", code, text)
				}
				if strings.HasPrefix(command, "search-") && n == 100_000 && code == "" {
					t.Error("100,000 words are answered without an error")
				}
				if len(text) > 64<<10 {
					t.Errorf("an error of %d bytes", len(text))
				}
			})
		}
	}
	small(t, h.Process.Pid, 150)
	before.same(t, stateOf(t, l))
	h.OK("search-name", "none", "hello")
}

// A key's file has that key given to RPM, and nothing else that is in it: a subkey of somebody
// else's would sign as the key does.
func TestForeignSubkey(t *testing.T) {
	t.Parallel()
	l := trusting(t, "", "") // so that key is there
	theirs, foreign := laptoptest.NewKey(t, t.TempDir()), laptoptest.NewKey(t, t.TempDir())
	binaryOf := func(k laptoptest.Key) []byte { return []byte(k.Run(t, "gpg", "--export", k.Fingerprint)) }
	body := firstPacket(t, binaryOf(foreign))
	subkey := append(binary.BigEndian.AppendUint16([]byte{0x80 | 14<<2 | 1}, uint16(len(body))), body...) // tag 14: a public subkey
	poisoned := slices.Concat(binaryOf(theirs), subkey, signaturePacket(t, binaryOf(foreign)))
	file := filepath.Join(l.Root, "etc/pki/rpm-gpg/RPM-GPG-KEY-theirs")
	armour := func(data []byte) {
		var b strings.Builder
		for part := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(data)), 64) {
			fmt.Fprintf(&b, "%s\n", part)
		}
		write(t, file, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"+b.String()+"-----END PGP PUBLIC KEY BLOCK-----\n", 0o644)
	}

	song := filepath.Join(home(t), "song.rpm")
	check(t, testbed.RPM{Name: "song", Summary: "A song", Pre: evil.Pre}.WriteFile(song))
	foreign.Sign(t, song)
	config, err := os.ReadFile(l.Config)
	check(t, err)
	keys := filepath.Join(l.Dir, "keys") // what was agreed to is kept there
	write(t, l.Config, strings.Replace(string(config), "\n[mounts]", "\n[trust]\nkeyring = \""+keys+"\"\n\n[mounts]", 1), 0o644)
	check(t, os.Mkdir(keys, 0o755))
	h := start(t, l)
	warm(t, h)
	armour(poisoned)
	lines := ask(t, h, "install-signature", "gpg", theirs.Fingerprint, "song;1.0-1;noarch;school")
	t.Logf("install-signature: %q", lines)
	described, err := testbed.RPMQuery(l.Root, "-q", "gpg-pubkey", "--qf", "%{description}\n")
	check(t, err)
	kept := []string{described}
	for _, path := range below(t, keys) {
		if data, err := os.ReadFile(path); err == nil {
			kept = append(kept, string(data))
		}
	}
	for block := range strings.SplitSeq(strings.Join(kept, "\n"), "-----BEGIN") {
		if strings.Contains(unarmour(block), string(body[len(body)/2:])) {
			t.Error("RPM is given the foreign key")
		}
	}
	before := stateOf(t, l)
	if lines := ask(t, h, "install-files", "only-trusted", song); laptoptest.ErrorOf(lines) == "" {
		t.Errorf("what the foreign key signed is installed: %q", lines)
	}
	before.same(t, stateOf(t, l))
	armour(binaryOf(theirs)) // or it's all about how the file is written
	h.OK("install-signature", "gpg", theirs.Fingerprint, "song;1.0-1;noarch;school")
	theirs.Sign(t, song)
	h.OK("install-files", "only-trusted", song)
}

// packets calls each with the packets of an OpenPGP file as gpg writes it: with old headers (RFC
// 4880, 4.2.1).
func packets(t testing.TB, data []byte, each func(tag byte, whole, body []byte)) {
	t.Helper()
	for len(data) > 0 {
		if data[0]&0xc0 != 0x80 || data[0]&3 > 1 {
			t.Fatalf("a packet begins with %#x", data[0])
		}
		size, at := int(data[1]), 2
		if data[0]&3 == 1 {
			size, at = int(binary.BigEndian.Uint16(data[1:])), 3
		}
		each(data[0]>>2&0xf, data[:at+size], data[at:at+size])
		data = data[at+size:]
	}
}

// firstPacket is the body of a key's first packet: the key itself.
func firstPacket(t testing.TB, data []byte) (first []byte) {
	packets(t, data, func(_ byte, _, body []byte) {
		if first == nil {
			first = body
		}
	})
	return first
}

// signaturePacket is a key's first signature: not one that binds a subkey.
func signaturePacket(t testing.TB, data []byte) (signature []byte) {
	packets(t, data, func(tag byte, whole, _ []byte) {
		if tag == 2 && signature == nil {
			signature = whole
		}
	})
	return signature
}

// unarmour gives the bytes of an ASCII-armoured text, as far as they are base64.
func unarmour(text string) string {
	var data strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if b, err := base64.StdEncoding.DecodeString(line); err == nil && len(line) > 20 {
			data.Write(b)
		}
	}
	return data.String()
}
