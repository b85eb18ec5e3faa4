// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

const kib = 1 << 10

// scaled is a time in the long tier, and less of it in the short one.
func scaled(d time.Duration, by int) time.Duration {
	if long {
		return d
	}
	return d / time.Duration(by)
}

// A fault is one way in which an install is let down.
type fault struct {
	name   string
	long   bool // only in the long tier
	link   weather
	server misbehaviour
	layout string
	swarm  bool    // many small packages instead of a few large ones
	code   string  // of the error that it ends with; "": it ends installed
	says   string  // a part of the error's text
	wire   float64 // bytes on the wire by the RPMs' size, at most; 0: 1.01, more where it can't be. Those of the install after the fault count too
	told   []string
	with   func(t *testing.T) // anything else, in place of all that
}

var faults = []fault{
	{name: "none"},
	{name: "none, sugar-network", layout: "sugar-network"},

	// The link.
	{name: "drops every 256 KiB", link: weather{Every: 256 * kib}},
	{name: "drops every 256 KiB, sugar-network", link: weather{Every: 256 * kib}, layout: "sugar-network"},
	{name: "drops every 20 KiB", link: weather{Every: 20 * kib}, wire: 1.04, long: true}, // a drop costs the next answer's headers
	{name: "drops 1 % of requests", server: dropsRequests(100), swarm: true},
	{name: "is down for 1 s in every 3", link: weather{Period: scaled(3*time.Second, 5), Down: scaled(time.Second, 5), Rate: scaledRate(1 << 20)}},
	{name: "has 2 s latency", link: weather{Latency: scaled(2*time.Second, 20)}},
	{name: "has 2 s latency and drops", link: weather{Latency: scaled(2*time.Second, 20), Every: 256 * kib}, long: true},
	{name: "is down for a while in the middle", link: weather{After: 2 << 20, For: scaled(90*time.Second, 30), Rate: scaledRate(2 << 20)}, told: []string{"status\tdownload", "status\trequest", "status\tdownload"}},

	// The server.
	{name: "Range answered with 200", link: weather{Every: 700 * kib}, server: forgets("Range"), wire: 2},
	{name: "Range answered with 416", link: weather{Every: 700 * kib}, server: once("Range", status(416)), wire: 2},
	{name: "wrong Content-Range", link: weather{Every: 700 * kib}, server: once("Range", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", "bytes 5-9/10")
		w.WriteHeader(206)
		io.WriteString(w, "12345")
	}), wire: 2},
	{name: "changed in the middle", link: weather{Every: 256 * kib}, server: once("Range", func(w http.ResponseWriter, r *http.Request) {
		var first int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first)
		// Another file of the same size, its rest.
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, sizeOfFile(r))))
	}), wire: 2.1},
	{name: "changed in the middle, sugar-network", link: weather{Every: 256 * kib}, server: changesOnce(), layout: "sugar-network", wire: 2},
	{name: "garbage after the right length", server: garbage(5 * kib), wire: 1.02},
	{name: "garbage after the right length, announced", server: rpms(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(sizeOfFile(r)+5*kib))
		w.Write(append(fileOf(r), make([]byte, 5*kib)...))
	}), code: "package-corrupt", says: "bytes and the file has"},
	{name: "cut short", server: rpms(func(w http.ResponseWriter, r *http.Request) { w.Write(fileOf(r)[:100*kib]) }), code: "package-corrupt", says: "less than the file"},
	{name: "redirects", server: redirects()},
	{name: "redirects into this computer", server: rpms(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	}), code: "package-download-failed", says: "redirect refused"},
	{name: "redirects for ever", server: rpms(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}), code: "package-download-failed", says: "redirect refused"},
	{name: "captive portal", server: rpms(portal), code: "package-corrupt"},
	{name: "captive portal, sugar-network", server: rpms(portal), layout: "sugar-network", code: "package-corrupt", says: "web page"},
	{name: "captive portal for everything", server: func(http.Handler) http.Handler { return http.HandlerFunc(portal) }, code: "repo-not-available"},
	{name: "captive portal once", server: once("", portal)},
	{name: "404", server: rpms(status(404)), code: "package-download-failed", says: "404"},
	{name: "403", server: rpms(status(403)), code: "package-download-failed", says: "403"},
	{name: "503 once", server: once("", status(503))},
	{name: "hangs up once", server: once("", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })},
	{name: "says nothing in the middle", long: true, server: once("", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(sizeOfFile(r)))
		w.Write(fileOf(r)[:300*kib])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})},
	{name: "damaged once", server: once("", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, sizeOfFile(r))) }), wire: 2.01},
	{name: "damaged for ever", server: rpms(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, sizeOfFile(r))) }), code: "package-corrupt", says: "SHA-256", wire: 3.5},
	{name: "damaged once, sugar-network", layout: "sugar-network", server: once("", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, sizeOfFile(r))) }), wire: 2.01},
	{name: "another package once, sugar-network", layout: "sugar-network", server: once("", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(school.Dir, "repository", "libmoody-1.0-1.noarch.rpm"))
	}), wire: 1.03},

	// More than one server, and proxies.
	{name: "404 on the first of two sources", with: func(t *testing.T) { firstOfTwo(t, rpms(status(404)), 1.01) }},
	{name: "first of two sources drops", with: func(t *testing.T) { firstOfTwo(t, cuts(300*kib), 1.01) }},
	{name: "first of two sources is slow", with: func(t *testing.T) { firstOfTwo(t, rpms(trickle), 1.02) }},
	{name: "second source refuses", with: secondRefuses},
	{name: "second source refuses what is old", with: secondIsOld},
	{name: "first of two sources is damaged", with: func(t *testing.T) { firstOfTwo(t, rpms(portal), 1.01) }},
	{name: "through the environment's proxy", with: throughProxy},
	{name: "through the environment's SOCKS proxy", with: throughSOCKS},

	// The laptop.
	{name: "disk full before", with: func(t *testing.T) { diskFull(t, "presolve", 1.02) }},
	{name: "disk full in the middle", with: func(t *testing.T) { diskFull(t, "sugar-network", 1.5) }},
	{name: "disk full of the record", with: recordDiskFull},
	{name: "disk full of everything", with: everythingFull},
	{name: "disk full of the root, in the middle", with: rootDiskFull},
	{name: "read-only root", with: rootReadOnly},
	{name: "file in place of the cache", with: fileInPlace},
	{name: "folder in place of an RPM", with: folderInPlace},
	{name: "read-only cache, nothing in it", with: readOnlyEmpty},
	{name: "read-only cache, all in it", with: readOnlyWhole},
	{name: "clock that was ahead", with: clockAhead},
	{name: "cache with a limit", with: cacheLimited},
	{name: "cache with a limit that was lowered", with: limitLowered},
	{name: "cache with a limit, sizes unknown", with: limitUnknown},
	{name: "cache with a limit and what rpm refused", with: limitFailed},
	{name: "cache with a limit, single downloads", with: limitDownload},
	{name: "cache with a limit, used by two", with: limitBusy},
	{name: "repair keeps the cache", with: repairKeeps},
	{name: "no permission", with: noPermission},
	{name: "no network from the start", with: noNetwork},
	{name: "rpm fails for a part", with: partFails},
	{name: "power cut leaves zeros", with: func(t *testing.T) { powerCut(t, "presolve") }},
	{name: "power cut leaves zeros, sugar-network", with: func(t *testing.T) { powerCut(t, "sugar-network") }},
	{name: "RPM in the cache is damaged, sugar-network", with: cachedDamaged},

	// A stick.
	{name: "a stick and no network", with: stickAlone},
	{name: "a stick is a copy", with: stickIsCopy},
	{name: "a stick when the link is down", with: stickEndsWaiting},
	{name: "a stick when the link is slow", with: stickEndsSlowness},
	{name: "a stick is pulled out in the middle", with: stickIsPulled},
	{name: "a stick is damaged", with: stickIsDamaged},
	{name: "a stick is not believed", with: stickIsNotBelieved},
	{name: "a stick is hostile", with: stickIsHostile},
}

func scaledRate(perSecond int) int {
	if long {
		return perSecond
	}
	return 4 * perSecond
}

func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if f.long && !long {
				t.Skip("in the long tier: PRESOLVE_LONG=1")
			}
			t.Parallel()
			if f.with != nil {
				f.with(t)
				return
			}
			f.test(t)
		})
	}
}

func (f *fault) test(t *testing.T) {
	server := newFront(t, f.server)
	l := lay(t, server.URL, f.link)
	laptop := makeLaptop(t, l.URL, f.layout, "")
	program := atlas
	if f.swarm {
		program = swarm
	}
	before := laptoptest.Installed(t, laptop)
	h := start(t, laptop)
	lines := h.Answer(installOf(program[0].Name)...)
	e := laptoptest.ErrorOf(lines)
	switch {
	case f.code == "" && e != "":
		t.Fatalf("the install failed: %s", e)
	case f.code != "":
		if !strings.HasPrefix(e, f.code+"\t") || !strings.Contains(e, f.says) {
			t.Errorf("answered %q, want %s with %q", e, f.code, f.says)
		}
		if now := laptoptest.Installed(t, laptop); len(now) != len(before) {
			t.Errorf("installed all the same: %q", now)
		}
		server.on.Store(false)
		l.Lifted.Store(true)
		h.OK(installOf(program[0].Name)...)
	}
	if f.told != nil && !inOrder(lines, f.told) {
		t.Errorf("%q was not told: %q", f.told, lines)
	}
	whole(t, h, laptop, program)
	most := f.wire
	switch {
	case most > 0:
	case f.code != "": // what was on its way when the others were stopped, and the metadata
		most = 2.01
	case f.layout == "sugar-network": // a file for each name that the school offers
		most = 1.02
	}
	count(t, l.Received.Load(), sizeOf(t, program), most)
}

// count tells whether so many bytes on the wire are few enough.
func count(t *testing.T, received, size int64, most float64) {
	t.Helper()
	if most == 0 {
		most = 1.01
	}
	ratio := float64(received) / float64(size)
	t.Logf("%d bytes on the wire for %d of RPMs: %.4f", received, size, ratio)
	if ratio > most {
		t.Errorf("%.4f times the RPMs' size came over the wire, at most %.2f should", ratio, most)
	}
}

// inOrder tells whether lines have the wanted ones in their order.
func inOrder(lines, wanted []string) bool {
	for _, l := range lines {
		if len(wanted) > 0 && l == wanted[0] {
			wanted = wanted[1:]
		}
	}
	return len(wanted) == 0
}

// rpms answers requests of RPMs.
func rpms(h http.HandlerFunc) misbehaviour {
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isRPM(r) {
				h(w, r)
			} else {
				good.ServeHTTP(w, r)
			}
		})
	}
}

// once answers the first request of each RPM that has a header.
func once(header string, h http.HandlerFunc) misbehaviour {
	return func(good http.Handler) http.Handler {
		var had sync.Map
		return rpms(func(w http.ResponseWriter, r *http.Request) {
			if header == "" || r.Header.Get(header) != "" {
				if _, again := had.LoadOrStore(r.URL.Path, true); !again {
					h(w, r)
					return
				}
			}
			good.ServeHTTP(w, r)
		})(good)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Error(w, http.StatusText(code), code) }
}

func portal(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, "<html><body>Please log in to Airport Wi-Fi</body></html>")
}

// fileOf is the RPM that is asked for.
func fileOf(r *http.Request) []byte {
	b, err := os.ReadFile(filepath.Join(school.Dir, "repository", filepath.Base(r.URL.Path)))
	if err != nil {
		panic(err)
	}
	return b
}

func sizeOfFile(r *http.Request) int { return len(fileOf(r)) }

// forgets loses a header of the first request of each RPM that has it.
func forgets(header string) misbehaviour {
	return func(good http.Handler) http.Handler {
		return once(header, func(w http.ResponseWriter, r *http.Request) { r.Header.Del(header); good.ServeHTTP(w, r) })(good)
	}
}

// dropsRequests hangs up on every n-th request.
func dropsRequests(n int64) misbehaviour {
	return func(good http.Handler) http.Handler {
		var requests atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1)%n == 0 {
				panic(http.ErrAbortHandler)
			}
			good.ServeHTTP(w, r)
		})
	}
}

// cuts cuts each answer after n bytes, and doesn't know of ranges.
func cuts(n int) misbehaviour {
	return rpms(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			http.NotFound(w, r)
			return
		}
		body := fileOf(r)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body[:n])
	})
}

// garbage adds bytes to each RPM, in an answer that doesn't tell its length.
func garbage(n int) misbehaviour {
	return rpms(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		w.Write(fileOf(r))
		w.Write(make([]byte, n))
	})
}

// changesOnce is a server whose files have another version when they are asked for first.
func changesOnce() misbehaviour {
	return func(good http.Handler) http.Handler {
		return once("", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"old"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, sizeOfFile(r))))
		})(good)
	}
}

// trickle gives a kilobyte a second.
func trickle(w http.ResponseWriter, r *http.Request) {
	body := fileOf(r)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for at := 0; at < len(body); at += 100 {
		w.Write(body[at : at+100])
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// redirects sends who asks for RPMs to the school's own server.
func redirects() misbehaviour {
	return rpms(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, school.Server.URL+r.URL.Path, http.StatusFound)
	})
}

// firstOfTwo installs from two sources, of which the first misbehaves.
func firstOfTwo(t *testing.T, bad misbehaviour, most float64) {
	first, second := lay(t, newFront(t, bad).URL, weather{}), lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, first.URL, "", "")
	addSource(t, laptop, second.URL)
	h := start(t, laptop)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, first.Received.Load()+second.Received.Load(), sizeOf(t, atlas), most)
}

// addSource gives a laptop one more source, the last one.
func addSource(t *testing.T, l *testbed.Laptop, url string) {
	t.Helper()
	config, err := os.OpenFile(l.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(config, "\n[[source]]\nid = \"mirror\"\nname = \"Mirror\"\nurl = %q\nkeys = [%q]\n", url, school.Key.Fingerprint)
	config.Close()
}

// secondRefuses has a second source that hangs up on everybody: with the first one's catalogue here
// it is asked once by each helper, and by each refresh.
func secondRefuses(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	var called atomic.Int64
	go func() {
		for conn, err := closed.Accept(); err == nil; conn, err = closed.Accept() {
			called.Add(1)
			conn.Close()
		}
	}()
	laptop := makeLaptop(t, newFront(t, nil).URL, "", "")
	addSource(t, laptop, "http://"+closed.Addr().String())
	for range 2 {
		before := called.Load()
		h := start(t, laptop, "NETWORK=FALSE") // the refresh has less patience
		h.OK("resolve", "none", "atlas")
		once := called.Load()
		if once == before {
			t.Error("it was not asked")
		}
		h.OK("resolve", "none", "swarm")
		h.OK("search-name", "none", "atlas")
		h.Fails("package-not-found", "get-details", "nothing;1-1;noarch;school")
		h.OK("install-packages", "simulate", "atlas;1.0-1;noarch;school")
		if again := called.Load() - once; again != 0 {
			t.Errorf("it was called %d times more after it had hung up on %d calls", again, once-before)
		}
		h.Fails("repo-not-available", "refresh-cache", "no")
		if called.Load() == once {
			t.Error("a refresh didn't ask it")
		}
		h.Stop()
	}
}

// secondIsOld is a second source, and then the only one, that fails when what is known of it is
// old, and then has come back.
func secondIsOld(t *testing.T) {
	var asked atomic.Int64
	server := newFront(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); panic(http.ErrAbortHandler) })
	})
	for _, first := range []string{newFront(t, nil).URL, ""} {
		server.on.Store(false)
		laptop := makeLaptop(t, cmp.Or(first, server.URL), "", "")
		if first != "" {
			addSource(t, laptop, server.URL)
		}
		start(t, laptop).OK("refresh-cache", "no")
		server.on.Store(true)
		h := start(t, laptop, "CACHE_AGE=0")
		before := asked.Load()
		h.OK("resolve", "none", "atlas")
		once := asked.Load()
		if once == before {
			t.Error("it was not asked")
		}
		h.OK("resolve", "none", "atlas")
		h.OK("resolve", "none", "swarm")
		if again := asked.Load() - once; again != 0 {
			t.Errorf("it was asked %d times more after %d", again, once-before)
		}
	}
}

// throughProxy installs from a server whose name only the proxy knows.
func throughProxy(t *testing.T) {
	to, err := url.Parse(school.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	front := newFront(t, nil)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "school.invalid" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		asked.Add(1)
		r.URL.Scheme, r.URL.Host, r.Host = "", "", to.Host
		front.Config.Handler.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	l := lay(t, proxy.URL, weather{})
	laptop := makeLaptop(t, "http://school.invalid", "", "")
	start(t, laptop).Fails("no-network", installOf("atlas")...)
	h := start(t, laptop, "http_proxy="+l.URL)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	if asked.Load() < 5 {
		t.Errorf("the proxy was asked %d times", asked.Load())
	}
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// diskFull installs with a cache on a disk of 2 MiB, and again when it has grown.
func diskFull(t *testing.T, layout string, most float64) {
	l := lay(t, newFront(t, nil).URL, weather{Rate: 8 << 20}) // what only fills sockets' buffers is not the laptop's doing
	laptop := makeLaptop(t, l.URL, layout, "")
	mount(t, laptop.Cache, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
	h := start(t, laptop)
	h.Fails("no-space-on-device", installOf("atlas")...)
	kept := int64(0)
	rpms, _ := filepath.Glob(filepath.Join(laptop.Cache, "rpms", "*"))
	for _, r := range rpms {
		if fi, err := os.Stat(r); err == nil {
			kept += fi.Size()
		}
	}
	if layout == "sugar-network" && kept < 1<<20 {
		t.Errorf("%d bytes were kept in %q", kept, rpms)
	}
	if layout == "presolve" && l.Received.Load() > 100*kib {
		t.Errorf("%d bytes were downloaded for nothing", l.Received.Load())
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	remount(t, laptop.Cache, "size=64m")
	before := l.Received.Load()
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	if again := l.Received.Load() - before; again > sizeOf(t, atlas)*101/100-kept {
		t.Errorf("%d bytes came when %d of %d were there", again, kept, sizeOf(t, atlas))
	}
	// What was on its way when the disk was full is lost.
	count(t, l.Received.Load(), sizeOf(t, atlas), most)
}

func fileInPlace(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	if err := os.WriteFile(laptop.Cache, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := start(t, laptop)
	if e := laptoptest.ErrorOf(h.Answer(installOf("atlas")...)); !strings.Contains(e, laptop.Cache) || !strings.Contains(e, "not a directory") {
		t.Errorf("answered %q", e)
	}
	h.OK("search-name", "none", "atlas")
	os.Remove(laptop.Cache)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
}

func folderInPlace(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	h := start(t, laptop)
	h.OK(later("atlas")...)
	rpms, _ := filepath.Glob(filepath.Join(laptop.Cache, "rpms", "*-atlas-1*"))
	if len(rpms) != 1 {
		t.Fatalf("the cache has %q", rpms)
	}
	os.Remove(rpms[0])
	if err := os.MkdirAll(filepath.Join(rpms[0], "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.Fails("transaction-error", installOf("atlas")...)
	os.RemoveAll(rpms[0])
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
}

func readOnlyEmpty(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	mount(t, laptop.Cache, "-t", "tmpfs", "-o", "ro", "tmpfs")
	h := start(t, laptop)
	if e := laptoptest.ErrorOf(h.Answer(installOf("atlas")...)); !strings.Contains(e, "read-only file system") {
		t.Errorf("answered %q", e)
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	remount(t, laptop.Cache, "rw")
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
}

// readOnlyWhole installs what was downloaded before from a cache that can't be written any more.
func readOnlyWhole(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	h := start(t, laptop)
	h.OK(later("atlas")...)
	mount(t, laptop.Cache, "-o", "bind,ro", laptop.Cache)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// partFails lets rpm install a program without the library that it needs: the next install brings
// that.
func partFails(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	fail := filepath.Join(laptop.Root, "fail")
	if err := os.WriteFile(fail, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := start(t, laptop)
	h.Fails("package-failed-to-install", installOf("moody")...)
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	os.Remove(fail)
	h.OK(installOf("moody")...)
	whole(t, h, laptop, moody)
}

// noNetwork is a laptop without any network: at once it says so, and everything that is there still
// works.
func noNetwork(t *testing.T) {
	cut := withoutNetwork(t)
	l := lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	h := laptoptest.Start(t, cut, laptop, nil)
	h.Fails("no-network", "refresh-cache", "yes")
	h.Fails("no-network", installOf("atlas")...)
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	h.Stop()

	h = start(t, laptop)
	h.OK("refresh-cache", "no")
	h.OK(later("atlas")...)
	h.OK("install-packages", "simulate", "swarm;1.0-1;noarch;school")
	h.Stop()

	h = laptoptest.Start(t, cut, laptop, nil)
	for _, query := range [][]string{{"resolve", "none", "atlas"}, {"search-name", "none", "atlas"}, {"get-details", "atlas;1.0-1;noarch;school"}, {"get-packages", "none"}} {
		h.OK(query...)
	}
	h.Fails("no-network", installOf("swarm")...)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 1.03) // swarm's tree too
}

// powerCut ends an install in the middle of its downloads, and leaves zeros at their ends as UBIFS
// does.
func powerCut(t *testing.T, layout string) {
	l := lay(t, newFront(t, nil).URL, weather{Rate: 4 << 20})
	laptop := makeLaptop(t, l.URL, layout, "")
	h := start(t, laptop)
	if err := h.Send(installOf("atlas")...); err != nil {
		t.Fatal(err)
	}
	for l.Received.Load() < 3<<20 {
		time.Sleep(time.Millisecond)
	}
	h.Kill()
	const lost = 64 * kib // of each
	var had int64
	parts, _ := filepath.Glob(filepath.Join(laptop.Cache, "rpms", "*.part"))
	for _, part := range parts {
		had += zeroEnd(t, part, lost) - lost
	}
	if had < 1<<20 {
		t.Fatalf("%d bytes were begun in %q", had, parts)
	}
	before := l.Received.Load() // what came and wasn't written yet is in it
	h = start(t, laptop)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load()-before, sizeOf(t, atlas)-had, 1.05)
}

// cachedDamaged damages one whole RPM that no digest is known of, so that rpm finds it: that one
// alone is downloaded again.
func cachedDamaged(t *testing.T) {
	for _, damage := range []func(t *testing.T, path string){
		func(t *testing.T, path string) { zeroEnd(t, path, 4*kib) },
		func(t *testing.T, path string) { // no RPM at all: found before rpm runs
			if err := os.WriteFile(path, make([]byte, 4*kib), 0o644); err != nil {
				t.Fatal(err)
			}
		},
	} {
		l := lay(t, newFront(t, nil).URL, weather{})
		laptop := makeLaptop(t, l.URL, "sugar-network", "")
		h := start(t, laptop)
		h.OK(later("atlas")...)
		files, _ := filepath.Glob(filepath.Join(laptop.Cache, "rpms", "*-libatlas-*.rpm"))
		if len(files) != 1 {
			t.Fatalf("the cache has %q", files)
		}
		damage(t, files[0])
		before := l.Received.Load()
		h.OK(installOf("atlas")...)
		whole(t, h, laptop, atlas)
		count(t, l.Received.Load()-before, sizeOf(t, atlas[3:]), 1.02)
	}
}

// zeroEnd makes zeros of the last n bytes of a file, and tells its size.
func zeroEnd(t *testing.T, path string, n int64) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err == nil {
		n = min(n, fi.Size())
		err = errors.Join(os.Truncate(path, fi.Size()-n), os.Truncate(path, fi.Size()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}
