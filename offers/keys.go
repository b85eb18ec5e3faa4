// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"errors"
	"fmt"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A KeyError tells that what a source publishes is signed, and that nobody has said whom to believe:
// the configuration names no key of it. Somebody who may has to decide.
type KeyError struct {
	Source Source
	URL    string // where the key is, without a password
	Key    *pgp.Key
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("it is signed with the key %s of %q, and the configuration names no key of this source: compare the fingerprint with that which whoever runs it tells you, and accept it where you are asked, as at the next refresh, or write keys = [%q] below the source's url", e.Key.Fingerprint, e.Key.UserID, e.Key.Fingerprint)
}

// TrustKey has a source believed from now on for what a key signs: the one that signs what the source
// publishes now, and has this fingerprint. It is for who may decide so, and for a source of which the
// configuration names no key. keep keeps the key before the configuration names it.
func (o *Offers) TrustKey(ctx context.Context, id, fingerprint string, keep func(*pgp.Key) error) error {
	if _, err := o.Configured(ctx); err != nil {
		return err
	}
	s := o.source(id)
	if s.URL == "" {
		return mark(ErrUnknownSource, "no source that is switched on has the id %.80q", id)
	}
	if !s.Signed || s.Keys != "" {
		return mark(ErrConfiguration, "the configuration says by whom the source %s is to be signed: another key has to be written there", id)
	}
	head, err := o.Net.Revalidate(ctx, o.layout(s).listURL(s), "", tree.MaxPlatform)
	if err != nil {
		return sourceError(s, err)
	}
	_, err = presolve{o}.check(ctx, s, db.Remote{Body: head.Body})
	var asked *KeyError
	if !errors.As(err, &asked) {
		return sourceError(s, err)
	}
	if asked.Key.Fingerprint != fingerprint {
		return mark(ErrOtherKey, "the source %s is signed with the key %s, and not with %s", id, asked.Key.Fingerprint, fingerprint)
	}
	if err := keep(asked.Key); err != nil {
		return err
	}
	if err := o.Configuration.Trust(id, fingerprint); err != nil {
		return mark(ErrConfiguration, "%w", err)
	}
	_, err = o.Configured(ctx)
	return err
}
