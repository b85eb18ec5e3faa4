// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Input tells apart what Platforms are made of: where two Inputs are the same and have a Key, so
// are the Platforms, in all that their methods say.
//
// What a Platform is made of are
//   - this program and its libraries, libsolv and librpm above all;
//   - the Config, but for where repositories and the base are. A user name and a password count by
//     whether there are such;
//   - the files of repositories, which are what repomd.xml says of them by their checksums. What it
//     says of other files counts for nothing, and neither does its own revision, so that it may be
//     written again;
//   - the base, where it is an RPM database: the files of that;
//   - where the mirrors are, as far as Package.URLs tell it.
//
// Everything else that is asked has no say in it or is no input: the clock isn't looked at,
// environment, proxies and names in DNS lead to files whose checksums are known, rpm's macros say
// where a database is, and it is read from a copy that has one only. What can be another time
// although the same was asked has no Key: a file that no mirror had right and that isn't needed, a
// mirror list that couldn't be had.
type Input struct {
	Key string
	// Places are the mirrors of each repository that has some from a MirrorList or Metalink, as many
	// as Package.URLs can tell, in their order. The others are in Key.
	Places string
}

// Look finds out what Open would make a Platform of. It asks for mirror lists and each repository's
// repomd.xml.
func Look(ctx context.Context, c Config) (Input, error) {
	var in inputs
	var logins credentials
	c.Repositories, logins = takeCredentials(c.Repositories)
	d, err := c.downloads(logins)
	if err != nil {
		return Input{}, err
	}
	defer d.close()
	var wrong []error // all at once: each may cost a person a day
	for _, r := range c.Repositories {
		at, err := d.mirrors(ctx, r, func(string, error) { in.passing = true })
		var md *repomd
		if err == nil {
			md, err = d.firstRepomd(ctx, at)
		}
		if ctx.Err() != nil {
			return Input{}, context.Cause(ctx)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("repository %s: %w", r.ID, err))
		}
		in.mds, in.mirrors = append(in.mds, md), append(in.mirrors, at)
	}
	if len(wrong) > 0 {
		return Input{}, errors.Join(wrong...)
	}
	if err := d.room(in.mds); err != nil {
		return Input{}, err
	}
	if len(c.Base.Packages) == 0 {
		db, err := c.Base.find()
		if err != nil {
			return Input{}, err
		}
		names, err := databaseFiles(db)
		if err == nil {
			in.base, err = digestOf(ctx, db.Dir(), names)
		}
		if err != nil {
			return Input{}, fmt.Errorf("reading the base's RPM database %s: %w", db.File(), err)
		}
	}
	return in.of(c, logins), nil
}

// firstRepomd is the repomd.xml of the first mirror that has it right.
func (d *Downloader) firstRepomd(ctx context.Context, at *mirrors) (md *repomd, err error) {
	err = at.each(ctx, func(ctx context.Context, mirror string) (err error) {
		_, md, err = d.repomd(ctx, mirror, at)
		return err
	}, func(string) {})
	return md, err
}

// Input is what the Platform was made of.
func (p *Platform) Input() Input { return p.input }

// inputs are what Look and Open find.
type inputs struct {
	mds     []*repomd
	mirrors []*mirrors
	base    string // digest of the RPM database; empty: it is packages
	passing bool   // something couldn't be had that may be had another time
}

func (in *inputs) of(c Config, logins credentials) Input {
	of, err := Program()
	if err != nil || in.passing {
		return Input{}
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %v %v %q %q %q %q\n", of, c.Arch, c.WeakDependencies, c.FileLists, c.Base.Packages, in.base, c.Modules, c.PlatformID)
	var places strings.Builder
	for i, r := range c.Repositories {
		fmt.Fprintf(h, "%q %v %v\n", r.ID, r.ModuleHotfixes, slices.ContainsFunc(logins, func(l credential) bool { return l.id == r.ID }))
		for _, m := range in.mds[i].all() {
			fmt.Fprintf(h, "%q %q %q %s %s %d %d %v\n", m.is, m.base, m.location, m.kind, m.sum, m.size, m.openSize, m.fault)
		}
		var to io.Writer = h
		if in.mirrors[i].listed {
			to = &places
		}
		fmt.Fprintf(to, "%q\n", in.mirrors[i].told())
	}
	return Input{hex.EncodeToString(h.Sum(nil)), places.String()}
}

// all are all files that are read.
func (md *repomd) all() (all []*metadata) {
	for _, m := range append([]*metadata{md.primary, md.filelists, md.updateinfo, md.modules, md.comps, md.surplus}, slices.Concat(md.texts, md.icons)...) {
		if m != nil {
			all = append(all, m)
		}
	}
	return all
}

// told are the mirrors that decide which URLs places gives. Where metadata lead elsewhere, they may
// be refused for some mirrors and not for others if these are of several kinds: then all count.
func (m *mirrors) told() []string {
	urls := m.order()
	if slices.ContainsFunc(urls, func(u string) bool { return strings.HasPrefix(u, "file:") != strings.HasPrefix(urls[0], "file:") }) {
		return urls
	}
	return urls[:min(len(urls), maxTreeURLs)]
}

// digestOf is the digest of files in a folder.
func digestOf(ctx context.Context, dir string, names []string) (string, error) {
	h := sha256.New()
	for _, name := range names {
		file, err := OpenRegular(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		n, err := io.Copy(h, Interruptible(ctx, file))
		file.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "\x00%q %d\x00", name, n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// regularFiles are the names of the regular files in a folder, sorted.
func regularFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
