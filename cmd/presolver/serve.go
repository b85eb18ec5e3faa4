// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

type serveCmd struct {
	Dir    string `arg:"" type:"existingdir" help:"The folder that build publishes in (output in its configuration)."`
	Listen string `default:":8080" placeholder:"ADDR" help:"The address and port to listen on, where systemd passes no socket; port 0: any that is free (${default})."`
}

// How long a client may take, so that slow or silent ones don't use up the server: for a request's
// header, between two requests, and for taking a piece of an answer.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	pieceTime  = time.Minute
)

// Run serves a folder until the context ends, and then waits for the answers that are under way.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return fmt.Errorf("opening the folder to serve: %w", err)
	}
	defer root.Close()
	listener, err := c.listen()
	if err != nil {
		return err
	}
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
		},
		Handler:           patient(newSite(root)),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
	}
	fmt.Fprintf(std.out, "listening on http://%s/\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), pieceTime)
	defer cancel()
	silent.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	err = server.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // who hasn't taken a piece by then
	}
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// listen is the socket that systemd has passed (sd_listen_fds(3)), else one of its own.
func (c *serveCmd) listen() (net.Listener, error) {
	passed, err := activation.Listeners()
	switch {
	case err != nil || len(passed) > 1 || len(passed) == 1 && passed[0] == nil:
		return nil, errors.New("listening: systemd has passed what isn't one listening socket: presolver.socket may have one ListenStream")
	case len(passed) == 1:
		return passed[0], nil
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening: %w: choose another address with --listen", err)
	}
	return listener, nil
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
