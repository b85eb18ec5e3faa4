// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"encoding/json"
	"errors"
	"fmt"
)

// A Tree is every package that one top-level package needs beyond the base.
type Tree struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"`
	Name     string `json:"name"`
	// Packages is in install order: the top-level package is the last.
	Packages []Package `json:"packages"`
	// Needs are the base's packages that Packages depend on directly, as they were when the tree
	// was solved: what a laptop lacks of them is known before anything is downloaded.
	Needs []NEVRA `json:"needs,omitempty"`
	// Notices is what the repository says of why these versions came: a file of its own, since only
	// updates are described with it. Absent where the repository says nothing.
	Notices Ref `json:"notices,omitzero"`
}

// A Package is one package of a tree.
type Package struct {
	NEVRA
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
	License     string `json:"license,omitempty"`
	Group       string `json:"group,omitempty"` // PackageKit's
	URL         string `json:"url,omitempty"`
	Size        int64  `json:"size"`      // bytes of the RPM
	Installed   int64  `json:"installed"` // bytes on disk
	// SHA256 is the RPM's, in hexadecimal. Digest stands in its place where the repository that the
	// tree points to has another one, a SHA-384 or SHA-512. RPMDigest is the one that is there.
	SHA256 string `json:"sha256,omitempty"`
	Digest Digest `json:"digest,omitempty"`
	// Location is relative to the mirrors of a repository, of which Repository is the number in
	// Platform.Repositories, counted from 1; where that is 0, to the platform's folder. URLs are
	// absolute, of what is in neither.
	Repository int      `json:"repository,omitempty"`
	Location   string   `json:"location,omitempty"`
	URLs       []string `json:"urls,omitempty"`
	// Files is the package's FileList, absent where the repository has none.
	Files Ref `json:"files,omitzero"`
	// Requires are indexes of the tree's Packages, each lower than the package's own. Where
	// packages require each other in a loop, the edge that closes it is left out.
	Requires []int `json:"requires,omitempty"`
	// Obsoletes are the packages that it takes the place of, as spec files have them: "hello",
	// "hello < 1:2.0-1".
	Obsoletes []string `json:"obsoletes,omitempty"`
	// Unsigned: the RPM has no signature, as far as the publisher has it. A computer whose rpm
	// demands signatures knows so before it downloads it.
	Unsigned bool `json:"unsigned,omitempty"`
	// Conditions are what depends on what else is installed.
	Conditions Conditions `json:"conditions,omitzero"`
	// Provided is what the package provides that a condition of any package of the repositories or of
	// the base is about, with versions: "editor-api = 2", "/usr/bin/edit". That it is of its own name
	// in its own version goes without saying.
	Provided []string `json:"meets,omitempty"`
	// InstallOnly: it is installed beside its older versions and takes the place of none, as kernels
	// are.
	InstallOnly bool `json:"installonly,omitempty"`
}

// Top is the top-level package itself.
func (t *Tree) Top() *Package { return &t.Packages[len(t.Packages)-1] }

// Closure are the indexes of a package and of all that it requires, itself or by way of others, in
// install order. It is the whole tree for the top-level package.
func (t *Tree) Closure(index int) []int {
	if index == len(t.Packages)-1 {
		all := make([]int, len(t.Packages))
		for i := range all {
			all[i] = i
		}
		return all
	}
	wanted := make([]bool, index+1)
	wanted[index] = true
	for i := index; i >= 0; i-- { // what a package requires comes before it
		if wanted[i] {
			for _, r := range t.Packages[i].Requires {
				wanted[r] = true
			}
		}
	}
	var all []int
	for i, w := range wanted {
		if w {
			all = append(all, i)
		}
	}
	return all
}

// ParseTree reads and checks the tree of a top-level package. dictionary is the one that
// DictionaryOf tells, as it is published.
func ParseTree(data, dictionary []byte, platform, name string) (*Tree, error) {
	t := new(Tree)
	data, err := unpacked(data, dictionary, MaxTreeFile)
	if err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", name, err)
	}
	if err := unmarshal("tree", data, treeLimit(data), &t.Format, t); err != nil {
		return nil, err
	}
	if err := t.check(platform, name); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Tree) check(platform, name string) error {
	if t.Platform != platform || t.Name != name {
		return fmt.Errorf("this is the tree of %.80q on %.80q and not of %q on %q", t.Name, t.Platform, name, platform)
	}
	if len(t.Packages) == 0 || len(t.Packages) > MaxPackages {
		return fmt.Errorf("the tree of %s has %d packages: not between 1 and %d", name, len(t.Packages), MaxPackages)
	}
	seen := make(map[NEVRA]bool, len(t.Packages))
	for i := range t.Packages {
		p := &t.Packages[i]
		if err := p.check(i); err != nil {
			return fmt.Errorf("the tree of %s: %w", name, err)
		}
		if seen[p.NEVRA] {
			return fmt.Errorf("the tree of %s has %s twice", name, p.NEVRA)
		}
		seen[p.NEVRA] = true
	}
	if t.Top().Name != name {
		return fmt.Errorf("the tree of %s ends with %s", name, t.Top().Name)
	}
	for _, n := range t.Needs {
		if err := n.Check(); err != nil {
			return fmt.Errorf("the tree of %s needs: %w", name, err)
		}
	}
	if !t.Notices.IsZero() {
		if err := t.Notices.check("notices"); err != nil {
			return fmt.Errorf("the tree of %s: %w", name, err)
		}
	}
	return nil
}

// KeptTree reads what ParseTree has read before, or what Encode has written of a source that tells
// less than a tree needs.
func KeptTree(data, dictionary []byte) (*Tree, error) {
	t := new(Tree)
	data, err := unpacked(data, dictionary, MaxTreeFile)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, t); err != nil {
		return nil, err
	}
	if len(t.Packages) == 0 {
		return nil, errors.New("this is no tree")
	}
	return t, nil
}

// Encode writes a tree without a dictionary, whether readers would take it or not.
func (t *Tree) Encode() ([]byte, error) {
	data, err := encode(t)
	if err != nil {
		return nil, err
	}
	return best.compress(data)
}

// RPMDigest is the digest of the RPM; "" where its source has none.
func (p *Package) RPMDigest() Digest {
	if p.Digest == "" && p.SHA256 != "" {
		return Digest("sha256:" + p.SHA256)
	}
	return p.Digest
}

// checkDigest tells whether there is one digest, and in its place.
func (p *Package) checkDigest() error {
	if p.Digest == "" {
		return checkDigest(p.SHA256)
	}
	if err := p.Digest.Check(); err != nil {
		return err
	}
	if p.SHA256 != "" || p.Digest.Algorithm() == "sha256" {
		return errors.New("a SHA-256 belongs into sha256, and digest is there only without that")
	}
	return nil
}

func (p *Package) check(index int) error {
	if err := p.NEVRA.Check(); err != nil {
		return err
	}
	if err := checkTexts(p.Summary, p.Description, p.License, p.Group, p.URL); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	if len(p.URLs) > maxURLs || len(p.Obsoletes) > MaxObsoletes {
		return fmt.Errorf("%s has %d URLs and obsoletes %d packages, more than %d and %d", p.Name, len(p.URLs), len(p.Obsoletes), maxURLs, MaxObsoletes)
	}
	if err := p.checkDigest(); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	if p.Size <= 0 || p.Size > MaxRPM || p.Installed < 0 {
		return fmt.Errorf("%s: sizes of %d and %d bytes can't be", p.Name, p.Size, p.Installed)
	}
	if p.Location == "" && len(p.URLs) == 0 {
		return fmt.Errorf("%s has neither a location nor a URL", p.Name)
	}
	if p.Location != "" {
		if err := checkPath(p.Location); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if p.Repository < 0 || p.Repository > MaxRepositories || p.Repository > 0 && p.Location == "" {
		return fmt.Errorf("%s is at %.80q in repository %d of at most %d", p.Name, p.Location, p.Repository, MaxRepositories)
	}
	if !p.Files.IsZero() {
		if err := p.Files.check("files"); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	for _, u := range p.URLs {
		if err := checkURL(u); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	for _, r := range p.Requires {
		if r < 0 || r >= index {
			return fmt.Errorf("%s, package %d, requires package %d, which does not come before it: a loop or not in install order", p.Name, index, r)
		}
	}
	for _, o := range p.Obsoletes {
		if err := CheckObsoleted(o); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return p.checkConditions()
}

// A FileList is the files and folders of one package. It doesn't tell the version: a package that was
// built anew with the same files has the same list.
type FileList struct {
	Format int      `json:"format"`
	Name   string   `json:"name"`
	Files  []string `json:"files"` // absolute paths, sorted
}

// ParseFileList reads and checks the file list of a package.
func ParseFileList(data []byte, name string) (*FileList, error) {
	f := new(FileList)
	data, err := unpacked(data, nil, MaxFilesFile)
	if err != nil {
		return nil, fmt.Errorf("the files of %s: %w", name, err)
	}
	if err := unmarshal("file list", data, filesLimit, &f.Format, f); err != nil {
		return nil, err
	}
	if err := f.check(name); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *FileList) check(name string) error {
	if f.Name != name {
		return fmt.Errorf("these are the files of %.80q and not of %q", f.Name, name)
	}
	for _, file := range f.Files {
		if err := CheckFile(file); err != nil {
			return fmt.Errorf("the files of %s: %w", name, err)
		}
	}
	return nil
}

// Encode writes a file list, whether readers would take it or not.
func (f *FileList) Encode() ([]byte, error) {
	data, err := encode(f)
	if err != nil {
		return nil, err
	}
	return best.compress(data)
}
