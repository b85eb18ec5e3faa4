// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"fmt"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// presolve is the layout Presolve.
type presolve struct{ *Offers }

func (l presolve) listURL(s Source) string { return l.publishedURL(s, "platform.json") }

func (l presolve) publishedURL(s Source, path string) string {
	return l.siteURL(s, l.Platform+"/"+path)
}

func (l presolve) siteURL(s Source, path string) string { return s.URL + "/" + escape(path) }

func (l presolve) tellsEpochs() bool { return true }

func (l presolve) kept(s Source) (*tree.Platform, error) { return l.keptPlatform(l.listURL(s)) }

// keptPlatform is the platform.json that the record has of a URL; nil where it has none.
func (o *Offers) keptPlatform(url string) (*tree.Platform, error) {
	var p *tree.Platform
	_, _, err := o.Record.Remote(url, func(body []byte) (err error) {
		p, err = tree.ParsePlatform(body, o.Platform)
		return err
	})
	return p, err
}

func (l presolve) ask(ctx context.Context, s Source, force bool) (map[string]db.Remote, *tree.Platform, error) {
	at := l.listURL(s)
	file, err := l.revalidate(ctx, at, tree.MaxPlatform)
	if err != nil {
		return nil, nil, err
	}
	p, err := tree.ParsePlatform(file.Body, l.Platform)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", transport.Redacted(at), err)
	}
	if before := l.view.platforms[s.ID]; before != nil && p.Serial < before.Serial && !force && s.Stick == "" {
		return nil, nil, fmt.Errorf("%s has the serial %d, older than the %d that this computer has seen: a server that was set back, or a copy that isn't kept up; a forced refresh takes it all the same", transport.Redacted(at), p.Serial, before.Serial)
	}
	return map[string]db.Remote{at: file}, p, nil
}
