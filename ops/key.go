// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"errors"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// SourceKey is the id by which PackageKit is asked to have the key of a source trusted: PackageKit
// knows keys of packages only. No package has an empty architecture.
func SourceKey(source string) wire.PackageID {
	return wire.PackageID{Name: "presolve-source", Version: "0", Data: source}
}

// KeyOf is the source that SourceKey made an id of; false where the id is a package's.
func KeyOf(id wire.PackageID) (source string, ok bool) {
	return id.Data, id == SourceKey(id.Data)
}

// tellKey asks whoever asked for the op to trust a key, where that is why it failed.
func tellKey(w *wire.Writer, err error) {
	var k *offers.KeyError
	if !errors.As(err, &k) {
		return
	}
	w.RepoSignatureRequired(wire.Signature{
		ID: SourceKey(k.Source.ID), Source: k.Source.Name, URL: k.URL, UserID: k.Key.UserID,
		KeyID: k.Key.Fingerprint, Fingerprint: k.Key.Fingerprint, At: k.Key.Created.UTC().Format(time.DateOnly),
	})
}
