// SPDX-License-Identifier: GPL-2.0-or-later

// Package mirror copies what a publisher has published: a school's server what its laptops need,
// over a link that may be as bad as theirs, from a stick or to one.
//
// The copy has the bytes that were signed, so laptops use it as they use the origin, with the origin
// gone too. It begins at platform.json, which package trust has to believe, and goes where that leads:
// each file is compared with the digest that vouches for it before it has its name, and nothing that
// the origin says is done for its own sake. A copy may be of some programs only: then it has all that
// searching needs, and of trees, file lists, notices and RPMs those of the chosen ones.
//
// What has come stays, whatever happens: after a drop, a kill or a power cut the next run asks for the
// rest. Readers see the old state until all of the new one is there: see publish.Copy, which writes.
//
// This package knows nothing of flags and terminals.
package mirror

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// Options say what is copied from where to where.
type Options struct {
	// From is a published folder: an http, https or file URL without a slash at its end.
	From string
	To   string // a folder, which is made
	// Platforms are those of the published folder that are copied; none: all.
	Platforms []string
	// Choice is what is copied of each.
	Choice
	// Anchors are the fingerprints of whom is believed. Where there are none and Unsigned is set, From
	// itself is.
	Anchors  []string
	Unsigned bool
	Keyring  string // a folder of public keys beside those that are published; empty: none
	State    string // a folder that remembers who was believed, and how new what they signed was
	// Again has all files that are there read and compared, and what is wrong brought anew.
	Again    bool
	Net      *transport.Client
	Parallel int // small files at once
	// Plan is told what is missing before RPMs are brought; its error ends the copy. It may be nil.
	Plan func(Plan) error
	// Progress is told how far a copy is, by one goroutine at a time. It may be nil.
	Progress func(Progress)
	Note     func(string) // something that an administrator should know
	Now      time.Time
}

// Choice is which programs are copied.
type Choice struct {
	// Names are the top-level packages; none: all.
	Names []string
	// Limit is how many bytes the RPMs of a platform may have; 0: as many as they do. Programs that
	// need the fewest come first.
	Limit int64
	// Languages are those whose texts are copied: "pt" is for "pt_BR", too; none: all.
	Languages []string
	// Found: what the origin, a copy of some programs, has, and what is here already.
	Found bool
}

// A Plan is what a copy of a platform comes to.
type Plan struct {
	Platform       string
	Programs, RPMs int
	Bytes          int64 // of the RPMs
	Missing        int64 // of them
	Unfit          int   // programs that were left out for Limit
}

// Progress is how far the copy of a platform is.
type Progress struct {
	Platform  string
	Files     int    // small ones that came or were there
	RPMs      int    // the same
	File      string // an RPM that comes
	Done, All int64  // bytes of the RPMs
	Speed     int64  // bytes a second
	Waiting   bool   // nothing comes, and it is tried again
}

// A Copied is what came of a platform.
type Copied struct {
	Plan
	*tree.Platform
	Changed bool  // platform.json is another one
	Came    int64 // bytes of small files, and of RPMs
}

// Copy copies. The error may be the context's; what was copied before it is in what it returns.
func Copy(ctx context.Context, o Options) ([]Copied, error) {
	names := o.Platforms
	if len(names) == 0 {
		var err error
		if names, err = o.platforms(ctx); err != nil {
			return nil, err
		}
	}
	var all []Copied
	for _, name := range names {
		c, err := o.platform(ctx, name)
		if err != nil {
			return all, fmt.Errorf("copying %s: %w", name, err)
		}
		all = append(all, *c)
	}
	return all, nil
}

// platforms are all that are published.
func (o *Options) platforms(ctx context.Context) ([]string, error) {
	at := o.From + "/platforms.json"
	answer, err := o.Net.Revalidate(ctx, at, "", tree.MaxPlatform)
	if notThere(err) {
		return nil, fmt.Errorf("there is no %s: name the folder that presolver published in, above those of the platforms", transport.Redacted(at))
	}
	if err != nil {
		return nil, err
	}
	listed, err := tree.ParsePlatforms(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", transport.Redacted(at), err)
	}
	if len(listed.Platforms) == 0 {
		return nil, fmt.Errorf("%s names no platform: nothing is published there yet", transport.Redacted(at))
	}
	var names []string
	for _, p := range listed.Platforms {
		names = append(names, p.Platform)
	}
	return names, nil
}

func notThere(err error) bool { return transport.KindOf(err) == transport.NotFound }

// A copying is the copy of one platform.
type copying struct {
	*Options
	name   string
	to     *publish.Copy
	p      *tree.Platform
	origin tree.Copies // what the origin says of itself
	signed trust.Kept  // the files that prove who signed
	chosen bool        // not all trees are here
	did    Copied
	meter  meter
}

func (o *Options) platform(ctx context.Context, name string) (*Copied, error) {
	if err := tree.CheckName(name); err != nil {
		return nil, err
	}
	to, err := publish.OpenCopy(o.To, name)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	for again := false; ; again = true {
		c := &copying{Options: o, name: name, to: to}
		c.meter = meter{tell: o.Progress, at: Progress{Platform: name}}
		err := c.copy(ctx)
		if err == nil {
			return &c.did, nil
		}
		// Another build may just have been published, and its origin be one that keeps nothing.
		if again || !notThere(err) {
			return nil, err
		}
	}
}

// url is where the origin has a file of the platform's folder.
func (c *copying) url(name string) string {
	return c.From + "/" + tree.EscapePath(c.name+"/"+name)
}

func (c *copying) copy(ctx context.Context) error {
	answer, err := c.Net.Revalidate(ctx, c.url("platform.json"), "", tree.MaxPlatform)
	if notThere(err) {
		return fmt.Errorf("there is no platform %s at %s: its platforms.json tells which there are", c.name, transport.Redacted(c.From))
	}
	if err != nil {
		return err
	}
	head := answer.Body
	accepted, store, err := c.check(ctx, head)
	if err != nil {
		return fmt.Errorf("%s: %w", transport.Redacted(c.url("platform.json")), err)
	}
	was := c.to.Was
	if was != nil && c.p.Serial < was.Serial {
		return fmt.Errorf("%s has the serial %d, older than the %d that is in %s: laptops would refuse it; copy from where it is newer", transport.Redacted(c.url("platform.json")), c.p.Serial, was.Serial, c.to.Dir)
	}
	c.did.Platform, c.did.Plan.Platform = c.p, c.name
	c.did.Changed = was == nil || was.Serial != c.p.Serial
	if c.origin, err = c.says(ctx); err != nil {
		return err
	}
	c.chosen = c.origin.Chosen || c.Found || len(c.Names) > 0 || c.Limit > 0
	if err := c.indexes(ctx); err != nil {
		return err
	}
	trees, err := c.trees(ctx)
	if err != nil {
		return err
	}
	rpms, err := c.rpms(trees)
	if err != nil {
		return err
	}
	if err := c.room(); err != nil {
		return err
	}
	if c.Options.Plan != nil {
		if err := c.Options.Plan(c.did.Plan); err != nil {
			return err
		}
	}
	if err := c.bring(ctx, rpms); err != nil {
		return err
	}
	others, err := c.others(ctx, rpms)
	if err != nil {
		return err
	}
	if accepted != nil {
		if err := store.Accept(accepted); err != nil {
			return err
		}
	}
	return c.to.Finish(ctx, head, c.p, others, c.Now)
}

// check has package trust look at what the origin says, and keeps all that laptops need to do the same.
func (c *copying) check(ctx context.Context, head []byte) (a *trust.Accepted, store *trust.Store, err error) {
	claim := trust.Claim{Platform: c.name, Anchors: c.Anchors, Head: head, Get: c.signed.Get(c.proof)}
	if len(c.Anchors) == 0 {
		if !c.Unsigned {
			return nil, nil, errors.New("nobody was named who has to have signed it: name the fingerprint of the publisher's key")
		}
		if c.p, err = tree.ParsePlatform(head, c.name); err == nil {
			_, err = claim.Carry(ctx)
		}
		return nil, nil, err
	}
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return nil, nil, err
	}
	store = trust.Open(c.State, c.Keyring, time.Time{}, func(problem error) { c.Note(problem.Error()) })
	if a, err = store.Check(ctx, claim); err != nil {
		return nil, nil, err
	}
	c.p = a.Platform
	keys, err := claim.Carry(ctx)
	if err != nil || c.p.Keys == 0 {
		return a, store, err
	}
	if int64(len(keys)) < c.p.Keys {
		return nil, nil, fmt.Errorf("of the %d keys files %d are there, and laptops go from one to the next: whoever publishes them has to put all there", c.p.Keys, len(keys))
	}
	return a, store, signing.CheckKeys(keys, c.Now)
}

// proof brings a small file that proves who signed.
func (c *copying) proof(ctx context.Context, name string, most int64) ([]byte, error) {
	answer, err := c.Net.Revalidate(ctx, c.url(name), "", most)
	if notThere(err) {
		return nil, fs.ErrNotExist
	}
	return answer.Body, err
}

// says is what the origin's copies.json says. It is a hint: one that can't be read says nothing.
func (c *copying) says(ctx context.Context) (is tree.Copies, err error) {
	answer, err := c.Net.Revalidate(ctx, c.url(tree.CopiesName), "", tree.MaxPlatform)
	if notThere(err) {
		return is, nil
	}
	if err != nil {
		return is, err
	}
	if said, err := tree.ParseCopies(answer.Body, c.name); err == nil {
		return *said, nil
	}
	return is, nil
}

// others are the files that change in place, but for platform.json.
func (c *copying) others(ctx context.Context, rpms []*rpm) (all []publish.File, err error) {
	says := tree.Copies{Format: tree.Format, Platform: c.name, Chosen: c.chosen}
	for _, r := range rpms {
		says.RPMs = says.RPMs || r.elsewhere
	}
	content, err := says.Encode()
	if err != nil {
		return nil, err
	}
	all = append(all, publish.File{Name: tree.CopiesName, Content: content})
	if answer, err := c.Net.Revalidate(ctx, c.url("report.json"), "", tree.MaxFile); err == nil && json.Valid(answer.Body) {
		all = append(all, publish.File{Name: "report.json", Content: answer.Body})
	} else if ctx.Err() != nil {
		return nil, err
	}
	signed := c.signed.Files()
	for _, name := range slices.Sorted(maps.Keys(signed)) {
		all = append(all, publish.File{Name: name, Content: signed[name]})
	}
	return all, nil
}

// room tells whether the disk has room for what is missing.
func (c *copying) room() error {
	var disk unix.Statfs_t
	if err := unix.Statfs(c.to.Dir, &disk); err != nil {
		return fmt.Errorf("looking how much room %s has: %w", c.to.Dir, err)
	}
	if has := int64(disk.Bavail) * int64(disk.Bsize); c.did.Missing+spare > has {
		return fmt.Errorf("%d MiB are missing, and %s has room for %d: free some, choose fewer programs, or set a limit", (c.did.Missing+spare)>>20, c.to.Dir, has>>20)
	}
	return nil
}

// spare is what stays free: for what changes in place, and the file system's own needs.
const spare = 4 << 20

// LocalURL is the URL of a folder of this computer.
func LocalURL(dir string) (string, error) {
	full, err := filepath.Abs(dir)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		return "", cmp.Or(err, fmt.Errorf("%s is no folder", dir))
	}
	return "file://" + tree.EscapePath(full), nil
}
