// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"strconv"
	"strings"
	"time"
)

// UpdateDetail is what is known of one update.
type UpdateDetail struct {
	ID        PackageID
	Updates   []PackageID // what it takes the place of
	Obsoletes []PackageID
	// Addresses to read more at: the vendor's, of bugs, of CVEs.
	VendorURLs, BugURLs, CVEURLs []string
	Restart                      string // "none", "application", "session", "system", …; empty: none
	Text                         string
	Changelog                    string
	State                        string    // "stable", "unstable", "testing"; empty: unknown
	Issued, Updated              time.Time // zero: unknown
}

// UpdateDetail reports what is known of one update.
func (w *Writer) UpdateDetail(d UpdateDetail) {
	if d.Restart == "" {
		d.Restart = "none"
	}
	if d.State == "" {
		d.State = "unknown"
	}
	w.send("updatedetail", d.ID.String(), joinIDs(d.Updates), joinIDs(d.Obsoletes), joinURLs(d.VendorURLs), joinURLs(d.BugURLs), joinURLs(d.CVEURLs),
		d.Restart, d.Text, d.Changelog, d.State, date(d.Issued), date(d.Updated))
}

func joinIDs(ids []PackageID) string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return strings.Join(all, "&")
}

// joinURLs leaves out those that would not stay one.
func joinURLs(urls []string) string {
	var all []string
	for _, u := range urls {
		if !strings.ContainsAny(u, "; \n") {
			all = append(all, u)
		}
	}
	return strings.Join(all, ";")
}

// date is ISO 8601, as PackageKit reads it.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// RepoDetail reports a source.
func (w *Writer) RepoDetail(id, description string, enabled bool) {
	w.send("repo-detail", id, description, strconv.FormatBool(enabled))
}

// Category is a category of packages; Parent is empty for one at the top.
type Category struct{ Parent, ID, Name, Summary, Icon string }

// Category reports a category. Icon is a name and no path; empty: that of a package.
func (w *Writer) Category(c Category) {
	if c.Icon == "" {
		c.Icon = "package-x-generic"
	}
	w.send("category", c.Parent, c.ID, c.Name, c.Summary, c.Icon)
}

// DistroUpgrade reports a release that the system could be upgraded to; kind is "stable" or
// "unstable".
func (w *Writer) DistroUpgrade(kind, name, summary string) {
	w.send("distro-upgrade", kind, name, summary)
}

// RequireRestart reports that something has to be started anew after a package was changed; kind is
// "application", "session", "system", ….
func (w *Writer) RequireRestart(kind string, id PackageID) {
	w.send("requirerestart", kind, id.String())
}

// A Signature is a key that a package of a source is signed with, and that is not trusted yet.
type Signature struct {
	ID                                          PackageID
	Source, URL, UserID, KeyID, Fingerprint, At string
}

// RepoSignatureRequired asks for a key to be trusted (install-signature).
func (w *Writer) RepoSignatureRequired(s Signature) {
	w.send("repo-signature-required", s.ID.String(), s.Source, s.URL, s.UserID, s.KeyID, s.Fingerprint, s.At, "gpg")
}

// A MessageKind is what a message is about.
type MessageKind string

// The messages that this backend sends.
const (
	MessageBackendError       MessageKind = "backend-error"
	MessageConfigFilesChanged MessageKind = "config-files-changed"
	MessageConnectionRefused  MessageKind = "connection-refused"
)

// Message tells the user something that no other reply tells. PackageKit has shown messages up to
// 0.8 only. It takes each ";" for a newline: those that the text has become ",".
func (w *Writer) Message(kind MessageKind, text string) {
	w.send("message", string(kind), strings.ReplaceAll(text, ";", ","))
}
