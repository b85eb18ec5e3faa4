// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A PlatformOffer is a platform that a source publishes.
type PlatformOffer struct {
	Platform string
	Source   Source
}

// OtherPlatforms are the platforms of this computer's architecture, beside its own, that sources
// say they publish. A node of Sugar Network doesn't say. It is no error that some sources can't be
// asked.
func (o *Offers) OtherPlatforms(ctx context.Context) ([]PlatformOffer, error) {
	if err := o.readView(ctx); err != nil { // the architecture is known from the catalogue
		return nil, err
	}
	var all []PlatformOffer
	var failed error // the first source that could not be asked
	asked := 0
	seen := map[string]bool{o.Platform: true}
	for _, source := range o.Sources {
		at := o.layout(source).siteURL(source, "platforms.json")
		if at == "" {
			continue
		}
		answer, err := o.Net.Revalidate(ctx, at, "", tree.MaxPlatform)
		if Ends(err) {
			return nil, err
		}
		if notFound(err) { // an older server
			asked++
			continue
		}
		var p *tree.Platforms
		if err == nil {
			p, err = tree.ParsePlatforms(answer.Body)
		}
		if err != nil {
			o.Log.Warn("a source doesn't say what else it publishes", "source", source.ID, "error", err)
			if failed == nil {
				failed = sourceError(source, err)
			}
			continue
		}
		asked++
		for _, e := range p.Platforms {
			if e.Arch == o.Arch() && !seen[e.Platform] {
				seen[e.Platform] = true
				all = append(all, PlatformOffer{e.Platform, source})
			}
		}
	}
	if asked == 0 {
		return nil, failed
	}
	return all, nil
}
