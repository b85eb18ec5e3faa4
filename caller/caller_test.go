// SPDX-License-Identifier: GPL-2.0-or-later

package caller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needRoot skips what only root can try.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("acting as another user needs root")
		}
		t.Skip("NOT TESTED: acting as another user needs root")
	}
}

// openToAll makes a folder with a mode, which everybody can reach.
func openToAll(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "presolve-caller-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhoItIs(t *testing.T) {
	needRoot(t)
	for uid, want := range map[string]int{"": 0, "0": 0, "1000": 1000, "65534": 65534, "4294967295": nobody, "-1": nobody, "root": nobody, "99999999999": nobody} {
		if u := New(uid); u.id != want || u.Switches() != (want != 0) {
			t.Errorf("UID=%q is %d, switches: %v, want %d", uid, u.id, u.Switches(), want)
		}
	}
}

// What runs as the user has the user's ids, in all that files are about, and no capability; the
// rest of the process keeps its own.
func TestDoIsTheUsers(t *testing.T) {
	needRoot(t)
	self := func(func()) (string, error) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", syscall.Gettid()))
		return string(b), err
	}
	fields := func(status string) map[string]string {
		all := make(map[string]string)
		for l := range strings.Lines(status) {
			name, value, _ := strings.Cut(l, ":")
			all[name] = strings.Join(strings.Fields(value), " ")
		}
		return all
	}
	before, err := Do(t.Context(), New(""), self)
	if err != nil {
		t.Fatal(err)
	}
	status, err := Do(t.Context(), New("54321"), self) // nobody knows that one
	if err != nil {
		t.Fatal(err)
	}
	is := fields(status)
	if is["Uid"] != "0 0 0 54321" || is["Gid"] != "0 0 0 65534" || is["Groups"] != "" || strings.Trim(is["CapEff"], "0") != "" || strings.Trim(is["CapPrm"], "0") != "" {
		t.Errorf("uid %q, gid %q, groups %q, capabilities %q and %q", is["Uid"], is["Gid"], is["Groups"], is["CapEff"], is["CapPrm"])
	}
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	was := fields(before)
	for range 100 { // goroutines of others never run on a thread that is another's
		after, err := Do(t.Context(), New(""), self)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Uid", "Gid", "Groups", "CapEff"} {
			if got := fields(after)[name]; got != was[name] {
				t.Fatalf("afterwards %s is %q of %d threads, and was %q", name, got, len(tasks), was[name])
			}
		}
	}
}

func TestOpenFile(t *testing.T) {
	needRoot(t)
	dir, private := openToAll(t, 0o777), openToAll(t, 0o700)
	plain := write(t, filepath.Join(dir, "plain"), "12345", 0o644)
	secret := write(t, filepath.Join(dir, "secret"), "root's", 0o600)
	hidden := write(t, filepath.Join(private, "hidden"), "root's", 0o644)
	link, fifo, socket := filepath.Join(dir, "link"), filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	through := filepath.Join(dir, "through")
	for _, err := range []error{os.Symlink(secret, link), syscall.Mkfifo(fifo, 0o666), os.Symlink(private, through), mksocket(socket)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		uid, path string
		want      error
	}{
		{"65534", plain, nil},
		{"65534", secret, fs.ErrPermission},
		{"65534", hidden, fs.ErrPermission},
		{"65534", filepath.Join(through, "hidden"), fs.ErrPermission},
		{"65534", link, ErrLink},
		{"65534", fifo, ErrNotRegular},
		{"65534", socket, ErrNotRegular},
		{"65534", dir, ErrNotRegular},
		{"65534", filepath.Join(dir, "nothing"), fs.ErrNotExist},
		{"4294967295", secret, fs.ErrPermission},
		{"0", secret, nil},
		{"", secret, nil},
		{"", link, ErrLink},
		{"", fifo, ErrNotRegular},
		{"", "/dev/null", ErrNotRegular},
	} {
		f, size, err := New(test.uid).OpenFile(t.Context(), test.path)
		if !errors.Is(err, test.want) || err == nil && size == 0 {
			t.Errorf("UID=%q %s: %d bytes, %v, want %v", test.uid, test.path, size, err, test.want)
		}
		if err == nil {
			f.Close()
		}
	}
}

func mksocket(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o666, 0) }

// What never answers is given up: when the command is cancelled, and when it gives no sign of life.
// A process bears only so many.
func TestWhatHangs(t *testing.T) {
	u := New("")
	release := make(chan struct{})
	hang := func(begun chan<- struct{}) func(func()) (int, error) {
		return func(func()) (int, error) {
			close(begun)
			<-release
			return 0, nil
		}
	}
	for range maxHanging - 1 {
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{})
		go func() { <-begun; cancel() }()
		if _, err := Do(ctx, u, hang(begun)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that it was cancelled", err)
		}
	}
	u.patience = time.Millisecond
	if _, err := Do(t.Context(), u, hang(make(chan struct{}))); !errors.Is(err, ErrHangs) {
		t.Errorf("%v, want %v", err, ErrHangs)
	}
	if _, err := Do(t.Context(), u, func(func()) (int, error) { return 1, nil }); !errors.Is(err, ErrHangs) {
		t.Errorf("one too many: %v", err)
	}
	close(release)
	for range maxHanging { // there is room for all when all of them have ended
		u.running <- struct{}{}
	}
}

// A file that becomes longer or shorter than it was is an error.
func TestCopyIsBounded(t *testing.T) {
	for size, want := range map[int64]string{5: "", 4: "has more now", 6: "and now 5", 0: "has more now"} {
		var to strings.Builder
		err := Copy(t.Context(), &to, strings.NewReader("12345"), size, func() {})
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) || int64(to.Len()) > size {
			t.Errorf("%d: %q, %v, want %q", size, to.String(), err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Copy(ctx, io.Discard, endless{}, 1<<40, cancel)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// A folder is the one that was opened, whatever its path means later; what stands in the way there
// is replaced, not followed.
func TestFolder(t *testing.T) {
	needRoot(t)
	dir, elsewhere := openToAll(t, 0o777), openToAll(t, 0o755)
	victim := write(t, filepath.Join(elsewhere, "victim"), "root's", 0o644)
	source := write(t, filepath.Join(openToAll(t, 0o700), "rpm"), "new", 0o600)
	u := New("65534")
	put := func(f *Folder, name string) error {
		from, err := os.Open(source)
		if err != nil {
			t.Fatal(err)
		}
		return f.Put(t.Context(), name, from, 3)
	}
	path := filepath.Join(dir, "made", "deep")
	f, err := u.OpenFolder(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Symlink(victim, filepath.Join(path, "victim")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	if err := put(f, "victim"); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "root's" {
		t.Errorf("root's file has become %q", b)
	}
	info, err := os.Lstat(filepath.Join(path+".away", "victim"))
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o644 || info.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if left, _ := filepath.Glob(path + ".away/.presolve*"); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if free, disk, err := f.Free(t.Context()); err != nil || free <= 0 || disk == 0 {
		t.Errorf("%d free on %d, %v", free, disk, err)
	}
	if _, err := u.OpenFolder(t.Context(), path); !errors.Is(err, ErrLink) {
		t.Errorf("a link: %v", err)
	}
	roots, err := u.OpenFolder(t.Context(), elsewhere) // which everybody may read
	if err != nil {
		t.Fatal(err)
	}
	defer roots.Close()
	if err := put(roots, "victim"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a folder of root's: %v", err)
	}
	for _, name := range []string{"", "a/b", "../x"} {
		if err := put(f, name); err == nil {
			t.Errorf("a file %q is put somewhere", name)
		}
	}
}

// Only a folder that is root's all the way is written to as root.
func TestOwnFolder(t *testing.T) {
	needRoot(t)
	top, err := os.MkdirTemp("/var/cache", "presolve-caller-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	for _, err := range []error{os.Chmod(top, 0o755), os.MkdirAll(top+"/good/deep", 0o755), os.MkdirAll(top+"/open/deep", 0o755), os.Chmod(top+"/open", 0o1777),
		os.MkdirAll(top+"/theirs/deep", 0o755), os.Chown(top+"/theirs", 65534, 65534), os.Symlink(top+"/good", top+"/link")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	u := New("65534")
	for path, ok := range map[string]bool{"good": true, "good/deep": true, "open": false, "open/deep": false, "theirs": false, "theirs/deep": false,
		"link": false, "link/deep": false, "good/nothing": false} {
		f, err := u.OpenOwnFolder(filepath.Join(top, path))
		if (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
		if err != nil {
			continue
		}
		from, err := os.Open(write(t, filepath.Join(t.TempDir(), "rpm"), "new", 0o600))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Put(t.Context(), "rpm", from, 3); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if info, err := os.Stat(filepath.Join(top, path, "rpm")); err != nil || info.Mode().Perm() != 0o644 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		f.Close()
	}
}
