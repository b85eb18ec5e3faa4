// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Report is report.json: what was solved, and what was not and why.
type Report struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"`
	Serial   int64  `json:"serial"` // of what is published after the build
	// RolledBackTo is the earlier serial whose content was published again without a build; 0: none.
	RolledBackTo int64      `json:"rolled_back_to,omitempty"`
	Totals       Totals     `json:"totals"`
	Solved       []Solved   `json:"solved"`
	Unsolved     []Unsolved `json:"unsolved"`
	InBase       []string   `json:"in_base"` // names that need no tree: the base has them
	// LeftOut are the names of packages of the repositories that are none that rpm takes, as
	// solve.Visible writes them. They are no names that can be asked for.
	LeftOut []string `json:"left_out"`
	// Warnings are what is wrong with the repositories and kept no tree from being made.
	Warnings []solve.Warning `json:"warnings,omitempty"`
	// Mirrors are, by the id of the repository, those that trees name: the next build prefers them.
	Mirrors  map[string][]string `json:"mirrors,omitempty"`
	Replaced []Replaced          `json:"replaced"`

	Changed bool `json:"-"` // whether the build differs from the one before
}

// Totals count names. What was published for a name that was replaced, or was asked for with an
// architecture, is among Solved by its own name.
type Totals struct {
	Names    int `json:"names"`
	Solved   int `json:"solved"`
	Unsolved int `json:"unsolved"`
	InBase   int `json:"in_base"`
	Replaced int `json:"replaced"`
	// TakenOver counts those of the solved that the build before had made of the same, so that they
	// weren't made again.
	TakenOver int `json:"taken_over,omitempty"`
}

// Solved is a name that has a tree.
type Solved struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Packages int    `json:"packages"` // in the tree
	Download int64  `json:"download"` // bytes of their RPMs
}

// Unsolved is a name that has none, and the reason for people to read.
type Unsolved struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func newReport(platform string) *Report {
	return &Report{Format: tree.Format, Platform: platform, Solved: []Solved{}, Unsolved: []Unsolved{}, InBase: []string{}, LeftOut: []string{}, Replaced: []Replaced{}}
}

func (r *Report) sort() {
	slices.SortFunc(r.Solved, func(a, b Solved) int { // a name may be there for several architectures
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Packages, b.Packages), cmp.Compare(a.Download, b.Download))
	})
	slices.SortFunc(r.Unsolved, func(a, b Unsolved) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason)) })
	slices.Sort(r.InBase)
	slices.SortFunc(r.Replaced, func(a, b Replaced) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.By, b.By)) })
	r.Totals = Totals{len(r.Solved) + len(r.Unsolved) + len(r.InBase) + len(r.Replaced), len(r.Solved), len(r.Unsolved), len(r.InBase), len(r.Replaced), r.Totals.TakenOver}
}

func (r *Report) encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding the report: %w", err)
	}
	return append(data, '\n'), nil
}

// decode reads an old report, whose serial counts where there is no platform.json. A damaged one
// counts as none.
func (r *Report) decode(data []byte) {
	if json.Unmarshal(data, r) != nil {
		*r = Report{}
	}
}

// Mirrors are those that the trees of a platform in an output folder name, by the id of the
// repository: see solve.Repository.Prefer. It is empty where nothing was published.
func Mirrors(output, platform string) map[string][]string {
	var r Report
	if data, err := os.ReadFile(filepath.Join(output, platform, "report.json")); err == nil {
		r.decode(data)
	}
	return r.Mirrors
}

// GoOn has the next build of a platform in an output folder go on from a serial that was published elsewhere,
// where the folder has nothing of it: readers take no lower one. Where the folder has less, the error says
// so.
func GoOn(output, platform string, serial int64) error {
	f := newFolder(filepath.Join(output, platform), []string{""}, func(string) error { return nil })
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	defer f.abandon()
	var is Report
	if data, err := os.ReadFile(f.path("report.json")); err == nil {
		is.decode(data)
	}
	if exists(f.path("platform.json")) {
		p, err := OpenPublished(f.dir, 0)
		if err != nil {
			return nil // the build says it
		}
		if p.Serial < serial {
			return fmt.Errorf("%s has the serial %d, and elsewhere the serial %d is published already, from another folder: build there, or remove this one, and the build goes on from that", f.dir, p.Serial, serial)
		}
		return nil
	}
	if is.Serial >= serial {
		return nil
	}
	report := newReport(platform)
	report.Serial = serial
	content, err := report.encode()
	if err != nil {
		return err
	}
	if err := f.replace("report.json", content); err != nil {
		return err
	}
	return f.commit()
}
