// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildArgument {
		if os.Getenv(childSays) != "" {
			os.Exit(runHostileChild())
		}
		os.Exit(RunChild(os.Args[2:]))
	}
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines that outlive all clients and servers.
func leaked() string {
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		var left []string
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "net/http.") || strings.Contains(g, "grab") || strings.Contains(g, "transport.(*") {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

// A clock passes only while somebody sleeps.
type clock struct {
	mu    sync.Mutex
	t     time.Time
	slept time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	c.slept += d
	return ctx.Err()
}

// newTestClient makes a client whose waiting takes no time. It has a child where the tests run
// through one.
func newTestClient(t *testing.T, o Options) (*Client, *clock) {
	t.Helper()
	if os.Getenv(throughChild) != "" {
		o.User = childUser(t)
	}
	return newClientFor(t, o)
}

// newClientFor is newTestClient for a test that says itself whether there is a child.
func newClientFor(t *testing.T, o Options) (*Client, *clock) {
	t.Helper()
	if o.Folders == nil {
		o.Folders = func() []string { return []string{os.TempDir(), "/nonexistent"} }
	}
	if o.User != nil && o.Log == nil { // a child that ends is no server's doing
		o.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: complaint{t}})
	}
	c := New(o)
	if c.child == nil {
		c.transport.TLSClientConfig.RootCAs = testCertificates()
	} else {
		c.child.env = append(c.child.env, "SSL_CERT_FILE="+certificateFile(t))
		if _, err := c.known.Get(nobody(t)); err == nil { // tests have little patience with a process that starts
			t.Fatal("nobody has answered")
		}
	}
	k := &clock{t: time.Now()}
	c.now, c.sleep = k.now, k.sleep
	t.Cleanup(c.Close)
	return c, k
}

// An origin is a server that counts. Its handler misbehaves as the test wants.
type origin struct {
	*httptest.Server
	sent    atomic.Int64 // bytes of bodies
	now     atomic.Int64 // requests being answered
	most    atomic.Int64 // of them at once
	conns   atomic.Int64
	mu      sync.Mutex
	methods []string // "GET bytes=5-" for each request
}

func (o *origin) requests() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.methods...)
}

func serve(t *testing.T, h http.HandlerFunc) *origin {
	t.Helper()
	o := newOrigin(t, h)
	o.Start()
	return o
}

// serveHTTP2 is serve over TLS, with HTTP/2.
func serveHTTP2(t *testing.T, h http.HandlerFunc) *origin {
	t.Helper()
	o := newOrigin(t, h)
	o.EnableHTTP2 = true
	o.StartTLS()
	return o
}

func newOrigin(t *testing.T, h http.HandlerFunc) *origin {
	o := new(origin)
	o.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := o.now.Add(1)
		defer o.now.Add(-1)
		for most := o.most.Load(); n > most && !o.most.CompareAndSwap(most, n); most = o.most.Load() {
		}
		o.mu.Lock()
		o.methods = append(o.methods, strings.TrimSpace(r.Method+" "+r.Header.Get("Range")))
		o.mu.Unlock()
		h(&countingWriter{w, o}, r)
	}))
	o.Config.ErrorLog = log.New(io.Discard, "", 0)
	o.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			o.conns.Add(1)
		}
	}
	t.Cleanup(func() { o.Close() })
	return o
}

type countingWriter struct {
	http.ResponseWriter
	o *origin
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.o.sent.Add(int64(n))
	return n, err
}

func (w *countingWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

// good serves content as a good server does.
func good(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// tagged is good with another ETag.
func tagged(content []byte, tag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// tagless is good without an ETag.
func tagless(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// noIfRange hides that a range was wanted of one version only.
func noIfRange(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { r.Header.Del("If-Range"); h(w, r) }
}

// dropping cuts the connection after each n bytes of a body.
func dropping(n int, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h(&droppingWriter{ResponseWriter: w, left: n}, r) }
}

type droppingWriter struct {
	http.ResponseWriter
	left int
}

func (w *droppingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p[:min(len(p), w.left)])
	w.left -= n
	if w.left == 0 {
		w.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func (w *droppingWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

// noRanges hides that a range was asked for.
func noRanges(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); h(w, r) }
}

// chunked serves content without its length, and ranges not at all.
func chunked(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		w.Write(content)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Error(w, http.StatusText(code), code) }
}

// inTurn uses each handler once and the last for ever.
func inTurn(hs ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) { hs[min(int(n.Add(1))-1, len(hs)-1)](w, r) }
}

// nobody is a URL at which no server listens.
func nobody(t *testing.T) string {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return s.URL
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func promise(b []byte) tree.Digest { return tree.NewDigest("sha256", digest(b)) }

func longer(algorithm string, b []byte) tree.Digest {
	h := tree.Digest(algorithm + ":").Hash()
	h.Write(b)
	return tree.NewDigest(algorithm, hex.EncodeToString(h.Sum(nil)))
}

// wanted is the File of content, to be put into a new folder.
func wanted(t *testing.T, content []byte, urls ...string) File {
	return File{URLs: urls, Path: filepath.Join(t.TempDir(), "a.rpm"), Size: int64(len(content)), Digest: promise(content)}
}

func mustHave(t *testing.T, path string, content []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Fatalf("%s has %d bytes that are not the %d it should have", path, len(got), len(content))
	}
}

func mustNotExist(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s should not be there: %v", path, err)
	}
}

func mustBe(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, which is no *Error, and want %v", err, kind)
	}
	if e.Kind != kind {
		t.Fatalf("got %v (%v) and want %v", e.Kind, err, kind)
	}
	return e
}

// testCertificates are those of httptest's servers.
var testCertificates = sync.OnceValue(func() *x509.CertPool {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
})
