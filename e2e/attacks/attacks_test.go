// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// nobody is the user who attacks.
const nobody = 65534

// asNobody is the environment of a helper that works for nobody: packagekitd tells it so.
var asNobody = []string{"UID=" + strconv.Itoa(nobody)}

// patience is how long an answer may take before the test is given up. It measures nothing.
const patience = time.Minute

// Made once, and only read.
var (
	school *testbed.School
	key    laptoptest.Key // in the RPM keyring of laptops that trust it
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "attack" {
		os.Exit(attack(os.Args[2:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if missing := missing(); missing != "" {
		if os.Getenv("CI") != "" {
			fmt.Fprintf(os.Stderr, "e2e/attacks: %s\n", missing)
			return 1
		}
		fmt.Fprintf(os.Stderr, "\n*** e2e/attacks: NOTHING IS TESTED: %s ***\n\n", missing)
		return 0
	}
	dir, err := os.MkdirTemp("", "presolve-attacks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/attacks:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	err = os.Chmod(dir, 0o755) // what a laptop keeps to itself is not kept from others by the folder that the test is in
	var tools testbed.Tools
	if err == nil {
		tools, err = testbed.Build(dir)
	}
	if err == nil {
		school, err = testbed.NewSchool(dir, tools)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/attacks:", err)
		return 1
	}
	defer school.Close()
	defer exec.Command("gpgconf", "--homedir", filepath.Join(dir, "key/gnupg"), "--kill", "gpg-agent").Run()
	return m.Run()
}

// missing says what this computer lacks; empty: nothing.
func missing() string {
	if os.Getuid() != 0 {
		return "only root can become somebody else"
	}
	for _, program := range []string{"rpm", "rpmsign", "gpg", "createrepo_c"} {
		if _, err := exec.LookPath(program); err != nil {
			return err.Error() + ": run ./setup"
		}
	}
	return ""
}

// skip skips a test for what this computer lacks, but in CI.
func skip(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skipf("NOT TESTED: %s", what)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder makes a folder that everybody can look into.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(school.Dir, "attack")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	return dir
}

// home makes a folder of nobody's.
func home(t testing.TB) string {
	t.Helper()
	dir := folder(t)
	check(t, os.Chown(dir, nobody, nobody))
	return dir
}

func write(t testing.TB, path, content string, mode fs.FileMode) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), mode))
	check(t, os.Chmod(path, mode))
}

// newLaptop makes a laptop of the school; sourceURL empty: the school's own. more is added to its
// configuration.
func newLaptop(t testing.TB, sourceURL, more string) *testbed.Laptop {
	t.Helper()
	l, err := school.Laptop(sourceURL, "presolve", more)
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(l.Dir) })
	return l
}

// trusting makes a laptop whose RPM keyring has key.
func trusting(t testing.TB, sourceURL, more string) *testbed.Laptop {
	t.Helper()
	keyOnce.Do(func() { key = laptoptest.NewKey(keepAlive{t}, filepath.Join(school.Dir, "key")) })
	l := newLaptop(t, sourceURL, more)
	file := filepath.Join(l.Dir, "key.asc")
	key.Export(t, file)
	if out, err := testbed.RPMQuery(l.Root, "--import", file); err != nil {
		t.Fatal(err, out)
	}
	return l
}

var keyOnce sync.Once

// keepAlive is a test that doesn't end what was made for all of them.
type keepAlive struct{ testing.TB }

func (keepAlive) Cleanup(func()) {}

// start starts a laptop's helper.
func start(t testing.TB, l *testbed.Laptop, env ...string) *laptoptest.Helper {
	t.Helper()
	return laptoptest.Start(t, school.Tools, l, env, "--stay") // as the backend stub does
}

// warm has a helper read all that its commands bring along by themselves: nothing of that is an
// attack's.
func warm(t testing.TB, h *laptoptest.Helper) {
	t.Helper()
	h.OK("refresh-cache", "no")
	h.OK("get-packages", "none")
	h.OK("what-provides", "none", "the-index-is-kept")
	for _, id := range []string{"hello;1.0-1;noarch;school", "paint;3.1-1;x86_64;school", "rival;1.0-1;noarch;school", "stubborn;1.0-1;noarch;school"} {
		// A laptop that demands signatures says at once that these have none, once it has read their trees.
		if failed := laptoptest.ErrorOf(ask(t, h, "install-packages", "simulate", id)); failed != "" && !strings.HasPrefix(failed, "missing-gpg-signature\t") {
			t.Fatalf("%s: %s", id, failed)
		}
	}
}

// ask carries out a command, and ends the helper where it doesn't answer.
func ask(t testing.TB, h *laptoptest.Helper, words ...string) []string {
	t.Helper()
	giveUp := time.AfterFunc(patience, func() { h.Process.Kill() })
	lines, err := h.Do(words...)
	if !giveUp.Stop() {
		t.Fatalf("%.80q: no answer in %v", words, patience)
	}
	if err != nil {
		t.Fatalf("%.80q: %v", words, err)
	}
	return lines
}

// refused checks that a reply has one of the errors, and none of the words that only a command that
// was carried out has.
func refused(t testing.TB, lines []string, codes ...string) {
	t.Helper()
	code, text, _ := strings.Cut(laptoptest.ErrorOf(lines), "\t")
	if !slices.Contains(codes, code) {
		t.Errorf("answered %q (%.300q), want one of %q", code, text, codes)
	}
	for _, l := range lines {
		if word, _, _ := strings.Cut(l, "\t"); word == "details" || word == "files" {
			t.Errorf("answered %.200q all the same", l)
		}
	}
}

// peak is the most memory that a process had so far, in MiB.
func peak(t testing.TB, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	_, after, _ := strings.Cut(string(data), "VmHWM:")
	var kib int
	if _, err := fmt.Sscanf(after, "%d kB", &kib); err != nil {
		t.Fatalf("/proc/%d/status has no VmHWM: %q", pid, data)
	}
	return kib >> 10
}

// small checks that a process never had more than so many MiB.
func small(t testing.TB, pid, mib int) {
	t.Helper()
	if has := peak(t, pid); has > mib {
		t.Errorf("the helper had %d MiB, more than %d", has, mib)
	} else {
		t.Logf("the helper had %d MiB", has)
	}
}

// recordSize is how much a laptop's record has on the disk, in MiB.
func recordSize(t testing.TB, l *testbed.Laptop) int {
	t.Helper()
	paths, err := filepath.Glob(laptoptest.Record(l) + "*")
	check(t, err)
	all := int64(0)
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			all += info.Size()
		}
	}
	return int(all >> 20)
}

// A state is all that must stay as it was, by name.
type state map[string]string

// stateOf is a laptop's state: its installed packages, its record, its cache, and other files and
// folders.
func stateOf(t testing.TB, l *testbed.Laptop, others ...string) state {
	t.Helper()
	s := state{"rpm -qa": strings.Join(laptoptest.Installed(t, l), "\n")}
	s.addRecord(t, laptoptest.Record(l))
	for _, path := range append(others, filepath.Join(l.Cache)) {
		s.addFiles(t, path)
	}
	return s
}

// addRecord adds the tables of a record, but for those that say when and what was asked and not
// what came of it.
func (s state) addRecord(t testing.TB, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)")
	check(t, err)
	defer db.Close()
	rows, err := db.Query("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite_%'")
	check(t, err)
	var tables []string
	for rows.Next() {
		var name string
		check(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	check(t, rows.Err())
	for _, table := range tables {
		if slices.Contains([]string{"meta", "remote", "journal"}, table) {
			continue
		}
		rows, err := db.Query(`SELECT * FROM "` + table + `"`)
		check(t, err)
		columns, err := rows.Columns()
		check(t, err)
		var all []string
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			check(t, rows.Scan(values...))
			sum := sha256.New()
			for _, v := range values {
				fmt.Fprintf(sum, "%v\x00", *v.(*any))
			}
			all = append(all, fmt.Sprintf("%x", sum.Sum(nil)[:8]))
		}
		check(t, rows.Err())
		slices.Sort(all)
		s["record: "+table] = fmt.Sprintf("%d rows %x", len(all), sha256.Sum256([]byte(strings.Join(all, " "))))
	}
}

// addFiles adds what is at a path and below it: owner, mode and content. Files that only locks are
// made of are left out.
func (s state) addFiles(t testing.TB, path string) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() && filepath.Base(path) == "rpms" || strings.HasSuffix(path, "/cache") {
			return nil // folders that are made when they are needed
		}
		stat := info.Sys().(*syscall.Stat_t)
		is := fmt.Sprintf("%v %d:%d", info.Mode(), stat.Uid, stat.Gid)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			is += fmt.Sprintf(" %x", sha256.Sum256(data))
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			is += " -> " + to
		}
		s["file: "+path] = is
		return nil
	})
	check(t, err)
}

// below are folders and all that is in them.
func below(t testing.TB, dirs ...string) (paths []string) {
	t.Helper()
	for _, dir := range dirs {
		check(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			paths = append(paths, path)
			return err
		}))
	}
	return paths
}

// same checks that nothing has changed, but for what may: beginnings of names.
func (s state) same(t testing.TB, now state, may ...string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(s))
	for name := range now {
		if _, ok := s[name]; !ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if s[name] != now[name] && !slices.ContainsFunc(may, func(m string) bool { return strings.HasPrefix(name, m) }) {
			t.Errorf("%s was\n%s\nand is\n%s", name, s[name], now[name])
		}
	}
}

// A gate is the school's server behind something that holds back the answers to some requests.
type gate struct {
	URL   string
	Asked chan string // paths that are being held back
	open  chan struct{}
	once  sync.Once
}

// newGate makes a gate to a server that holds back what is asked for by paths that end so, until
// it's opened.
func newGate(t testing.TB, server, ending string) *gate {
	t.Helper()
	target, err := url.Parse(server)
	check(t, err)
	g := &gate{Asked: make(chan string, 100), open: make(chan struct{})}
	upstream := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ending) {
			g.Asked <- r.URL.Path
			select {
			case <-g.open:
			case <-r.Context().Done():
				return
			}
		}
		upstream.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(g.Open)
	g.URL = s.URL
	return g
}

// Open lets all answers through.
func (g *gate) Open() { g.once.Do(func() { close(g.open) }) }

// wait waits until an answer is held back.
func (g *gate) wait(t testing.TB) {
	t.Helper()
	select {
	case <-g.Asked:
	case <-time.After(patience):
		t.Fatal("the server isn't asked")
	}
}

// reply waits for the end of a reply that was begun.
func reply(t testing.TB, h *laptoptest.Helper) []string {
	t.Helper()
	giveUp := time.AfterFunc(patience, func() { h.Process.Kill() })
	lines, err := h.Reply(nil)
	if !giveUp.Stop() {
		t.Fatalf("no answer in %v, after %q", patience, lines)
	}
	check(t, err)
	return lines
}

// ends checks that a helper ends by itself.
func ends(t testing.TB, h *laptoptest.Helper) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		h.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		h.Process.Kill()
		<-ended
		t.Errorf("the helper hasn't ended in %v", patience)
	}
}

// watch watches files and folders for events of inotify, such as unix.IN_OPEN.
type watch struct{ file *os.File }

func newWatch(t testing.TB, mask uint32, paths ...string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	check(t, err)
	w := &watch{os.NewFile(uintptr(fd), "inotify")}
	t.Cleanup(func() { w.file.Close() })
	for _, p := range paths {
		_, err := unix.InotifyAddWatch(fd, p, mask)
		check(t, err)
	}
	return w
}

// wait waits for an event.
func (w *watch) wait(t testing.TB) {
	t.Helper()
	w.file.SetReadDeadline(time.Now().Add(patience))
	if _, err := w.file.Read(make([]byte, 4096)); err != nil {
		t.Fatal("waiting for an event:", err)
	}
}

// came tells whether there was one.
func (w *watch) came() bool {
	w.file.SetReadDeadline(time.Time{})
	n := 0
	if conn, err := w.file.SyscallConn(); err == nil {
		conn.Read(func(fd uintptr) bool {
			n, _ = unix.Read(int(fd), make([]byte, 4096))
			return true
		})
	}
	return n > 0
}

// asUser runs this program's attack as nobody, and gives what it prints.
func asUser(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{"attack"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("attack %q: %v: %s", args, err, &stderr)
	}
	return string(out)
}

// attack is what runs as nobody. It prints what it could do.
func attack(args []string) int {
	if os.Getuid() != nobody {
		fmt.Fprintln(os.Stderr, "this is not nobody")
		return 1
	}
	switch command, paths := args[0], args[1:]; command {
	case "open": // for reading and for writing, and with locks
		for _, path := range paths {
			for flag, how := range map[int]string{os.O_RDONLY: "reading", os.O_WRONLY: "writing"} {
				f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK, 0)
				if err != nil {
					continue
				}
				fmt.Println("opened for", how, path)
				if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
					fmt.Println("flock", path)
				}
				if flag == os.O_RDONLY {
					if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}); err == nil {
						fmt.Println("read lock", path)
					}
				}
				f.Close()
			}
		}
	case "read":
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			os.Stdout.Write(data)
		}
	case "dbus":
		if err := callPackageKit(paths[0], paths[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	default:
		fmt.Fprintln(os.Stderr, "no such attack")
		return 1
	}
	return 0
}
