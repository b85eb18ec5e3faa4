// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options are how a Client behaves; the zero value is what a laptop wants.
type Options struct {
	// Parallel is how many files one Fetch downloads at once, at most: as many as keep the link
	// busy; 0: 16.
	Parallel int
	// Background makes downloads yield to what people wait for: one at a time, with so small a
	// window that nothing else queues behind more than it.
	Background bool
	// RetryFor is how long a file of Fetch may get no byte before it fails; 0: 10 minutes.
	RetryFor time.Duration
	// SmallRetryFor is the same for Get and Revalidate, where a person waits, and for Fetch while
	// no host was ever reached; 0: 15 seconds.
	SmallRetryFor time.Duration
	// UserAgent is what servers are told; empty: "pk-presolve".
	UserAgent string
	// Copies are file URLs that may have the same content as a URL: folders come and go, so they
	// are asked for whenever a file with a digest is begun, and after CopiesAppeared. It is called
	// from many goroutines, and must not block. nil: there are none.
	Copies func(url string) []string
	// Folders are the folders of this computer whose files may be read by file URLs: absolute
	// paths. Nothing outside of them is ever opened, whatever links they have. It is called for
	// each file, from many goroutines, and must not block. nil: there are none.
	Folders func() []string
	// User is whose process makes the requests of http and https URLs: see child.go. This process
	// must be root, and the program call RunChild. nil: this process makes them.
	User *syscall.Credential
	// Rate is how many bytes a second may come over the network, all downloads together; 0: as many as
	// do.
	Rate int64
	// Hours are when anything may be asked of the network; nil: always.
	Hours *Hours
	// Authorize is called with each request to the network, and may add what proves who asks. It is
	// called from many goroutines. nil: nothing is added.
	Authorize func(*http.Request)
	// Failed is told of each try that failed, and what that means if it stays so. It is called from
	// many goroutines, and must not block. nil: nobody is told.
	Failed func(url string, kind Kind)
	// Log gets each try that failed, at debug level: what matters is in the errors. nil: nobody.
	Log hclog.Logger
}

// A Client downloads from http, https and file URLs, through the proxies that the environment
// names. Its methods may be called at once from many goroutines.
type Client struct {
	Options
	transport *http.Transport // nil where there is a child
	child     *child          // nil where there is no User
	// known fetches content whose digest is known, so it may follow a redirect from https to http;
	// unknown may not.
	known, unknown *http.Client
	hosts          hosts
	rate           rate
	moreCopies     atomic.Pointer[chan struct{}] // closed by the next CopiesAppeared
	stall          time.Duration                 // a connection of Fetch that is slow for this long is cut
	now            func() time.Time
	sleep          func(context.Context, time.Duration) error
	sync           func(path string) error
}

// New makes a Client. The caller closes it.
func New(o Options) *Client {
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.Background {
		o.Parallel = 1
	}
	if o.RetryFor <= 0 {
		o.RetryFor = 10 * time.Minute
	}
	if o.SmallRetryFor <= 0 {
		o.SmallRetryFor = 15 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "pk-presolve"
	}
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	var t http.RoundTripper
	c := &Client{Options: o}
	if o.User != nil {
		c.child = newChild(o)
		t = c.child
	} else {
		c.transport = connections(o)
		t = c.transport
	}
	t = schemes{file: localFiles{c.openLocal}, others: t}
	c.hosts = hosts{known: make(map[string]*hostState), most: o.Parallel}
	c.known = &http.Client{Transport: t, CheckRedirect: follow}
	c.unknown = &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https" {
			return redirectError("it leads from https to http, and nothing vouches for the content")
		}
		return follow(req, via)
	}}
	c.stall, c.now, c.sleep, c.sync = 30*time.Second, time.Now, sleep, syncPath
	c.CopiesAppeared()
	return c
}

// idleConnections is how long a connection is kept that nobody uses.
const idleConnections = 30 * time.Second

// connections makes what speaks HTTP.
func connections(o Options) *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}
	if o.Background {
		dialer.Control = smallWindow
	}
	t := &http.Transport{
		Proxy:                  redactedProxy(http.ProxyFromEnvironment),
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		MaxIdleConns:           2 * max(o.Parallel, 2),
		MaxIdleConnsPerHost:    max(o.Parallel, 2), // two small files may be asked for at once
		IdleConnTimeout:        idleConnections,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			// How far a server may run ahead of a slow disk: by default as far as it likes.
			MaxReceiveBufferPerConnection: 2 << 20,
			MaxReceiveBufferPerStream:     1 << 20,
			// All files come over the one connection: where it is dead another one must be made
			// before they are given up as stalled.
			SendPingTimeout: 10 * time.Second,
			PingTimeout:     10 * time.Second,
		},
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(true) // where TLS has it
	return t
}

// Close lets go of the idle connections, and of the child. Nothing may be running.
func (c *Client) Close() {
	if c.child != nil {
		c.child.Close()
		return
	}
	c.transport.CloseIdleConnections()
}

// CopiesAppeared says that there may be more Copies than before. Whatever waits for the network, or
// is being brought over it, goes on from a copy at once.
func (c *Client) CopiesAppeared() {
	c.hosts.forget("file:")
	more := make(chan struct{})
	if before := c.moreCopies.Swap(&more); before != nil {
		close(*before)
	}
}

// follow is how redirects are followed: a few, and never from the network into local files.
func follow(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return redirectError("it leads to a " + req.URL.Scheme + " URL")
	}
	if len(via) >= 10 {
		return redirectError("it is the tenth")
	}
	return nil
}

type redirectError string

func (e redirectError) Error() string        { return "redirect refused: " + string(e) }
func (e redirectError) Is(target error) bool { return target == ErrRedirect }

// request makes a GET of a http, https or file URL, with the client's User-Agent.
func (c *Client) request(ctx context.Context, rawURL string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil { // which quotes parts of the URL, a password's perhaps
		return nil, &trouble{kind: Refused, err: errors.New("this is no URL that can be asked")}
	}
	switch req.URL.Scheme {
	case "http", "https", "file":
	default:
		return nil, &trouble{kind: Refused, err: fmt.Errorf("neither a http, https nor file URL")}
	}
	req.Header.Set("User-Agent", c.UserAgent)
	if c.Authorize != nil && req.URL.Scheme != "file" {
		c.Authorize(req)
	}
	return req, nil
}

// do sends a request whose context is of w. An answer's body is cut where it stalls; each error, of
// the body's Read too, is a *trouble.
func (c *Client) do(h *http.Client, req *http.Request, w *watchdog) (*http.Response, error) {
	var connected atomic.Pointer[time.Time] // when
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(nil) },
		GotConn: func(httptrace.GotConnInfo) { now := time.Now(); connected.Store(&now) },
	})
	w.arm()
	resp, err := h.Do(req.WithContext(ctx))
	w.disarm(w.floor) // an answer is a sign of life
	if err != nil {
		return nil, unanswered(w.cause(err), connected.Load() != nil || req.URL.Scheme == "file")
	}
	if resp.Request == nil { // of a file URL
		resp.Request = req
	}
	body := &watchedBody{ReadCloser: resp.Body, w: w}
	if at := connected.Load(); at != nil {
		url := req.URL.String()
		c.hosts.answered(url, time.Since(*at), c.now())
		body.tell = func(n int64) { c.hosts.brought(url, n, time.Since(*at), c.now()) }
		body.pace = c.paced
	}
	resp.Body = body
	return resp, nil
}

// unanswered tells what it means that a request got no answer.
func unanswered(err error, connected bool) *trouble {
	t := &trouble{kind: Interrupted, err: withoutURL(err)}
	why := failureOf(err)
	var redirect redirectError
	var local localTrouble
	switch {
	case errors.As(err, &redirect):
		t.kind = Refused
	case errors.As(err, &local):
		t.kind = local.kind()
	case why.Certificate:
		t.kind, t.certificate, t.err = Refused, true, fmt.Errorf("%w (is the clock right?)", t.err)
	case !connected:
		t.kind, t.noRoute, t.refused = NoNetwork, why.NoRoute, why.NoServer
	}
	return t
}

// failureOf is what an error of a request means, whichever process it comes from.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var certificate *tls.CertificateVerificationError
	return &failure{Text: withoutURL(err).Error(), NoRoute: noRoute(err), NoServer: errors.Is(err, syscall.ECONNREFUSED), Certificate: errors.As(err, &certificate)}
}

// noRoute tells whether an error of connecting says that this computer knows no way to the host.
func noRoute(err error) bool {
	var name *net.DNSError
	if errors.As(err, &name) {
		return !name.IsTimeout
	}
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETDOWN)
}

// smallWindow makes a connection that has little on its way at any time.
func smallWindow(_, _ string, conn syscall.RawConn) error {
	var err error
	if failed := conn.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 32<<10) }); failed != nil {
		return failed
	}
	return err
}

// redactedProxy finds a proxy as find does, without the proxy's URL and its password in errors.
func redactedProxy(find func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		u, err := find(req)
		if err != nil {
			return nil, errors.New("the address of the proxy can't be read: look at http_proxy, https_proxy and all_proxy, or the desktop's settings")
		}
		return u, nil
	}
}

// delimited tells whether an answer has no length, and its end can be told from a drop all the same.
func delimited(resp *http.Response) bool {
	return resp.ContentLength < 0 && resp.ProtoMajor > 1 || slices.Contains(resp.TransferEncoding, "chunked")
}

// withoutURL takes the URL out of an error of net/http: what is told to people has it already.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// discard closes a body that nobody wants; where little of it is left the connection stays usable.
func discard(body io.ReadCloser) {
	io.CopyN(io.Discard, body, 4<<10)
	body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
