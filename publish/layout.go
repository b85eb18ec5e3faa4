// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Layouts are all that there are. An RPM is put where the first that is used has it, and linked
// from there to the others.
var Layouts = []*Layout{Presolve, SugarNetwork}

// A Layout is a way to lay out what is published. What is common to all is the builder's: solving,
// getting RPMs, the report, locking, making all appear at once, and removing what nobody can ask
// for any more.
type Layout struct {
	Name string
	// NeedsRPMs: it says nothing of repositories, so it needs Options.Copy.
	NeedsRPMs bool
	// FileLists: it publishes packages' files, so it needs solve.Config.FileLists.
	FileLists bool

	dir  func(o *Options) string // its folder, no other layout's
	subs []string                // the folders of that which have its files: see folder
	rpms string                  // where in it RPMs are: "" or a name that ends with a slash
	// open looks at what is published, and says so in the builder.
	open func(b *builder, f *folder) (writer, error)
	// after is called when all has appeared; nil: there is nothing to do.
	after func(ctx context.Context, b *builder) error
}

// A writer writes the files of a layout into its folder, with the folder's add and replace. What
// these weren't called with, new or not, the build doesn't have, and fate decides.
type writer interface {
	// begin is called before the first add, with the names that are going to be solved.
	begin(ctx context.Context, names []string) error
	// add takes a tree. The error is refused where laptops wouldn't take it. Several goroutines call
	// it at once.
	add(t *tree.Tree, r solve.Result) error
	// stay is called in place of begin, add and index where all is as it is published.
	stay()
	// index is called after the last add: it adds what leads to the trees, and tells whether
	// anything but an expiry differs from what is published.
	index(ctx context.Context) (changed bool, err error)
	// head adds what tells the serial, if anything does: what appears last.
	head(ctx context.Context, serial int64) error
	// fate tells what becomes of a file that the build doesn't have.
	fate(name string) fate
}

// fate is what becomes of a file that a build doesn't have.
type fate int

const (
	stays fate = iota // it isn't the layout's
	waits             // it goes when nobody can know of it any more
	goes              // it goes: who sees it takes it for what is published
)

// A target is a layout that is used.
type target struct {
	*Layout
	folder *folder
	writer
}

// LayoutNamed is the layout of that name, nil where there is none.
func LayoutNamed(name string) *Layout {
	for _, l := range Layouts {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// LayoutNames are the names of all layouts.
func LayoutNames() (names []string) {
	for _, l := range Layouts {
		names = append(names, l.Name)
	}
	return names
}
