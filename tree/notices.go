// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"time"
)

// Bounds on notices: a laptop reads them to tell in a few lines why an update came.
const (
	MaxNotices      = 5       // of one package
	MaxNoticeText   = 4096    // bytes
	MaxReferences   = 32      // of one notice
	MaxNoticesFile  = 8 << 20 // bytes of the notices of one tree
	maxNoticesCount = 50000   // notices of one tree: five for each of 10000 packages
	maxNoticeTitle  = 1024    // bytes, and of a type, a severity and so on
)

// Notices are what a repository says of why the versions of a tree's packages came (its
// updateinfo.xml).
type Notices struct {
	Format   int      `json:"format"`
	Platform string   `json:"platform"`
	Name     string   `json:"name"`
	Notices  []Notice `json:"notices"` // the newest first
}

// A Notice describes one update that a distribution gave out: some packages in new versions, and
// why.
type Notice struct {
	ID       string `json:"id"`   // e.g. "FEDORA-2013-1234"
	Type     string `json:"type"` // "security", "bugfix", "enhancement", "newpackage", …
	Severity string `json:"severity,omitempty"`
	Title    string `json:"title,omitempty"`
	Text     string `json:"text,omitempty"`
	State    string `json:"state,omitempty"` // "stable", "testing", …
	// Restart is what has to be started anew for the update to count: "application", "session",
	// "system"; empty: nothing.
	Restart    string    `json:"restart,omitempty"`
	Issued     time.Time `json:"issued,omitzero"`
	Updated    time.Time `json:"updated,omitzero"`
	References []Link    `json:"references,omitempty"`
	// Packages are those of the tree that it is about, each in the version that it brought: the
	// tree's, or an older one that a laptop may have missed.
	Packages []NEVRA `json:"packages"`
}

// A Link is an address to read more at.
type Link struct {
	Kind string `json:"kind"` // "bugzilla", "cve", "vendor"
	URL  string `json:"url"`
}

// ParseNotices reads and checks the notices of a top-level package's tree.
func ParseNotices(data []byte, platform, name string) (*Notices, error) {
	n := new(Notices)
	if err := unmarshal("list of notices", data, noticesLimit, &n.Format, n); err != nil {
		return nil, err
	}
	if n.Platform != platform || n.Name != name {
		return nil, fmt.Errorf("these are the notices of %.80q on %.80q and not of %q on %q", n.Name, n.Platform, name, platform)
	}
	if len(n.Notices) > maxNoticesCount {
		return nil, fmt.Errorf("the notices of %s are %d, more than %d", name, len(n.Notices), maxNoticesCount)
	}
	for i := range n.Notices {
		if err := n.Notices[i].check(); err != nil {
			return nil, fmt.Errorf("the notices of %s: %w", name, err)
		}
	}
	return n, nil
}

// Encode writes the notices as they are published.
func (n *Notices) Encode() ([]byte, error) { return encode(n) }

func (n *Notice) check() error {
	if err := checkText("id of a notice", n.ID); err != nil || n.ID == "" || len(n.ID) > maxName {
		return fmt.Errorf("a notice has the id %.80q", n.ID)
	}
	if len(n.Text) > MaxNoticeText || len(n.References) > MaxReferences {
		return fmt.Errorf("the notice %s has a text of %d bytes and %d references: too much", n.ID, len(n.Text), len(n.References))
	}
	for _, s := range []string{n.Type, n.Severity, n.Title, n.State} {
		if len(s) > maxNoticeTitle {
			return fmt.Errorf("the notice %s has a text of %d bytes where %d are the most", n.ID, len(s), maxNoticeTitle)
		}
	}
	switch n.Restart {
	case "", "application", "session", "system":
	default:
		return fmt.Errorf("the notice %s asks for a restart of %.80q", n.ID, n.Restart)
	}
	for _, r := range n.References {
		if err := checkURL(r.URL); err != nil {
			return fmt.Errorf("the notice %s: %w", n.ID, err)
		}
	}
	for _, p := range n.Packages {
		if err := p.Check(); err != nil {
			return fmt.Errorf("the notice %s: %w", n.ID, err)
		}
	}
	return nil
}
