// SPDX-License-Identifier: GPL-2.0-or-later

package testbed

import (
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Proxy stands between laptops and a school's server, and misbehaves as it is told.
type Proxy struct {
	URL      string
	school   *School
	upstream *httputil.ReverseProxy
	server   *httptest.Server

	mu       sync.Mutex
	fault    Fault
	changed  chan struct{} // closed when fault changes
	requests []string
}

// A Fault is a way in which the school's server misbehaves.
type Fault string

// The faults.
const (
	NoFault Fault = "none"
	Stall   Fault = "stall"  // 300 bytes of each RPM come, and the rest when the fault has gone
	Cut     Fault = "cut"    // half of each RPM comes, and nothing more until the fault has gone
	Slow    Fault = "slow"   // an RPM comes at 256 KiB a second, until the fault has gone
	Damage  Fault = "damage" // the RPM of hello comes damaged, every time
	Gone    Fault = "gone"   // the RPM of libtext isn't there any more
	Down    Fault = "down"   // the whole server is
	Portal  Fault = "portal" // a captive portal answers everything
)

// Faults are all of them.
var Faults = []Fault{NoFault, Stall, Cut, Slow, Damage, Gone, Down, Portal}

// Proxy starts a proxy to the school's server. The caller closes it.
func (s *School) Proxy() (*Proxy, error) {
	target, err := url.Parse(s.Server.URL)
	if err != nil {
		return nil, err
	}
	p := &Proxy{school: s, upstream: httputil.NewSingleHostReverseProxy(target), changed: make(chan struct{}), fault: NoFault}
	p.upstream.ErrorLog = log.New(io.Discard, "", 0)
	p.server = httptest.NewServer(p)
	p.URL = p.server.URL
	return p, nil
}

// Close ends the proxy, whatever it is in the middle of.
func (p *Proxy) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// Set changes how the server behaves. What is stalled goes on.
func (p *Proxy) Set(f Fault) error {
	if !slices.Contains(Faults, f) {
		return fmt.Errorf("there is no fault %q: there are %q", f, Faults)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// Requests are the files that were asked for so far, each by its path and, where only a part was
// asked for, the Range header.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	fault, changed := p.fault, p.changed
	p.mu.Unlock()
	file := filepath.Join(p.school.Published(), filepath.FromSlash(r.URL.Path))
	switch {
	case fault == Stall && strings.HasSuffix(r.URL.Path, ".rpm"):
		http.ServeFile(&stalling{ResponseWriter: w, left: 300, until: changed, gone: r.Context().Done()}, r, file)
	case fault == Cut && strings.HasSuffix(r.URL.Path, ".rpm"):
		if r.Header.Get("Range") == "" {
			half(w, file)
		}
		panic(http.ErrAbortHandler)
	case fault == Slow && strings.HasSuffix(r.URL.Path, ".rpm"):
		http.ServeFile(&slow{ResponseWriter: w, until: changed, gone: r.Context().Done()}, r, file)
	case fault == Damage && strings.Contains(r.URL.Path, "/hello-"):
		data, err := os.ReadFile(file)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		data[len(data)-100] ^= 0xff
		w.Write(data)
	case fault == Gone && strings.Contains(r.URL.Path, "/libtext-"):
		http.NotFound(w, r)
	case fault == Down:
		panic(http.ErrAbortHandler)
	case fault == Portal:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>Please log in to Airport Wi-Fi</body></html>")
	default:
		p.upstream.ServeHTTP(w, r)
	}
}

// half answers with the first half of a file, and promises all of it.
func half(w http.ResponseWriter, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data[:len(data)/2])
	w.(http.Flusher).Flush()
}

// stalling writes so many bytes of an answer, and the others after an event, unless the reader is
// gone.
type stalling struct {
	http.ResponseWriter
	left        int
	until, gone <-chan struct{}
}

func (s *stalling) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b[:min(len(b), s.left)])
	s.left -= n
	if err != nil || n == len(b) {
		return n, err
	}
	s.ResponseWriter.(http.Flusher).Flush()
	select {
	case <-s.until:
	case <-s.gone:
		return n, http.ErrAbortHandler
	}
	s.left = len(b)
	m, err := s.ResponseWriter.Write(b[n:])
	s.left = math.MaxInt
	return n + m, err
}

// slow is a link of 256 KiB a second, until an event.
type slow struct {
	http.ResponseWriter
	until, gone <-chan struct{}
}

func (s *slow) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		piece := min(n+8<<10, len(b))
		select {
		case <-time.After(time.Second / 32):
		case <-s.until:
			piece = len(b)
		case <-s.gone:
			return n, http.ErrAbortHandler
		}
		var m int
		m, err = s.ResponseWriter.Write(b[n:piece])
		s.ResponseWriter.(http.Flusher).Flush()
		n += m
	}
	return n, err
}
