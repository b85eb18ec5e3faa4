// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// infoUntrusted tells in a simulation of a package that isn't trusted.
const infoUntrusted wire.Info = "untrusted"

// inspect reads from the RPMs themselves what their sources don't vouch for: that they are the
// packages that they should be, their epochs, what they obsolete, and who signed them. A digest
// only says that an RPM is the one that the tree leads to. What can't be used doesn't stay in the
// cache; anew tells that another download may bring what can: where no digest says that the same
// would come.
func (c *change) inspect(ctx context.Context) (anew bool, err error) {
	var wrong error // of the first that can't be used; the others are still looked at, so that all of them go
	changed := false
	for _, it := range c.Items {
		h, err := c.read(it)
		if errors.As(err, new(syscall.Errno)) { // this computer's, not the RPM's
			return false, err
		}
		if err != nil {
			anew = c.drop(it) && it.file.Digest == "" || anew
			wrong = cmp.Or(wrong, err)
		}
		if wrong != nil {
			continue
		}
		if is := ops.NEVRA(h); it.file.Digest == "" && !it.local && (it.NEVRA != is || it.Summary != h.Summary) {
			it.NEVRA, it.Summary, changed = is, h.Summary, true
		}
		changed = it.installOnly(h) || changed
		obsoleted := len(it.Obsoleted)
		if err := c.obsolete(c.s, it, h.Obsoletes()); err != nil {
			return false, err
		}
		changed = changed || len(it.Obsoleted) != obsoleted
		if err := c.verify(ctx, it); err != nil {
			return false, err
		}
	}
	if wrong != nil || !changed {
		return anew, wrong
	}
	return false, c.s.Record.SetPlan(ctx, c.journal, c.planned())
}

// read reads the header of an item's RPM, which must be that of the package that is in the plan.
func (c *change) read(it *Item) (*rpm.Header, error) {
	h, err := rpm.ReadFile(it.file.Path)
	if errors.As(err, new(syscall.Errno)) {
		return nil, fmt.Errorf("reading what was downloaded of %s: %w", it.NEVRA, err)
	}
	if err != nil {
		return nil, wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is no RPM, or damaged: %w: nothing was installed", it.Source, it.NEVRA, err)
	}
	is, want := ops.NEVRA(h), it.NEVRA
	if it.file.Digest == "" && it.pkg.Size == 0 { // a source without digests doesn't tell epochs either
		want.Epoch = is.Epoch
	}
	switch {
	case h.IsSource():
		return nil, wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is a source package: nothing was installed", it.Source, it.NEVRA)
	case is != want:
		return nil, wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is %s: nothing was installed", it.Source, it.NEVRA, is)
	}
	return h, nil
}

// drop removes an RPM that can't be used from the cache, and tells whether it was there. A user's
// own file stays.
func (c *change) drop(it *Item) bool { return !it.local && os.Remove(it.file.Path) == nil }

// verifyLocal verifies the user's own files before anything is downloaded for them; inspect does
// again, right before rpm runs.
func (c *change) verifyLocal(ctx context.Context) error {
	for _, it := range c.Items {
		if it.local {
			if err := c.verify(ctx, it); err != nil {
				return err
			}
		}
	}
	return nil
}

// verify checks an item's signature, where it needs one.
func (c *change) verify(ctx context.Context, it *Item) error {
	if !c.needsSignature(c.s, it, c.flags[wire.OnlyTrusted]) {
		return nil
	}
	c.w.Status(wire.StatusSigCheck)
	return c.signed(ctx, c.s, it)
}

// needsSignature tells whether an item may only be installed with a signature that RPM's keyring
// knows. A tree's digest vouches for an RPM as a signature would, through the source that the
// configuration trusts; so PackageKit's only-trusted asks for signatures where there is no digest:
// of a user's own files, and of Sugar Network's. Where the administrator demands signatures, by this
// program's configuration or by rpm's, a digest won't do.
func (p *Plan) needsSignature(s *ops.System, it *Item, onlyTrusted bool) bool {
	return s.SignedRPMs || p.demands != "" || onlyTrusted && it.file.Digest == ""
}

// allSigned tells whether every RPM of the plan needs a signature: then the rpm that installs them
// verifies that itself.
func (c *change) allSigned() bool {
	return !slices.ContainsFunc(c.Items, func(it *Item) bool { return !c.needsSignature(c.s, it, c.flags[wire.OnlyTrusted]) })
}

// signed tells whether RPM's keyring knows who signed an item.
func (p *Plan) signed(ctx context.Context, s *ops.System, it *Item) error {
	trust, key, err := s.RPM.CheckSignature(ctx, it.file.Path)
	switch {
	case err != nil:
		return err
	case trust == rpm.Bad:
		if !it.local {
			os.Remove(it.file.Path)
		}
		return wire.Errorf(wire.BadGPGSignature, "%s is signed with the key %s, and is not what was signed: it was changed on the way, and is not installed", it.NEVRA, key)
	case trust == rpm.NoKey:
		return p.unknownKey(s, it, key)
	case trust == rpm.Unsigned:
		return p.unsigned(s, it)
	}
	return nil
}

// unless tells of what a user can't answer by trusting.
func unless(s *ops.System) string {
	if s.SignedRPMs {
		return "; here the configuration has to allow that first, with rpm_signatures = \"optional\""
	}
	return ""
}

// tellUntrusted tells in a simulation which packages only-trusted would refuse, as far as that is
// known before they are downloaded: PackageKit then asks the user at once.
func (p *Plan) tellUntrusted(ctx context.Context, s *ops.System, w *wire.Writer, onlyTrusted bool) error {
	for _, it := range p.Items {
		if !onlyTrusted || !p.needsSignature(s, it, onlyTrusted) || !it.local && (s.SignedRPMs || p.demands != "") {
			continue
		}
		if it.local {
			trust, _, err := s.RPM.CheckSignature(ctx, it.file.Path)
			if err != nil {
				return err
			}
			if trust == rpm.Signed {
				continue
			}
		}
		w.Package(infoUntrusted, it.ID(), it.Summary)
	}
	return nil
}
