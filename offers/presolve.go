// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// presolve is the layout Presolve.
type presolve struct{ *Offers }

func (l presolve) listURL(s Source) string { return l.publishedURL(s, "platform.json") }

func (l presolve) publishedURL(s Source, path string) string {
	return l.siteURL(s, l.Platform+"/"+path)
}

func (l presolve) siteURL(s Source, path string) string { return s.URL + "/" + tree.EscapePath(path) }

func (l presolve) tellsEpochs() bool { return true }

// signersURL is what it is kept by who signed a platform.json that was accepted: nobody has a file
// there. Its validator is the fingerprints, its body the digest of what they signed.
func (l presolve) signersURL(s Source) string { return l.listURL(s) + "#signers" }

func (l presolve) kept(s Source) (*tree.Platform, error) {
	p, err := l.keptPlatform(l.listURL(s))
	if p == nil || err != nil || !s.Signed {
		return p, err
	}
	head, _, err := l.Record.Remote(l.listURL(s), nil)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(head.Body)
	believed, err := l.believed(s, digest[:])
	if err != nil || !believed {
		return nil, err
	}
	return p, nil
}

// believed tells whether a source's platform.json with this SHA-256 was accepted, and those are believed
// still who signed it.
func (l presolve) believed(s Source, digest []byte) (bool, error) {
	by, ok, err := l.Record.Remote(l.signersURL(s), nil)
	if !ok || err != nil || !bytes.Equal(by.Body, digest) {
		return false, err
	}
	return l.Trust.Believes(s.keys(), strings.Fields(by.Validator))
}

// keptPlatform is the platform.json that the record has of a URL; nil where it has none.
func (o *Offers) keptPlatform(url string) (*tree.Platform, error) {
	var p *tree.Platform
	_, _, err := o.Record.Remote(url, func(body []byte) (err error) {
		p, err = tree.ParsePlatform(body, o.Platform)
		return err
	})
	return p, err
}

func (l presolve) ask(ctx context.Context, s Source, force bool) (*listing, error) {
	all, err := l.head(ctx, s, force)
	if err == nil {
		err = l.copies(ctx, s, all)
	}
	return all, err
}

// head asks for platform.json.
func (l presolve) head(ctx context.Context, s Source, force bool) (*listing, error) {
	at := l.listURL(s)
	file, err := l.revalidate(ctx, at, tree.MaxPlatform)
	if err != nil {
		return nil, err
	}
	if s.Signed {
		return l.check(ctx, s, file)
	}
	p, err := tree.ParsePlatform(file.Body, l.Platform)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", transport.Redacted(at), err)
	}
	if before := l.view.kept[s]; before != nil && p.Serial < before.Serial && !force {
		return nil, fmt.Errorf("%s has the serial %d, older than the %d that this computer has seen: a server that was set back, or a copy that isn't kept up; a forced refresh takes it all the same", transport.Redacted(at), p.Serial, before.Serial)
	}
	return &listing{files: map[string]db.Remote{at: file}, platform: p}, nil
}

// check checks a platform.json that has to be signed. force doesn't come here: no user's wish switches
// a check off.
func (l presolve) check(ctx context.Context, s Source, file db.Remote) (*listing, error) {
	at := l.listURL(s)
	digest := sha256.Sum256(file.Body)
	by, err := l.believed(s, digest[:])
	if err != nil {
		return nil, err
	}
	if by {
		p, err := tree.ParsePlatform(file.Body, l.Platform)
		if err == nil && !l.Trust.Expired(p) { // it is what is here
			return &listing{files: map[string]db.Remote{at: file}, platform: p}, nil
		}
	}
	a, err := l.accepted(ctx, s, file.Body)
	if err != nil {
		return nil, err
	}
	files := map[string]db.Remote{
		at:              file,
		l.signersURL(s): {Validator: strings.Join(a.Signers, " "), Body: digest[:], Checked: file.Checked},
	}
	return &listing{files, a.Platform, a}, nil
}

// accepted is a platform.json whose signatures are believed.
func (l presolve) accepted(ctx context.Context, s Source, head []byte) (*trust.Accepted, error) {
	a, err := l.Trust.Check(ctx, l.claim(s, head))
	var refused *trust.Error
	switch {
	case errors.As(err, &refused) && refused.Key != nil:
		return nil, &KeyError{Source: s, URL: transport.Redacted(l.publishedURL(s, tree.KeyName(refused.Key.Fingerprint))), Key: refused.Key}
	case refused != nil:
		return nil, fmt.Errorf("%s: %w", transport.Redacted(l.publishedURL(s, refused.What)), err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", transport.Redacted(l.listURL(s)), err)
	}
	return a, nil
}

// claim is what a source says of itself.
func (l presolve) claim(s Source, head []byte) trust.Claim {
	return trust.Claim{Platform: l.Platform, Anchors: s.keys(), Head: head, Get: func(ctx context.Context, name string, most int64) ([]byte, error) {
		answer, err := l.Net.Revalidate(ctx, l.publishedURL(s, name), "", most)
		if notFound(err) {
			err = fs.ErrNotExist
		}
		return answer.Body, err
	}}
}

// keys are the fingerprints of those that are believed when they sign what the source publishes.
func (s Source) keys() []string { return strings.Fields(s.Keys) }
