// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// A downloadError is an error of transport, with what to do next.
type downloadError struct {
	transport *transport.Error
	described bool // by a repository that is there
}

func (e downloadError) Error() string {
	return fmt.Sprintf("downloading %s: %v: %s", e.transport.Label, e.transport.Err, e.advice())
}
func (e downloadError) Unwrap() error { return e.transport }

// explained makes one of an error of transport. Other errors stay.
func explained(err error, described bool) error {
	var e *transport.Error
	if errors.As(err, &e) {
		return downloadError{e, described}
	}
	return err
}

// advice is what to do about it.
func (d downloadError) advice() string {
	e := d.transport
	switch e.Kind {
	case transport.NoSpace:
		return "the disk is full: free some of it, or set cache to a folder on another one"
	case transport.Denied:
		return "make the folder one that presolver may write to, or set cache to another one"
	case transport.Corrupt:
		return "it is damaged or cut off, or the repository is just being updated: try again later"
	}
	var status *transport.StatusError
	if errors.As(e, &status) {
		if d.described && e.Kind == transport.NotFound {
			return "the repository doesn't have what it describes: run createrepo_c on it, or try again when it isn't being updated"
		}
		return statusAdvice(status.Code)
	}
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(e, transport.ErrRedirect):
		return "the server sends from one place to the next: correct the url, which a browser shows as the last one"
	case errors.As(e, &certificate):
		return "look at the clock, and whether ca-certificates is installed; a server with its own authority needs that among the system's"
	case errors.As(e, &name) && name.IsNotFound:
		return "there is no host of this name: correct the repository's url, or look at the name server in /etc/resolv.conf"
	case errors.As(e, &name):
		return "the name server doesn't answer: look at the network and at /etc/resolv.conf"
	case errors.Is(e, syscall.ECONNREFUSED):
		return "the host is there and nothing listens: start the web server, or correct the port in the url"
	case errors.Is(e, syscall.ENETUNREACH), errors.Is(e, syscall.EHOSTUNREACH), errors.Is(e, syscall.ENETDOWN):
		return "there is no way to the host: look at the network, or set https_proxy where there is a proxy"
	case errors.Is(e, transport.ErrStalled), isTimeout(e):
		return "it takes too long: look at the network and a firewall, or set https_proxy where there is a proxy; run it again, and it goes on from what is there"
	}
	return "run it again, and it goes on from what is there; name another mirror in urls if it stays so"
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func statusAdvice(code int) string {
	switch code {
	case http.StatusUnauthorized:
		return "the server wants a user name and a password: write them into the url, https://user:password@host/…, or correct them"
	case http.StatusForbidden:
		return "the server doesn't let this computer have it: ask whoever runs it, or correct the repository's url; some refuse so what they don't have"
	case http.StatusNotFound, http.StatusGone:
		return "the server doesn't have it: correct the repository's url, which has to be that of what holds repodata/"
	case http.StatusProxyAuthRequired:
		return "the proxy wants a user name and a password: write them into https_proxy"
	case http.StatusTooManyRequests:
		return "the server has too many requests: try again later, or set a lower rate or parallel in [transport]"
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return "the server is overloaded or being worked on: try again later, or name another mirror in urls"
	}
	if code >= 500 {
		return "the server is broken, which only who runs it can mend: try again later, or name another mirror in urls"
	}
	return "correct the repository's url"
}
