// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import "fmt"

// Conditions are what a package asks of the others on a computer that the server couldn't decide,
// since it depends on what else is installed there. They are written as packages have them (package
// rich reads them).
type Conditions struct {
	// Requires are rich requirements that what is installed beside the tree can break: "(plugin if
	// editor)".
	Requires []string `json:"requires,omitempty"`
	// Conflicts must not be met: "oldtext < 2", "(a and b)".
	Conflicts []string `json:"conflicts,omitempty"`
	// Recommends is wanted, where it can be had, and only there where the platform wants what
	// packages recommend: "(langpack if editor)".
	Recommends []string `json:"recommends,omitempty"`
}

// IsZero tells whether there are none.
func (c Conditions) IsZero() bool {
	return len(c.Requires) == 0 && len(c.Conflicts) == 0 && len(c.Recommends) == 0
}

// IsCondition tells whether a text may stand among conditions and what meets them.
func IsCondition(text string) bool {
	return text != "" && len(text) <= MaxCondition && checkText("condition", text) == nil
}

func (p *Package) checkConditions() error {
	for _, list := range [...]struct {
		what  string
		texts []string
	}{
		{"conditions.requires", p.Conditions.Requires}, {"conditions.conflicts", p.Conditions.Conflicts}, {"conditions.recommends", p.Conditions.Recommends},
		{"meets", p.Provided},
	} {
		if len(list.texts) > MaxConditions {
			return fmt.Errorf("%s has %d %s, more than %d", p.Name, len(list.texts), list.what, MaxConditions)
		}
		for _, text := range list.texts {
			if !IsCondition(text) {
				return fmt.Errorf("%s has the %s %.80q, which is no dependency", p.Name, list.what, text)
			}
		}
	}
	return nil
}
