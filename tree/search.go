// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Search is a search file: what searching needs of all top-level packages of a platform, or what
// they are called in a language. It is lines (Line), each with a newline at its end, sorted by name
// and then by their bytes, each once, compressed by Zstandard.
type Search struct {
	Ref                      // of the whole file
	Content     string       `json:"content"`  // SHA-256 of all lines, in hexadecimal
	Unpacked    int64        `json:"unpacked"` // bytes of all lines
	Lines       int          `json:"lines"`
	Differences []Difference `json:"differences,omitempty"` // at most MaxDifferences, from the latest on
}

// A Difference makes this search file of an earlier one. It is lines as those are, sorted alike,
// compressed alike: the lines of each name in it take the place of all lines of that name, and a
// line that is nothing but a name says that none has it any more. What comes out has the Content of
// the Search, or something was wrong. It is in the folder of the whole file, and called by the first
// 16 digits of its SHA-256 and ".zst": platform.json doesn't say so sixteen times.
type Difference struct {
	From string // the first 16 digits of the earlier one's Content
	Ref
}

// difference is a Difference as platform.json has it.
type difference struct {
	From   string `json:"from"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// MarshalJSON leaves out the path.
func (d Difference) MarshalJSON() ([]byte, error) {
	return json.Marshal(difference{d.From, d.SHA256, d.Size})
}

// UnmarshalJSON leaves the path empty: what reads a Search fills it in.
func (d *Difference) UnmarshalJSON(data []byte) error {
	var x difference
	err := json.Unmarshal(data, &x)
	*d = Difference{x.From, Ref{SHA256: x.SHA256, Size: x.Size}}
	return err
}

// MaxDifferences is how many earlier search files a Search has differences from.
const MaxDifferences = 16

// IsZero tells whether there is no such file.
func (s Search) IsZero() bool { return s.Ref.IsZero() }

// From is the difference from a search file of this Content, nil where the whole is to be had only.
func (s Search) From(content string) *Difference {
	i := slices.IndexFunc(s.Differences, func(d Difference) bool { return strings.HasPrefix(content, d.From) })
	if i < 0 {
		return nil
	}
	return &s.Differences[i]
}

// check tells whether what it says may be followed, and fills in the paths of the differences.
func (s *Search) check(folder string) error {
	if err := s.Ref.check(folder); err != nil {
		return err
	}
	if err := checkDigest(s.Content); err != nil {
		return fmt.Errorf("%s: %w", s.Path, err)
	}
	if s.Unpacked < 0 || s.Unpacked > MaxUnpacked || s.Lines < 0 || s.Lines == 0 && s.Unpacked > 0 || s.Lines > MaxEntries || int64(s.Lines) > s.Unpacked/2 {
		return fmt.Errorf("%s: %d lines in %d bytes are not between none and %d in %d", s.Path, s.Lines, s.Unpacked, MaxEntries, MaxUnpacked)
	}
	if len(s.Differences) > MaxDifferences {
		return fmt.Errorf("%s has %d differences, more than %d", s.Path, len(s.Differences), MaxDifferences)
	}
	for i := range s.Differences {
		d := &s.Differences[i]
		if len(d.From) != 16 || strings.Trim(d.From, "0123456789abcdef") != "" {
			return fmt.Errorf("%s: a difference is from %.40q", s.Path, d.From)
		}
		if err := checkDigest(d.SHA256); err != nil {
			return fmt.Errorf("%s: a difference: %w", s.Path, err)
		}
		d.Path = folder + "/" + d.SHA256[:16] + ".zst"
		if err := d.Ref.check(folder); err != nil {
			return err
		}
	}
	return nil
}

// An Entry is a line of a search file: a top-level package; or, without a version, what else is to
// be said of a name: what has taken its place, or, in a file of a language, how it is described.
type Entry struct {
	NEVRA
	Group       string // PackageKit's, e.g. "education"
	Size        int64  // installed bytes of this package
	License     string
	URL         string
	Summary     string
	Description string
	Obsoletes   []string // the packages that it takes the place of, as spec files have them
	// By are the top-level packages that obsolete the name, sorted: where By is set there is nothing
	// else. The name may be on offer itself, on a line of its own.
	By []string
}

// Line is the line of an Entry, without a newline: fields with tabs between them, in the order name,
// size, version, architecture, group, licence, URL, summary, description, obsoletes, by. The version
// is [epoch:]version-release. A package's description is left out where it is the same as its
// summary. Lists have a comma between their elements. Empty fields at the end are left out. In texts
// a backslash stands before a backslash, and for tab, newline and comma there are \t, \n and \,.
//
// The order is the one that compresses best: packages of one source are neighbours, and what they
// have in common is one piece.
func (e *Entry) Line() []byte {
	version, size, description := "", "", e.Description
	if e.Version != "" {
		version = e.EVR()
		if description == e.Summary {
			description = ""
		}
	}
	if e.Size > 0 {
		size = strconv.FormatInt(e.Size, 10)
	}
	fields := []string{e.Name, size, version, e.Arch, escaped(e.Group), escaped(e.License), escaped(e.URL), escaped(e.Summary), escaped(description), list(e.Obsoletes), list(e.By)}
	return []byte(strings.TrimRight(strings.Join(fields, "\t"), "\t"))
}

// searchFields is how many fields a line may have.
const searchFields = 11

// NameOf is the name at the beginning of a line.
func NameOf(line []byte) []byte {
	name, _, _ := bytes.Cut(line, []byte("\t"))
	return name
}

// TextsOf are those of a line's fields that are searched: name, group, licence, summary and
// description, escaped as they are in it.
func TextsOf(line []byte) (texts [5][]byte) {
	n := 0
	for i := range searchFields {
		field, rest, more := bytes.Cut(line, []byte("\t"))
		if i == 0 || i == 4 || i == 5 || i == 7 || i == 8 {
			texts[n] = field
			n++
		}
		if !more || n == len(texts) {
			break
		}
		line = rest
	}
	return texts
}

// ParseEntry reads and checks a line.
func ParseEntry(line []byte) (*Entry, error) {
	if len(line) > maxEntry {
		return nil, fmt.Errorf("a line has %d bytes, more than %d", len(line), maxEntry)
	}
	if !utf8.Valid(line) {
		return nil, fmt.Errorf("the line of %.80q is not UTF-8", NameOf(line))
	}
	var f [searchFields]string
	rest, more := string(line), true
	for i := range f {
		if f[i], rest, more = strings.Cut(rest, "\t"); !more {
			break
		}
	}
	if more {
		return nil, fmt.Errorf("the line of %.80q has more than %d fields", f[0], searchFields)
	}
	e := &Entry{NEVRA: NEVRA{Name: f[0], Arch: f[3]}, Group: unescaped(f[4]), License: unescaped(f[5]), URL: unescaped(f[6]), Summary: unescaped(f[7]), Description: unescaped(f[8]), Obsoletes: unlisted(f[9]), By: unlisted(f[10])}
	var err error
	if f[2] != "" {
		err = e.setEVR(f[2])
		if e.Description == "" {
			e.Description = e.Summary
		}
	}
	if err == nil && f[1] != "" {
		e.Size, err = strconv.ParseInt(f[1], 10, 64)
	}
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return nil, fmt.Errorf("the line of %.80q: %w", f[0], err)
	}
	return e, nil
}

func (e *Entry) check() error {
	if e.Version == "" {
		if err := CheckName(e.Name); err != nil {
			return err
		}
		if e.Arch != "" || e.Size != 0 || len(e.Obsoletes) > 0 {
			return errors.New("it has no version, and what only a package has")
		}
	} else if err := e.NEVRA.Check(); err != nil {
		return err
	}
	if len(e.By) > 0 && (e.Version != "" || e.Group+e.License+e.URL+e.Summary+e.Description != "") {
		return errors.New("it tells what obsoletes the name, and something else")
	}
	if err := checkTexts(e.Summary, e.Description, e.License, e.Group, e.URL); err != nil {
		return err
	}
	if e.Size < 0 {
		return errors.New("its size is negative")
	}
	if err := checkObsoletes(e.Obsoletes); err != nil {
		return err
	}
	return checkBy(e.By)
}

func checkObsoletes(all []string) error {
	text := 0
	for _, o := range all {
		if err := CheckObsoleted(o); err != nil {
			return err
		}
		text += len(o)
	}
	if len(all) > MaxObsoletes || text > MaxObsoletesText {
		return fmt.Errorf("it obsoletes %d packages in %d bytes, more than %d in %d", len(all), text, MaxObsoletes, MaxObsoletesText)
	}
	return nil
}

func checkBy(all []string) error {
	if len(all) > MaxBy {
		return fmt.Errorf("%d packages obsolete it, more than %d", len(all), MaxBy)
	}
	for _, name := range all {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	return nil
}

// MaxBy is how many packages may obsolete one name.
const MaxBy = 256

var (
	escaping   = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
	listing    = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, ",", `\,`)
	unescaping = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\,`, ",")
)

func escaped(text string) string { return escaping.Replace(text) }

func unescaped(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	return unescaping.Replace(text)
}

func list(all []string) string {
	escaped := make([]string, len(all))
	for i, s := range all {
		escaped[i] = listing.Replace(s)
	}
	return strings.Join(escaped, ",")
}

func unlisted(text string) []string {
	if text == "" {
		return nil
	}
	var all []string
	begin := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			all, begin = append(all, unescaped(text[begin:i])), i+1
		}
	}
	return append(all, unescaped(text[begin:]))
}

// A Reference is a line of the index of references, by which an install finds the tree of a
// top-level package: JSON. What is in it says what resolving a name needs, too.
type Reference struct {
	NEVRA
	Summary   string   `json:"summary,omitempty"`
	Download  int64    `json:"download,omitempty"` // bytes of all RPMs in the tree
	Obsoletes []string `json:"obsoletes,omitempty"`
	Tree      Ref      `json:"tree,omitzero"`
	// By, instead of all of these but the name, are the top-level packages that obsolete it.
	By []string `json:"by,omitempty"`
}

// ParseReference reads and checks a line of the index of references, of the shard of this number.
func (x Index) ParseReference(number int, line []byte) (*Reference, error) {
	if err := referenceLimit.check("line", line); err != nil {
		return nil, err
	}
	r := new(Reference)
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("reading a shard: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("the line of %.80q: %w", r.Name, err)
	}
	if x.Shard(r.Name) != number { // it could never be found
		return nil, fmt.Errorf("%s is in shard %d of %d and belongs into %d", r.Name, number, x.Shards, x.Shard(r.Name))
	}
	return r, nil
}

func (r *Reference) check() error {
	if len(r.By) > 0 {
		if err := CheckName(r.Name); err != nil {
			return err
		}
		return checkBy(r.By)
	}
	if err := r.NEVRA.Check(); err != nil {
		return err
	}
	if err := checkTexts(r.Summary, "", "", "", ""); err != nil {
		return err
	}
	if r.Download < 0 {
		return errors.New("a size is negative")
	}
	if err := checkObsoletes(r.Obsoletes); err != nil {
		return err
	}
	return r.Tree.check("trees")
}

// Line is the line of a Reference as it is published.
func (r *Reference) Line() ([]byte, error) {
	if len(r.By) > 0 {
		return encode(struct {
			Name string   `json:"name"`
			By   []string `json:"by"`
		}{r.Name, r.By})
	}
	return encode(r)
}

// ReferenceShards is how many shards an index of so many references is published in: as many as keep
// one at about 4 KiB.
func ReferenceShards(references int) int {
	n := 1
	for references > n*48 && n < MaxShards {
		n *= 2
	}
	return n
}
