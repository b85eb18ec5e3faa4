// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Layout is how a source lays its files out.
type Layout string

// The layouts.
const (
	// Presolve is this project's own: see package tree. The source's URL has a folder for each
	// platform.
	Presolve Layout = "presolve"
	// SugarNetwork is that of a Sugar Network node. The source's URL is the folder of the platform
	// itself, http://NODE/packages/PROJECT/PLATFORM.
	SugarNetwork Layout = "sugar-network"
)

// layouts is where a layout is registered.
var layouts = map[Layout]func(*Offers) layout{
	Presolve:     func(o *Offers) layout { return presolve{o} },
	SugarNetwork: func(o *Offers) layout { return sugarNetwork{o} },
}

// Layouts are the names of the layouts, sorted.
func Layouts() []string {
	var all []string
	for name := range layouts {
		all = append(all, string(name))
	}
	slices.Sort(all)
	return all
}

// A layout knows where the files of a source are, and makes of what they say the catalogue and
// trees that the rest of the program knows. It downloads through Offers.Net and keeps nothing but
// in Offers.Record.
type layout interface {
	// listURL is the file that changes in place and tells what the source offers. When it was last
	// asked for is how old the catalogue is.
	listURL(Source) string

	// ask asks the source what it offers: its platform.json, or one that says what the source does. What
	// the platform leads to is loaded by the caller, unless it is here already. force takes what is
	// older than what was seen, where nothing is signed. Nothing counts before the caller keeps the
	// listing.
	ask(ctx context.Context, s Source, force bool) (*listing, error)

	// kept is the platform that the record has of the source, at the URL that it has now; nil where it
	// has none that is believed.
	kept(Source) (*tree.Platform, error)

	// tellsEpochs tells whether the versions that it offers have the epochs that the packages have.
	tellsEpochs() bool

	// publishedURL is where a file may be that a platform.json, or what hangs on it, names by a
	// path in the platform's folder. It is empty where the layout has no such files.
	publishedURL(s Source, path string) string

	// siteURL is where a file may be that belongs to no platform, such as platforms.json; empty as
	// above.
	siteURL(s Source, path string) string
}

// layout is the layout of a source.
func (o *Offers) layout(s Source) layout { return layouts[s.Layout](o) }
