// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/serve"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

type serveCmd struct {
	Dir       string   `arg:"" help:"The folder that build publishes in (output in its configuration). With --upstream one for what comes from there, which is made."`
	Listen    string   `default:":8080" placeholder:"ADDR" help:"The address and port to listen on, where systemd passes no socket; port 0: any that is free (${default})."`
	AccessLog string   `enum:",text,json" default:"" placeholder:"FORMAT" help:"Tell of each request on stderr, as text or as JSON."`
	Metrics   string   `placeholder:"ADDR" help:"Where Prometheus may ask for /metrics, e.g. 127.0.0.1:9090."`
	Upstream  string   `placeholder:"URL" help:"Serve what is published there: what is asked for comes from there once, and is kept."`
	Limit     string   `placeholder:"SIZE" help:"With --upstream, how much is kept, e.g. \"20 GiB\": what wasn't asked for for the longest goes first."`
	Rate      string   `placeholder:"SIZE" help:"With --upstream, how much may come in a second, e.g. \"500 KiB\"."`
	Key       []string `placeholder:"FINGERPRINT" help:"With --upstream, who has to have signed; say it for each. Without it laptops decide alone."`
	KeysDir   string   `placeholder:"DIR" help:"With --key, a folder of public keys beside those that are published."`
}

// Run serves a folder until the context ends, and then waits for the answers that are under way.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	o := serve.Options{}
	if c.AccessLog == "text" {
		o.Access = slog.New(slog.NewTextHandler(std.err, nil))
	} else if c.AccessLog == "json" {
		o.Access = slog.New(slog.NewJSONHandler(std.err, nil))
	}
	if err := c.upstream(&o, std); err != nil {
		return err
	}
	var err error
	if o.Root, err = os.OpenRoot(c.Dir); err != nil {
		return fmt.Errorf("opening the folder to serve: %w", err)
	}
	defer o.Root.Close()
	if c.Upstream == "" {
		if problem := serve.Problem(c.Dir); problem != "" {
			fmt.Fprintln(std.err, "warning: "+problem)
		}
	}
	listener, err := c.listen()
	if err != nil {
		return err
	}
	if c.Metrics != "" {
		if o.Metrics, err = net.Listen("tcp", c.Metrics); err != nil {
			return fmt.Errorf("listening for Prometheus: %w: choose another address with --metrics", err)
		}
	}
	fmt.Fprintf(std.out, "listening on %s\n", serve.URL(listener.Addr()))
	return serve.Run(ctx, listener, o)
}

// upstream reads what the flags say of another server.
func (c *serveCmd) upstream(o *serve.Options, std streams) error {
	if c.Upstream == "" {
		if c.Limit != "" || c.Rate != "" || len(c.Key) > 0 || c.KeysDir != "" {
			return &exitError{exitUsage, errors.New("--limit, --rate, --key and --keys-dir are about what comes from --upstream URL")}
		}
		return nil
	}
	u, err := url.Parse(c.Upstream)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return &exitError{exitUsage, fmt.Errorf("--upstream: %s is no http or https URL: name what laptops have as their source's url", transport.Redacted(c.Upstream))}
	}
	limit, err := config.ParseSize(c.Limit)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--limit: %w", err)}
	}
	rate, problem := config.ParseSize(c.Rate)
	if problem == nil && rate > 0 && rate < minRate {
		problem = fmt.Errorf("%s a second is less than the %d KiB that count as a dead link", c.Rate, minRate>>10)
	}
	if problem != nil {
		return &exitError{exitUsage, fmt.Errorf("--rate: %w", problem)}
	}
	var anchors []string
	for _, text := range c.Key {
		print, err := pgp.ParseFingerprint(text)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		anchors = append(anchors, print)
	}
	o.Upstream, err = serve.NewUpstream(serve.UpstreamOptions{
		URL: strings.TrimRight(c.Upstream, "/"), Dir: c.Dir, Limit: int64(limit), Anchors: anchors, Keyring: c.KeysDir,
		Net: transport.New(transport.Options{UserAgent: "presolver", Rate: int64(rate), RetryFor: 10 * time.Minute}),
		Log: cmp.Or(o.Access, slog.New(slog.NewTextHandler(std.err, nil))),
	})
	return err
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
