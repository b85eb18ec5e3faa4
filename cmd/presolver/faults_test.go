// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// long tells whether the faults take their real times and builds are killed at fifty points.
var long = os.Getenv("PRESOLVE_LONG") != ""

// A distribution is a repository of RPMs that don't compress.
type distribution struct {
	dir  string
	size int64 // of all that a build or a mirror downloads of it, headers and all
	// built: it is what was built of one.
	built bool
}

// Each kind of night meets the same distribution, and what was built of it: to pack it takes long.
func TestNights(t *testing.T) {
	d := newDistribution(t)
	m := d.mirrors(t)
	for _, of := range []struct {
		what   string
		d      *distribution
		points int // at which it is killed
	}{{"build", d, 3}, {"mirror", m, 2}} {
		t.Run(of.what, func(t *testing.T) {
			t.Run("killed", func(t *testing.T) { killed(t, of.d, of.points) })
			t.Run("over bad links", func(t *testing.T) { overBadLinks(t, of.d) })
			t.Run("from bad servers", func(t *testing.T) { fromBadServers(t, of.d) })
		})
	}
	t.Run("nothing new", func(t *testing.T) { nothingNew(t, d) })
}

const maps = 10

// mapSize is in bytes. In the long tier what a kill loses in sockets is less than a hundredth.
func mapSize() int {
	if long {
		return 3 << 20
	}
	return 1 << 20
}

func newDistribution(t *testing.T) *distribution {
	t.Helper()
	d := &distribution{dir: t.TempDir()}
	random := rand.NewChaCha8([32]byte{1})
	atlas := testbed.RPM{Name: "atlas"}
	all := []testbed.RPM{{Name: "base"}}
	for i := range maps {
		content := make([]byte, mapSize())
		random.Read(content)
		name := fmt.Sprint("map", i)
		all = append(all, testbed.RPM{Name: name, Files: map[string]string{"/usr/share/" + name: string(content)}})
		atlas.Requires = append(atlas.Requires, name)
	}
	for _, r := range append(all, atlas) {
		r.Arch = "noarch"
		if _, err := r.Write(d.dir); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-time.Hour) // else the date is no validator
	if err := errors.Join(testbed.CreateRepo(d.dir), os.Chtimes(filepath.Join(d.dir, "repodata/repomd.xml"), past, past)); err != nil {
		t.Fatal(err)
	}
	return d
}

// A night is a server that builds from a distribution over a link, or copies what was built of it.
type night struct {
	t    *testing.T
	of   *distribution
	link *testbed.Link
	dir  string
	args []string
}

// mirrors makes of a distribution what is built of it.
func (d *distribution) mirrors(t *testing.T) *distribution {
	t.Helper()
	n := newNight(t, d, testbed.Weather{}, nil)
	n.completes()
	return &distribution{dir: filepath.Join(n.dir, "out"), built: true}
}

func newNight(t *testing.T, of *distribution, w testbed.Weather, fault func(http.Handler) http.Handler) *night {
	t.Helper()
	var files http.Handler = http.FileServer(http.Dir(of.dir))
	if fault != nil {
		files = fault(files)
	}
	server := httptest.NewServer(files)
	t.Cleanup(server.Close)
	link, err := testbed.NewLink(server.URL, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	n := &night{t: t, of: of, link: link, dir: t.TempDir()}
	if of.built {
		n.args = []string{"mirror", link.URL, filepath.Join(n.dir, "out"), "--no-signatures"}
		return n
	}
	n.args = []string{"build", "-c", filepath.Join(n.dir, "presolver.toml")}
	config := fmt.Sprintf(`platform = "test-1-x86_64"
arch = "x86_64"
output = "out"
rpms = "copy"
[[repository]]
id = "main"
url = %q
[base]
packages = ["base"]
[toplevel]
packages = ["atlas"]
`, link.URL)
	if err := os.WriteFile(filepath.Join(n.dir, "presolver.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return n
}

// start starts a build.
func (n *night) start() (*exec.Cmd, *bytes.Buffer) {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	said := new(bytes.Buffer)
	cmd := &exec.Cmd{Path: self, Args: append([]string{"presolver"}, n.args...), Stderr: said, Env: append(os.Environ(), "no_proxy=127.0.0.1")}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	return cmd, said
}

// completes builds, and tells whether all is there.
func (n *night) completes() {
	n.t.Helper()
	cmd, said := n.start()
	if err := cmd.Wait(); err != nil {
		n.t.Fatalf("%s: %v: %s", n.args[0], err, said)
	}
	for i := range maps {
		name := fmt.Sprintf("map%d-1.0-1.noarch.rpm", i)
		from := n.of.dir
		if n.of.built {
			from = filepath.Join(from, "test-1-x86_64/rpms")
		}
		want, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			n.t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(n.dir, "out/test-1-x86_64/rpms", name)); err != nil || !bytes.Equal(got, want) {
			n.t.Errorf("%s has %d bytes, %v", name, len(got), err)
		}
	}
	for _, pattern := range []string{"out/.cache/*.part", "out/*/.new-*", "out/*/*/.new-*"} {
		if left, _ := filepath.Glob(filepath.Join(n.dir, pattern)); len(left) > 0 {
			n.t.Errorf("half files are left: %q", left)
		}
	}
}

// atMost tells whether no more came than what one build needs, and a hundredth.
func (n *night) atMost() {
	n.t.Helper()
	got := n.link.Received.Load()
	ratio := float64(got) / float64(n.of.undisturbed(n.t))
	n.t.Logf("%d bytes: %.4f of an undisturbed %s", got, ratio, n.args[0])
	if ratio > 1.01 {
		n.t.Errorf("%.4f times what a %s needs came over the link", ratio, n.args[0])
	}
}

// undisturbed is what a build downloads over a fair link.
func (d *distribution) undisturbed(t *testing.T) int64 {
	t.Helper()
	if d.size == 0 {
		n := newNight(t, d, testbed.Weather{}, nil)
		n.completes()
		d.size = n.link.Received.Load()
	}
	return d.size
}

// A night on which nothing has changed costs one small request.
func nothingNew(t *testing.T, d *distribution) {
	n := newNight(t, d, testbed.Weather{}, nil)
	n.completes()
	before := n.link.Received.Load()
	n.completes()
	if again := n.link.Received.Load() - before; again > 512 {
		t.Errorf("%d bytes came, and %d the first time", again, before)
	} else {
		t.Logf("%d bytes came, and %d the first time", again, before)
	}
}

// A build that is killed, wherever that is, goes on where it was: what had reached the disk isn't
// asked for again. What was in sockets is lost. And so does a mirror.
func killed(t *testing.T, d *distribution, points int) {
	all := d.undisturbed(t)
	if long {
		points = 50
	}
	for i := range points {
		t.Run(fmt.Sprintf("at %d of %d", i+1, points+1), func(t *testing.T) {
			n := newNight(t, d, testbed.Weather{Every: 256 << 10, Rate: 2 << 20}, nil)
			// What the link would send until the process is gone, however long that takes, isn't the build's to
			// keep: the link waits.
			process, gone := make(chan *os.Process, 1), make(chan struct{})
			n.link.When(all*int64(i+1)/int64(points+1), func() {
				(<-process).Kill()
				<-gone
			})
			cmd, said := n.start()
			process <- cmd.Process
			err := cmd.Wait()
			close(gone)
			if cmd.ProcessState.Exited() {
				t.Fatalf("it ended before its end: %v: %s", err, said)
			}
			kept, before := n.kept(), n.link.Received.Load()
			n.completes()
			if got, most := n.link.Received.Load()-before, all-kept+all/200; got > most {
				t.Errorf("%d bytes were there, and %d more came: at most %d should", kept, got, most)
			}
			if long {
				n.atMost()
			}
		})
	}
}

// kept is how many bytes are there, whole and half, each once.
func (n *night) kept() (bytes int64) {
	seen := make(map[uint64]bool)
	for _, pattern := range []string{".cache/sha256-*", "test-1-x86_64/rpms/*", "test-1-x86_64/rpms/.new-*"} {
		files, err := filepath.Glob(filepath.Join(n.dir, "out", pattern))
		if err != nil {
			n.t.Fatal(err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				n.t.Fatal(err)
			}
			if inode := info.Sys().(*syscall.Stat_t).Ino; !seen[inode] {
				seen[inode] = true
				bytes += info.Size()
			}
		}
	}
	return bytes
}

// Links that fail lose nothing, and no byte comes twice.
func overBadLinks(t *testing.T, d *distribution) {
	weathers := map[string]testbed.Weather{
		"drops every 256 KiB": {Every: 256 << 10},
		"down once":           {After: 4 << 20, For: 2 * time.Second},
		"down now and then":   {Period: 2 * time.Second, Down: 500 * time.Millisecond, Rate: 2 << 20},
	}
	if long {
		weathers["a long way"] = testbed.Weather{Latency: 600 * time.Millisecond, Every: 1 << 20}
		weathers["down a third of the time"] = testbed.Weather{Period: 15 * time.Second, Down: 5 * time.Second, Rate: 256 << 10}
		weathers["a thin link"] = testbed.Weather{Rate: 64 << 10}
	}
	for name, w := range weathers {
		t.Run(name, func(t *testing.T) {
			n := newNight(t, d, w, nil)
			n.completes()
			n.atMost()
		})
	}
}

// Servers that fail cost time, and bytes perhaps; what comes of it is right.
func fromBadServers(t *testing.T, d *distribution) {
	once := func(what func(w http.ResponseWriter, r *http.Request, good http.Handler)) func(http.Handler) http.Handler {
		return func(good http.Handler) http.Handler {
			var had sync.Map
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, again := had.LoadOrStore(r.URL.Path, true); again || !strings.HasSuffix(r.URL.Path, ".rpm") {
					good.ServeHTTP(w, r)
					return
				}
				what(w, r, good)
			})
		}
	}
	faults := map[string]func(http.Handler) http.Handler{
		"busy": once(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}),
		"no ranges": func(good http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Range")
				good.ServeHTTP(w, r)
			})
		},
		"wrong ranges": func(good http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") != "" {
					r.Header.Set("Range", "bytes=5-")
				}
				good.ServeHTTP(w, r)
			})
		},
		"a login page": once(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Please log in</html>")
		}),
	}
	if long {
		faults["stalls"] = once(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Content-Length", fmt.Sprint(mapSize()))
			w.Write(make([]byte, 0))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := testbed.Weather{}
			if strings.HasSuffix(name, "ranges") {
				w = testbed.Weather{After: 4 << 20, For: time.Millisecond}
			}
			newNight(t, d, w, fault).completes()
		})
	}
}
