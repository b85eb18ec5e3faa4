// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"fmt"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// askRPM finds out what this computer's rpm would refuse, before a byte is downloaded for it: a
// database that it can't write, and RPMs that aren't signed where its policy demands that. What
// isn't known of an RPM yet is found out when it is there (inspect).
func (p *Plan) askRPM(ctx context.Context, s *ops.System, onlyTrusted bool) error {
	if len(p.Items)+len(p.Erase)+len(p.Twice) == 0 {
		return nil
	}
	policy, err := s.RPM.Policy(ctx)
	if err != nil {
		return err
	}
	if err := s.RPM.CheckWritable(ctx, policy); err != nil {
		var unwritable *rpm.UnwritableError
		if !errors.As(err, &unwritable) {
			return err
		}
		if unwritable.Rebuild {
			return wire.Errorf(wire.TransactionError, "%w, or repair the system, which does that", err)
		}
		return wire.Errorf(wire.TransactionError, "%w", err)
	}
	p.demands = policy.Demands
	for _, it := range p.Items {
		if it.pkg.Unsigned && !it.local && p.needsSignature(s, it, onlyTrusted) {
			return p.unsigned(s, it)
		}
	}
	return nil
}

// unsigned is the error of an item that isn't signed and must be.
func (p *Plan) unsigned(s *ops.System, it *Item) error {
	text := it.NEVRA.String() + " is not signed, so nobody vouches for it"
	switch {
	case p.demands != "" && !s.SignedRPMs:
		return wire.Errorf(wire.MissingGPGSignature, "%s, and %s: have it signed by who made it, and import the key (rpm --import)%s", text, p.policy(), p.relax())
	default:
		return wire.Errorf(wire.MissingGPGSignature, "%s: if you trust where it comes from, install it without only-trusted%s", text, unless(s))
	}
}

// unknownKey is the error of an item that is signed with a key that RPM's keyring doesn't have.
func (p *Plan) unknownKey(s *ops.System, it *Item, key string) error {
	text := fmt.Sprintf("%s is signed with the key %s, which this computer doesn't know", it.NEVRA, key)
	trust := fmt.Sprintf("if you trust it, have RPM know it (install the signature %s)", key)
	switch {
	case p.demands != "" && !s.SignedRPMs:
		return wire.Errorf(wire.MissingGPGSignature, "%s, and %s: %s%s", text, p.policy(), trust, p.relax())
	default:
		return wire.Errorf(wire.MissingGPGSignature, "%s: %s, or install without only-trusted%s", text, trust, unless(s))
	}
}

// policy says who demands signatures, where it isn't the configuration.
func (p *Plan) policy() string {
	return fmt.Sprintf("this computer's rpm installs only what is signed with a key that it knows (its macro %%_pkgverify_level is %q)", p.demands)
}

// relax says what to do for what nobody is going to sign.
func (p *Plan) relax() string {
	return `, or, since the source's digests vouch for its packages, put "%_pkgverify_level digest" into a file in /etc/rpm whose name begins with "macros."`
}
