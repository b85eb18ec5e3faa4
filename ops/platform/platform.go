// SPDX-License-Identifier: GPL-2.0-or-later

// Package platform has the ops about the platform as a whole: get-distro-upgrades and
// upgrade-system.
package platform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["get-distro-upgrades"] = ops.Func(func(ctx context.Context, w *wire.Writer, _ *wire.Request) error {
		all, err := upgrades(ctx, s, w)
		for _, p := range all {
			name := p.Source.Name
			if name == "" {
				name = p.Source.ID
			}
			w.DistroUpgrade("stable", p.Platform, fmt.Sprintf("%s, published by %s", p.Platform, name))
		}
		return err
	})
	m["upgrade-system"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return upgrade(ctx, s, w, r) })
}

// named is how a person knows a source.
func named(source offers.Source) string {
	if source.Name == "" {
		return source.ID
	}
	return fmt.Sprintf("%s (%s)", source.Name, source.ID)
}

// upgrades are the later releases of this platform that the sources publish, the latest first.
func upgrades(ctx context.Context, s *ops.System, w *wire.Writer) ([]offers.PlatformOffer, error) {
	w.Status(wire.StatusQuery)
	all, err := s.Offers.OtherPlatforms(ctx)
	if err != nil {
		return nil, err
	}
	family, version := release(s.Offers.Platform, s.Offers.Arch())
	all = slices.DeleteFunc(all, func(p offers.PlatformOffer) bool {
		f, v := release(p.Platform, s.Offers.Arch())
		return f != family || tree.CompareEVR(v, version) <= 0
	})
	slices.SortStableFunc(all, func(a, b offers.PlatformOffer) int {
		_, v := release(a.Platform, s.Offers.Arch())
		_, u := release(b.Platform, s.Offers.Arch())
		return tree.CompareEVR(u, v)
	})
	return all, nil
}

// release takes a platform's name apart: "fedora" and "18" of "fedora-18-i686".
func release(platform, arch string) (family, version string) {
	name := strings.TrimSuffix(platform, "-"+arch)
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

// upgrade answers upgrade-system. Trees are solved against a standard installation that comes as an
// image: to become another platform a computer gets another image. Pretending otherwise would leave
// it half-way.
func upgrade(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	all, err := upgrades(ctx, s, w)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Platform == r.Name || strings.TrimSuffix(p.Platform, "-"+s.Offers.Arch()) == r.Name {
			return wire.Errorf(wire.NotSupported, "this computer has %s, and its system comes as an image: save what is yours, write the image of %s to it, and set platform = %q in the configuration; the source %s has the programs for it",
				s.Offers.Platform, p.Platform, p.Platform, named(p.Source))
		}
	}
	return wire.Errorf(wire.NoDistroUpgradeData, "no source publishes %.80q as a later release of %s: the list of upgrades of the system tells which there are", r.Name, s.Offers.Platform)
}
