// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// provides answers what-provides: the packages that provide one of these things. A value is the
// name of a package, a capability as packages write it, "mimehandler(image/png)", what stands
// between its parentheses, as old clients send it, or the path of a file.
func provides(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	w.Status(wire.StatusQuery)
	if err := checkCount(r.Values); err != nil {
		return err
	}
	var paths []string
	var wanted []want
	for _, v := range r.Values {
		if strings.HasPrefix(v, "/") {
			paths = append(paths, v)
		} else {
			wanted = append(wanted, spellings(v)...)
		}
	}
	var installed []string
	var err error
	if r.Filters.Pass(wire.Installed, true) {
		installed, err = s.InstalledWith(ctx, func(h *rpm.Header) bool {
			return slices.ContainsFunc(h.Provides(), func(p string) bool {
				return slices.ContainsFunc(wanted, func(t want) bool { return t.metBy(p) })
			}) || len(paths) > 0 && hasFile(h, paths)
		})
		if err != nil {
			return err
		}
	}
	var o offering
	var unready error
	if r.Filters.Pass(wire.Installed, false) {
		if unready = providing(ctx, s, w, &o, r.Values, wanted, paths); offers.Ends(unready) {
			return unready
		}
		w.Status(wire.StatusQuery)
	}
	if _, _, err := s.List(ctx, w, r.Filters, o.query(installed)); err != nil {
		return err
	}
	if err := s.ListMembers(ctx, w, r.Filters, o.members); err != nil {
		return err
	}
	return unready
}

// providing finds the packages on offer that provide something that is wanted, or have one of these
// files.
func providing(ctx context.Context, s *ops.System, w *wire.Writer, o *offering, values []string, wanted []want, paths []string) error {
	match := func(name string) bool {
		return slices.Contains(paths, name) || slices.ContainsFunc(wanted, func(t want) bool { return t.metBy(name) })
	}
	err := o.asked(ctx, s, w, values, match)
	if err != nil || o.found() {
		return err
	}
	var names []string
	for _, t := range wanted { // what old clients send isn't in full
		names = append(names, t.text)
	}
	return o.asked(ctx, s, w, names, match)
}

// kinds are the capabilities that a value without one may mean: those that dnf's and zypp's
// backends try.
var kinds = []string{
	"gstreamer0.10", "gstreamer1", "font", "mimehandler", "postscriptdriver", "plasma4", "plasma5", "language", "modalias", "application",
}

// A want is one thing that is asked for: the name of a package, or kind and what is in the
// parentheses.
type want struct{ text, kind string }

// spellings are what a value may mean.
func spellings(value string) []want {
	if kind, _, ok := strings.Cut(value, "("); ok && strings.HasSuffix(value, ")") {
		return []want{{value, kind}}
	}
	all := []want{{value, ""}}
	for _, kind := range kinds {
		all = append(all, want{kind + "(" + value + ")", kind})
	}
	return all
}

func (t want) codec() bool { return t.kind == "gstreamer1" || t.kind == "gstreamer0.10" }

// metBy tells whether something that a package provides is what is wanted.
func (t want) metBy(provided string) bool {
	switch {
	case provided == t.text:
		return true
	case t.codec():
		return base(provided) == base(t.text) && compatible(details(t.text), details(provided))
	case t.kind == "modalias":
		// A driver says for which devices it is by a pattern.
		pattern, ok := strings.CutPrefix(provided, "modalias(")
		if !ok {
			return false
		}
		ok, err := path.Match(strings.TrimSuffix(pattern, ")"), strings.TrimSuffix(strings.TrimPrefix(t.text, "modalias("), ")"))
		return err == nil && ok
	}
	return false
}

// base is "gstreamer1(decoder-audio/mpeg)" of
// "gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)".
func base(codec string) string {
	if i := strings.IndexByte(codec, ')'); i >= 0 {
		return codec[:i+1]
	}
	return codec
}

// details are what follows the base: "mpegversion": "4". The suffix that RPM marks 64 bit packages
// with says nothing here: all packages are for this computer.
func details(codec string) map[string]string {
	all := make(map[string]string)
	rest := strings.TrimSuffix(strings.TrimPrefix(codec, base(codec)), "()(64bit)")
	for part := range strings.SplitSeq(strings.Trim(rest, "()"), ")(") {
		if key, value, ok := strings.Cut(part, "="); ok {
			all[key] = value
		}
	}
	return all
}

// compatible tells whether a codec with some details may be what is asked for with others: as caps
// can intersect, what one side leaves open doesn't matter. A side may have several values, "{ 1, 2
// }" or "[ 1, 3 ]": that is not looked into.
func compatible(a, b map[string]string) bool {
	for key, value := range a {
		if other, ok := b[key]; ok && other != value && !strings.ContainsAny(value+other, "{[") {
			return false
		}
	}
	return true
}
