// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Kind is what a caller can do something about.
type Kind int

const (
	NoNetwork   Kind = iota + 1 // no source could be resolved and connected to
	NotFound                    // every source answered that it has no such file
	Refused                     // the sources answered and won't give it: forbidden, a bad certificate, a bad redirect
	Corrupt                     // what the sources give has the wrong size or digest, also when fetched anew
	NoSpace                     // the disk, or the user's part of it, is full
	Denied                      // the local folder or file can't be written or read: permissions, read-only, a failing disk
	Interrupted                 // a source was reached, and then no byte arrived for as long as the options allow
)

func (k Kind) String() string {
	switch k {
	case NoNetwork:
		return "no network"
	case NotFound:
		return "not found"
	case Refused:
		return "refused"
	case Corrupt:
		return "corrupt"
	case NoSpace:
		return "no space"
	case Denied:
		return "denied"
	case Interrupted:
		return "interrupted"
	}
	return "kind " + strconv.Itoa(int(k))
}

// An Error is a file that was given up.
type Error struct {
	Kind  Kind
	Label string // of the file
	URL   string // the source that was asked last, without a password; empty if none was
	Err   error  // what each source answered, or what the disk said
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v: %v", e.Label, e.Kind, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the Error in an error; 0 where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// What can be in an Error, as what a source answered.
var (
	ErrRedirect = errors.New("a redirect that isn't followed")
	ErrStalled  = errStalled // a source that sent too little for too long
	// This computer knows no way to the source: no route, no name server, no such name.
	ErrNoRoute = errors.New("no way to the source is known")
	// The source's computer, or the proxy, is there and nothing listens.
	ErrNoServer = errors.New("nothing listens there")
	// The source has no certificate that this computer believes now.
	ErrCertificate = errors.New("a certificate that isn't believed")
)

// A StatusError is a server's answer that has not what was asked for.
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code))
}

// A trouble is what went wrong with one source in one try. Errors that are no trouble are of the
// local disk.
type trouble struct {
	kind  Kind          // what it is if it stays so
	wait  time.Duration // the source asked to be left alone for so long
	final bool          // no source is worth another try
	// crowded tells that the source may have more requests at once than it takes.
	crowded bool
	// noRoute tells that there is no way to the source: no route, no name server, no such name.
	noRoute bool
	// refused tells that the source's computer, or the proxy, is there and nothing listens.
	refused bool
	// certificate tells that the source's isn't believed.
	certificate bool
	err         error
}

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

func (t *trouble) Is(target error) bool {
	return t.noRoute && target == ErrNoRoute || t.refused && target == ErrNoServer || t.certificate && target == ErrCertificate
}

// temporary tells whether the same source may do better in a while.
func (t *trouble) temporary() bool { return t.kind == NoNetwork || t.kind == Interrupted }

func wrongContent(format string, a ...any) *trouble {
	return &trouble{kind: Corrupt, err: fmt.Errorf(format, a...)}
}

// notPromised is for content whose digest is not the one that it should have. Which one it has
// isn't told: it may be of a file that only root reads.
func notPromised(digest tree.Digest) *trouble {
	return wrongContent("it isn't what its source promised, which has the %s", digest.Text())
}

// unexpected tells what an answer means that has not what was asked for.
func unexpected(resp *http.Response, now time.Time) *trouble {
	t := &trouble{kind: Refused, err: &StatusError{resp.StatusCode}}
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		t.kind = NotFound
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil { // the computer's own clock may be years off
			now = date
		}
		t.kind, t.wait = Interrupted, retryAfter(resp.Header.Get("Retry-After"), now)
		t.crowded = code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable
	case code < 300:
		t.kind = Corrupt
	}
	return t
}

// retryAfter reads a Retry-After header, seconds or a date. More than 2 minutes is nothing that we
// wait for without looking again.
func retryAfter(header string, now time.Time) time.Duration {
	const most = 2 * time.Minute
	var d time.Duration
	if s, err := strconv.ParseUint(header, 10, 31); err == nil {
		d = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), most)
}

// localError gives an error of the disk its kind.
func localError(label string, err error) *Error {
	kind := Denied
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		kind = NoSpace
	}
	return &Error{Kind: kind, Label: label, Err: err}
}

// answers is what each source said last.
type answers []*source

func (a answers) Error() string {
	var b strings.Builder
	for i, s := range a {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %v", Redacted(s.url), s.last)
		if s.tries > 1 {
			fmt.Fprintf(&b, " (%d tries)", s.tries)
		}
	}
	if len(a) == 0 {
		return "no source has it"
	}
	return b.String()
}

func (a answers) Unwrap() []error {
	var errs []error
	for _, s := range a {
		errs = append(errs, s.last)
	}
	return errs
}

// Redacted is a URL as people and logs are told it: without what proves who asks. Who sees the
// errors and logs of this program need not be who configured the source.
func Redacted(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || strings.Contains(u.Opaque+u.RawQuery+u.Fragment, "@") { // all that may be of a password goes
		if i := strings.LastIndexByte(rawURL, '@'); i >= 0 {
			rawURL = "xxxxx" + rawURL[i:]
		}
		return strconv.Quote(rawURL)
	}
	if u.User != nil {
		if _, ok := u.User.Password(); !ok { // a token
			u.User = url.User("xxxxx")
		}
	}
	return u.Redacted()
}
