// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// long is the tier that takes its time.
var long = os.Getenv("PRESOLVE_LONG") == "1"

// school is made once, and only read.
var school *testbed.School

// What the school offers beside its usual programs: atlas, a few large packages; swarm, many small
// ones; slowpoke, whose library's %post waits for as long as there is a pipe in the root; moody,
// whose library can't be installed while there is a file "fail" in it.
var (
	atlas = []testbed.RPM{
		{Name: "atlas", Summary: "The world", Requires: []string{"atlas-maps", "atlas-photos"}, Files: noise("atlas", 2, 300<<10)},
		{Name: "atlas-maps", Summary: "The world's maps", Requires: []string{"libatlas"}, Files: noise("maps", 8, 200<<10)},
		{Name: "atlas-photos", Summary: "The world's photos", Files: noise("photos", 8, 200<<10)},
		{Name: "libatlas", Summary: "The world, folded", Files: noise("lib", 4, 200<<10)},
	}
	slowpoke = []testbed.RPM{
		{Name: "slowpoke", Summary: "Takes its time", Requires: []string{"libslow"}, Files: noise("slowpoke", 1, 1<<10)},
		{Name: "libslow", Summary: "Time", Files: noise("slow", 1, 1<<10),
			Post: `local f = io.open("/pipe") if f then f:read() f:close() end io.open("/ran", "w"):close()`},
	}
	moody = []testbed.RPM{
		{Name: "moody", Summary: "Has a temper", Requires: []string{"libmoody"}, Files: noise("moody", 1, 1<<10)},
		{Name: "libmoody", Summary: "Temper", Files: noise("libmoody", 1, 1<<10), Pre: `local f = io.open("/fail") if f then f:close() error("not today") end`},
	}
	swarm = func() []testbed.RPM {
		all := []testbed.RPM{{Name: "swarm", Summary: "Many", Files: noise("swarm", 1, 48<<10)}}
		for i := range 110 {
			name := fmt.Sprintf("swarm-%d", i)
			all = append(all, testbed.RPM{Name: name, Summary: "One of many", Files: noise(name, 1, 48<<10)})
			all[0].Requires = append(all[0].Requires, name)
		}
		return all
	}()
)

// noise is n files of so many bytes that can't be compressed.
func noise(of string, n, size int) map[string]string {
	files := make(map[string]string)
	for i := range n {
		body := make([]byte, size)
		rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, of, i))).Read(body)
		files[fmt.Sprintf("/usr/share/%s/%02d", of, i)] = string(body)
	}
	return files
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// Most of the time they wait, for a fault to pass.
	flag.Parse()
	flag.Set("test.parallel", "6")
	dir, err := os.MkdirTemp("", "presolve-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // for the user who may do nothing
	tools, err := testbed.Build(dir)
	if err == nil {
		school, err = testbed.NewSchool(dir, tools, slices.Concat(atlas, slowpoke, moody, swarm)...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	defer school.Close()
	return m.Run()
}

// sizeOf is the size of a program's RPMs.
func sizeOf(t *testing.T, program []testbed.RPM) (n int64) {
	t.Helper()
	for _, r := range program {
		fi, err := os.Stat(filepath.Join(school.Dir, "repository", r.Name+"-1.0-1.noarch.rpm"))
		if err != nil {
			t.Fatal(err)
		}
		n += fi.Size()
	}
	return n
}

// A front is a server before the school's own, which misbehaves while on.
type front struct {
	*httptest.Server
	on       atomic.Bool
	mu       sync.Mutex
	requests []string // of RPMs: "name bytes=5-"
}

// misbehaviour makes a bad server of a good one.
type misbehaviour func(good http.Handler) http.Handler

// newFront starts a server. nil is no misbehaviour.
func newFront(t *testing.T, bad misbehaviour) *front {
	t.Helper()
	target, err := url.Parse(school.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	good := httputil.NewSingleHostReverseProxy(target)
	good.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	f := new(front)
	f.on.Store(bad != nil)
	var misbehaving http.Handler
	if bad != nil {
		misbehaving = bad(good)
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isRPM(r) {
			f.mu.Lock()
			f.requests = append(f.requests, strings.TrimSpace(filepath.Base(r.URL.Path)+" "+r.Header.Get("Range")))
			f.mu.Unlock()
		}
		if f.on.Load() {
			misbehaving.ServeHTTP(w, r)
		} else {
			good.ServeHTTP(w, r)
		}
	}))
	f.Config.ErrorLog = nil
	f.Start()
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

// asked are the requests of RPMs from the n-th on.
func (f *front) asked(n int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests[n:])
}

func isRPM(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".rpm") }

type weather = testbed.Weather

// lay lays a link to a server.
func lay(t *testing.T, serverURL string, w weather) *testbed.Link {
	t.Helper()
	l, err := testbed.NewLink(serverURL, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// makeLaptop makes a laptop whose source has a URL. Layout sugar-network gets the platform's
// folder.
func makeLaptop(t *testing.T, url, layout, more string) *testbed.Laptop {
	t.Helper()
	if layout == "" {
		layout = "presolve"
	}
	if layout == "sugar-network" {
		url += "/packages/presolve/" + testbed.Platform
	}
	l, err := school.Laptop(url, layout, more)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start starts the helper of a laptop.
func start(t *testing.T, l *testbed.Laptop, env ...string) *laptoptest.Helper {
	t.Helper()
	return laptoptest.Start(t, school.Tools, l, env)
}

// installOf is the command that installs a program.
func installOf(name string) []string {
	return []string{"install-packages", "none", name + ";1.0-1;noarch;school"}
}

// whole tells whether a program is installed, byte for byte, and everybody knows.
func whole(t *testing.T, h *laptoptest.Helper, l *testbed.Laptop, program []testbed.RPM) {
	t.Helper()
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
	args := []string{"-V"}
	for _, r := range program {
		args = append(args, r.Name)
	}
	if out, err := testbed.RPMQuery(l.Root, args...); err != nil {
		t.Errorf("rpm -V: %v, %s", err, out)
	}
	top := program[0].Name
	if lines := h.OK("resolve", "installed", top); !strings.Contains(strings.Join(lines, "\n"), top+";1.0-1;noarch;installed:school\t") {
		t.Errorf("%s is not known to be this backend's: %q", top, lines)
	}
}

// mount mounts a file system for as long as the test runs.
func mount(t *testing.T, at string, args ...string) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", append(args, at)...).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, this needs root: %v, %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "--lazy", at).Run() })
}
