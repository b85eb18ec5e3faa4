package transaction

import (
	"context"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// infoUntrusted tells in a simulation of a package that isn't trusted.
const infoUntrusted wire.Info = "untrusted"

// inspect reads from the RPMs themselves what their sources don't vouch for: that they are the packages that they should be, their
// epochs, what they obsolete, and who signed them.
func (c *change) inspect(ctx context.Context) error {
	changed := false
	for _, it := range c.Items {
		h, err := rpm.ReadFile(it.file.Path)
		if err != nil {
			return wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is no RPM: %w", it.Source, it.NEVRA, err)
		}
		if it.file.SHA256 == "" && !it.local {
			is := ops.NEVRA(h)
			want := it.NEVRA
			want.Epoch = is.Epoch
			if is != want {
				return wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is %s", it.Source, it.NEVRA, is)
			}
			if it.NEVRA != is || it.Summary != h.Summary {
				it.NEVRA, it.Summary, changed = is, h.Summary, true
			}
		}
		obsoleted := len(it.Obsoleted)
		if err := c.obsolete(c.s, it, h.Obsoletes()); err != nil {
			return err
		}
		changed = changed || len(it.Obsoleted) != obsoleted
		if it.local {
			continue
		}
		if err := c.verify(it); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return c.s.Record.SetPlan(ctx, c.journal, c.planned())
}

// verifyLocal verifies the user's own files: before anything is downloaded for them.
func (c *change) verifyLocal() error {
	for _, it := range c.Items {
		if it.local {
			if err := c.verify(it); err != nil {
				return err
			}
		}
	}
	return nil
}

// verify checks an item's signature, where it needs one.
func (c *change) verify(it *Item) error {
	if !c.needsSignature(c.s, it, c.flags[wire.OnlyTrusted]) {
		return nil
	}
	c.w.Status(wire.StatusSigCheck)
	return signed(c.s, it)
}

// needsSignature tells whether an item may only be installed with a signature that RPM's keyring knows. A tree's digest vouches
// for an RPM as a signature would, through the source that the configuration trusts; so PackageKit's only-trusted asks for signatures
// where there is no digest: of a user's own files, and of Sugar Network's.
func (p *Plan) needsSignature(s *ops.System, it *Item, onlyTrusted bool) bool {
	return s.SignedRPMs || onlyTrusted && it.file.SHA256 == ""
}

// signed tells whether RPM's keyring knows who signed an item.
func signed(s *ops.System, it *Item) error {
	trust, key, err := s.RPM.CheckSignature(it.file.Path)
	switch {
	case err != nil:
		return err
	case trust == rpm.Bad:
		if !it.local {
			os.Remove(it.file.Path)
		}
		return wire.Errorf(wire.BadGPGSignature, "%s is signed with the key %s, and is not what was signed: it was changed on the way, and is not installed", it.NEVRA, key)
	case trust == rpm.NoKey:
		return wire.Errorf(wire.MissingGPGSignature, "%s is signed with the key %s, which this computer doesn't know: if you trust it, install it (pkcon install-sig gpg %s …), or install without only-trusted%s", it.NEVRA, key, key, unless(s))
	case trust == rpm.Unsigned:
		return wire.Errorf(wire.MissingGPGSignature, "%s is not signed, so nobody vouches for it: if you trust where it comes from, install it without only-trusted%s", it.NEVRA, unless(s))
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

// tellUntrusted tells in a simulation which packages only-trusted would refuse, as far as that is known before they are downloaded:
// PackageKit then asks the user at once.
func (p *Plan) tellUntrusted(s *ops.System, w *wire.Writer, onlyTrusted bool) error {
	for _, it := range p.Items {
		if !onlyTrusted || !p.needsSignature(s, it, onlyTrusted) || !it.local && s.SignedRPMs {
			continue
		}
		if it.local {
			trust, _, err := s.RPM.CheckSignature(it.file.Path)
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
