// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Copies of RPMs: what a publisher's trees have in repositories, a copy of what it has published has
// itself, under another name, and says so in copies.json.

// copies adds what a place says of the copies that it has, where its platform.json is another one than
// the record has: a copy's is never newer than that.
func (l presolve) copies(ctx context.Context, s Source, of *listing) error {
	if len(of.platform.Repositories) == 0 {
		return nil
	}
	at, head := l.publishedURL(s, tree.CopiesName), of.files[l.listURL(s)]
	said, known, err := l.Record.Remote(at, nil)
	if err != nil {
		return err
	}
	if known && !transport.IsLocal(at) && said.Validator == head.Validator && head.Validator != "" {
		return nil
	}
	answer, err := l.Net.Revalidate(ctx, at, "", tree.MaxPlatform)
	if ctx.Err() != nil {
		return err
	}
	if err != nil && !notFound(err) { // it is a hint
		return nil
	}
	of.files[at] = db.Remote{Validator: head.Validator, Body: append([]byte{}, answer.Body...), Checked: time.Now()}
	return nil
}

// hasCopies tells whether a place says that it has copies of RPMs.
func (o *Offers) hasCopies(s Source) bool {
	at := o.layout(s).publishedURL(s, tree.CopiesName)
	if at == "" {
		return false
	}
	has := false
	_, _, err := o.Record.Remote(at, func(body []byte) error {
		c, err := tree.ParseCopies(body, o.Platform)
		has = err == nil && c.RPMs
		return nil
	})
	return has && err == nil
}

// isChosen tells whether a source says that it is a copy of some programs. It is asked.
func (o *Offers) isChosen(ctx context.Context, source string) bool {
	at := o.layout(o.source(source)).publishedURL(o.source(source), tree.CopiesName)
	if at == "" {
		return false
	}
	answer, err := o.Net.Revalidate(transport.Hurried(ctx), at, "", tree.MaxPlatform)
	if err != nil {
		return false
	}
	c, err := tree.ParseCopies(answer.Body, o.Platform)
	return err == nil && c.Chosen
}

// copiesOf are where a copy of an RPM may be that its tree has in a repository: in folders of this
// computer, at places that say that they have such, and, last, anywhere else. A stick is found by
// these too.
func (o *Offers) copiesOf(source string, p *tree.Package) (near, last []string) {
	name := tree.CopyOf(p)
	for _, s := range o.Sources {
		u := o.layout(s).publishedURL(s, name)
		switch {
		case u == "", name == "":
		case transport.IsLocal(u), o.hasCopies(s):
			near = append(near, u)
		case s.ID == source:
			last = slices.Insert(last, 0, u)
		default:
			last = append(last, u)
		}
	}
	return near, last
}
