// SPDX-License-Identifier: GPL-2.0-or-later

package rich

import (
	"errors"
	"fmt"
	"strings"

	rpmversion "github.com/knqyf263/go-rpm-version"
)

// A Sense says which versions a dependency is about; 0: all.
type Sense uint8

// What a Sense is made of.
const (
	Less Sense = 1 << iota
	Greater
	Equal
)

// senses are how dependencies are written (rpmParseDSFlags), the usual way of each first.
var senses = []struct {
	text  string
	sense Sense
}{
	{"<", Less}, {"<=", Less | Equal}, {"=", Equal}, {">=", Greater | Equal}, {">", Greater},
	{"=<", Less | Equal}, {"==", Equal}, {"=>", Greater | Equal},
}

func parseSense(s string) Sense {
	for _, known := range senses {
		if s == known.text {
			return known.sense
		}
	}
	return 0
}

// A Dep is a plain dependency, or something that a package provides: a name or a path, and a range
// of versions where Sense isn't 0. EVR is [epoch:]version[-release].
type Dep struct {
	Name  string
	Sense Sense
	EVR   string
}

// ParseDep reads what String writes.
func ParseDep(s string) (Dep, error) {
	if len(s) > MaxLength {
		return Dep{}, fmt.Errorf("a dependency of %d bytes, more than %d", len(s), MaxLength)
	}
	f := strings.Fields(s)
	switch {
	case len(f) == 0 || strings.HasPrefix(f[0], "("):
	case len(f) == 1:
		return Dep{Name: f[0]}, nil
	case len(f) == 3 && parseSense(f[1]) != 0:
		return Dep{f[0], parseSense(f[1]), f[2]}, nil
	}
	return Dep{}, errors.New("it is none of the form name, or name operator version")
}

// String is the dependency as spec files have it: "libtext", "libtext >= 2:0.9".
func (d Dep) String() string {
	for _, known := range senses {
		if d.Sense == known.sense {
			return d.Name + " " + known.text + " " + d.EVR
		}
	}
	return d.Name
}

// Overlaps tells whether a dependency and something that is provided have the same name and ranges
// of versions that overlap. What has no version overlaps with all; where one side has no release,
// any will do; where one has no epoch, it is 0.
func (d Dep) Overlaps(provided Dep) bool {
	if d.Name != provided.Name {
		return false
	}
	if d.Sense == 0 || provided.Sense == 0 || d.EVR == "" || provided.EVR == "" {
		return true
	}
	e1, v1, r1 := splitEVR(d.EVR)
	e2, v2, r2 := splitEVR(provided.EVR)
	c := compareEpochs(e1, e2)
	if c == 0 {
		c = compare(v1, v2)
	}
	if c == 0 {
		switch {
		case r1 != "" && r2 != "":
			c = compare(r1, r2)
		case r1 != "" && provided.Sense&Equal != 0, r2 != "" && d.Sense&Equal != 0:
			return true // the side without a release means all of them
		}
	}
	switch {
	case c < 0:
		return d.Sense&Greater != 0 || provided.Sense&Less != 0
	case c > 0:
		return d.Sense&Less != 0 || provided.Sense&Greater != 0
	}
	return d.Sense&provided.Sense != 0
}

// splitEVR takes a version apart; what is missing is empty.
func splitEVR(evr string) (epoch, version, release string) {
	if before, after, ok := strings.Cut(evr, ":"); ok && strings.Trim(before, "0123456789") == "" {
		epoch, evr = strings.TrimLeft(before, "0"), after
	}
	if i := strings.LastIndexByte(evr, '-'); i >= 0 {
		return epoch, evr[:i], evr[i+1:]
	}
	return epoch, evr, ""
}

// compareEpochs orders numbers of any length without leading zeros; "" is 0.
func compareEpochs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// compare orders versions without epochs and releases, or releases, as rpm does.
func compare(a, b string) int {
	if a == b {
		return 0
	}
	return rpmversion.NewVersion("0:" + strings.ReplaceAll(a, "-", ".")).Compare(rpmversion.NewVersion("0:" + strings.ReplaceAll(b, "-", ".")))
}
