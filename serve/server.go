// SPDX-License-Identifier: GPL-2.0-or-later

// Package serve is a web server for what is published: any other one does as well, but this one needs
// no configuration, takes slow clients and many of them, and can serve what another server has
// (Upstream), of which it keeps what was asked for.
//
// It knows the names of published files, and nothing of solving. Whoever asks is believed nothing: a
// path leads to a regular file in the folder or nowhere.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// How long a client may take, so that slow or silent ones don't use up the server: for a request's
// header, between two requests, and for taking a piece of an answer.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	pieceTime  = time.Minute
)

// Options are how a Server behaves.
type Options struct {
	Root *os.Root // the folder that is served
	// Upstream gives what isn't there; nil: what isn't there isn't.
	Upstream *Upstream
	// Access is told of each request when it is answered; nil: nobody is.
	Access *slog.Logger
	// Metrics is where Prometheus may ask; nil: nowhere.
	Metrics net.Listener
}

// Run serves on a listener until ctx ends, and then waits for the answers that are under way, as long as
// they are taken. systemd is told when it is ready, and that it lives.
func Run(ctx context.Context, listener net.Listener, o Options) error {
	var handler http.Handler = newSite(o.Root)
	if o.Upstream != nil {
		o.Upstream.site = handler
		handler = o.Upstream
		defer o.Upstream.close()
	}
	counters := newCounters(o.Upstream)
	handler = counters.count(handler, o.Access)
	// Connections that nothing was asked on yet, as browsers and laptops make some ahead: Shutdown
	// would wait for them for five seconds.
	var silent sync.Map
	server := &http.Server{
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				silent.Store(c, true)
			} else {
				silent.Delete(c)
			}
			counters.connection(state)
		},
		Handler:           patient(handler),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(listener) }()
	if o.Metrics != nil {
		asked := &http.Server{Handler: counters.handler(), ReadHeaderTimeout: headerTime}
		defer asked.Close()
		go func() { failed <- asked.Serve(o.Metrics) }()
	}
	alive, stop := context.WithCancel(ctx)
	defer stop()
	notify(alive, listener)
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) // who isn't systemd isn't told
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), pieceTime)
	defer cancel()
	silent.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	err := server.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // who hasn't taken a piece by then
	}
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// notify tells systemd that it is ready, and where it watches, that it lives: that it answers.
func notify(ctx context.Context, listener net.Listener) {
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	go func() {
		tick := time.NewTicker(every / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if answers(ctx, listener.Addr(), every/4) {
					_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
				}
			}
		}
	}()
}

// answers tells whether this server does.
func answers(ctx context.Context, at net.Addr, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return true // it isn't of the network, and can't be asked
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+net.JoinHostPort(host, port)+"/.alive", nil)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}

// URL is where people and laptops on the same network reach a listener.
func URL(at net.Addr) string {
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return "http://" + at.String() + "/"
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
		if name, err := os.Hostname(); err == nil && name != "" {
			host = name
		}
	}
	if port == "80" {
		return "http://" + host + "/"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Problem says what is wrong with a folder that isn't a published one; "" where nothing is.
func Problem(dir string) string {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		return err.Error()
	case has("platforms.json"):
		return ""
	case has("platform.json"):
		return fmt.Sprintf("%s is a platform's folder: laptops look for one in it; serve the folder above it", dir)
	case has("repodata/repomd.xml"):
		return fmt.Sprintf("%s is a package repository: laptops need what presolver build makes of it", dir)
	case len(entries) == 0:
		return fmt.Sprintf("%s is empty: nothing is published there yet", dir)
	}
	below, _ := filepath.Glob(filepath.Join(dir, "*", "platforms.json"))
	if len(below) > 0 {
		return fmt.Sprintf("%s isn't what presolver published: serve %s", dir, filepath.Dir(below[0]))
	}
	return fmt.Sprintf("%s has no platforms.json: nothing is published there; name the output that presolver builds to", dir)
}

// patient lets an answer take as long as it needs while the client takes it piece by piece: a limit
// on the whole would cut off large RPMs on slow links.
func patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&patientWriter{w, http.NewResponseController(w)}, r)
	})
}

type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(p []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(pieceTime)); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// counters are what Prometheus is told.
type counters struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec // by kind and status
	sent        *prometheus.CounterVec // bytes, by kind
	going       prometheus.Gauge
	connections prometheus.Gauge
}

func newCounters(up *Upstream) *counters {
	c := &counters{
		registry:    prometheus.NewRegistry(),
		requests:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "presolver_requests_total", Help: "Requests that were answered."}, []string{"kind", "status"}),
		sent:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "presolver_sent_bytes_total", Help: "Bytes of answers that were sent, without headers."}, []string{"kind"}),
		going:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "presolver_requests", Help: "Requests that are being answered."}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "presolver_connections", Help: "Connections that are open."}),
	}
	c.registry.MustRegister(c.requests, c.sent, c.going, c.connections)
	if up != nil {
		c.registry.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "presolver_upstream_bytes_total", Help: "Bytes of files that came from upstream."}, func() float64 { return float64(up.came.Load()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "presolver_upstream_failures_total", Help: "Files that upstream didn't give."}, func() float64 { return float64(up.failures.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "presolver_kept_bytes", Help: "Bytes of files from upstream that are kept."}, func() float64 { return float64(up.kept.size()) }),
		)
	}
	return c
}

func (c *counters) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{}))
	return mux
}

func (c *counters) connection(state http.ConnState) {
	switch state {
	case http.StateNew:
		c.connections.Inc()
	case http.StateClosed, http.StateHijacked:
		c.connections.Dec()
	}
}

// count counts requests, and tells access of each.
func (c *counters) count(h http.Handler, access *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, counted := time.Now(), &countedWriter{ResponseWriter: w, status: http.StatusOK}
		c.going.Inc()
		defer func() {
			c.going.Dec()
			kind := kindOf(r.URL.Path)
			c.requests.WithLabelValues(kind, fmt.Sprint(counted.status)).Inc()
			c.sent.WithLabelValues(kind).Add(float64(counted.bytes))
			if access != nil {
				access.Info("request", "client", r.RemoteAddr, "method", r.Method, "path", r.URL.EscapedPath(), "range", r.Header.Get("Range"),
					"status", counted.status, "bytes", counted.bytes, "duration", time.Since(start).Round(time.Microsecond), "agent", r.UserAgent())
			}
		}()
		h.ServeHTTP(counted, r)
	})
}

type countedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countedWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
