// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What is done with what is published already, without a build. Builds are kept out meanwhile, and the
// next one goes on from what comes of it.

// A current is what is published in a platform's folder, and who is to sign there.
type current struct {
	data    []byte // of platform.json
	keys    int64  // the version of the keys file that it names
	folder  *folder
	signing *signing.Signing // nil: nobody
	unlock  func()
}

func openCurrent(dir string, signer *signing.Signer, now time.Time) (c *current, err error) {
	c = &current{folder: newFolder(dir, Presolve.subs, func(string) error { return nil })}
	if _, err := os.Stat(c.folder.path("platform.json")); err != nil { // lock would make the folder
		return nil, err
	}
	if c.unlock, err = c.folder.lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.unlock()
		}
	}()
	if c.data, err = os.ReadFile(c.folder.path("platform.json")); err != nil {
		return nil, err
	}
	if c.keys, err = tree.KeysOf(c.data); err != nil {
		return nil, err
	}
	switch {
	case signer == nil:
		return c, nil
	case c.keys == 0:
		c.signing = &signing.Signing{Signer: signer}
		return c, signer.Key.Usable(now)
	}
	keys, err := signing.ReadKeys(dir)
	if err != nil {
		return nil, err
	}
	if int64(len(keys)) < c.keys {
		return nil, fmt.Errorf("%s: there is no %s, whose keys platform.json is signed by", dir, tree.KeysName(c.keys))
	}
	c.signing, err = signing.New(signer, keys[:c.keys], now)
	return c, err
}

// platform is what platform.json says.
func (c *current) platform() (*tree.Platform, error) {
	dir, err := filepath.Abs(c.folder.dir)
	if err != nil {
		return nil, err
	}
	return tree.ParsePlatform(c.data, filepath.Base(dir))
}

func (c *current) close() {
	c.folder.abandon()
	c.unlock()
}

// isSigned tells whether laptops can believe what is published by a signature, and so would miss it.
func (c *current) isSigned() bool {
	return c.keys > 0 || exists(c.folder.path(tree.SignatureName(tree.HeadName(c.data))))
}

// ErrUnsigned is that nobody was named to sign what takes the place of something signed.
var ErrUnsigned = errors.New("what is published is signed, and laptops would refuse what isn't: name its key")

// put has a platform.json take the place of the current one when the folder is committed.
func (c *current) put(ctx context.Context, next *tree.Platform, now time.Time) error {
	if c.signing == nil && c.isSigned() {
		return ErrUnsigned
	}
	content, err := next.Encode()
	if err != nil {
		return err
	}
	if _, err := tree.ParsePlatform(content, next.Platform); err != nil {
		return fmt.Errorf("laptops would refuse what would be published: %w", err)
	}
	if err := c.folder.sign(ctx, content, c.signing, now); err != nil {
		return err
	}
	return c.folder.replace("platform.json", content)
}

// Sign adds a signature to the platform.json in a platform's folder, in place of the one that its key
// has made before, if any.
func Sign(ctx context.Context, dir string, signer *signing.Signer, now time.Time) error {
	c, err := openCurrent(dir, signer, now)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.folder.sign(ctx, c.data, c.signing, now); err != nil {
		return err
	}
	return c.folder.commit()
}

// Resign has what is published in a platform's folder be valid from now on for so long, where less than
// half of that is left, as a build does; nothing becomes valid for less. signer signs it; nil: it isn't
// signed. It tells until when it is valid, and whether that is new.
func Resign(ctx context.Context, dir string, signer *signing.Signer, validFor time.Duration, now time.Time) (until time.Time, renewed bool, err error) {
	c, err := openCurrent(dir, signer, now)
	if err != nil {
		return time.Time{}, false, err
	}
	defer c.close()
	next, err := c.platform()
	if err != nil {
		return time.Time{}, false, err
	}
	if renewed = !next.Expires.After(now.Add(validFor / 2)); renewed {
		next.Expires = now.Add(validFor).UTC().Truncate(time.Second)
		if err := c.put(ctx, next, now); err != nil {
			return time.Time{}, false, err
		}
	} else if err := c.folder.sign(ctx, c.data, c.signing, now); err != nil {
		return time.Time{}, false, err
	}
	if err := c.folder.commit(); err != nil {
		return time.Time{}, false, err
	}
	c.expect("platform.json")
	return next.Expires, renewed, nil
}

// expect has the next build take a file that was replaced for one that the last build wrote, so that it
// solves nothing for that.
func (c *current) expect(name string) {
	var was built
	if !c.folder.readKept(builtFile, &was) || len(was.Folders) == 0 {
		return
	}
	others := was.Folders[len(was.Folders)-1].Others // the platform's own folder
	for i := range others {
		if is, ok := c.folder.others[name]; ok && others[i].Name == name {
			others[i] = is
		}
	}
	if c.folder.keep(builtFile, &was) != nil {
		c.folder.forget(builtFile)
	}
}

// Rollback publishes again what an earlier serial had in a platform's folder, under a new serial, since
// readers take no lower one; it is valid for so long. All that it names has to be there. signer signs it;
// nil: it isn't signed. It gives what is published then. The layout SugarNetwork keeps nothing that it
// could go back to.
func Rollback(ctx context.Context, dir string, serial int64, signer *signing.Signer, validFor time.Duration, now time.Time) (*tree.Platform, error) {
	c, err := openCurrent(dir, signer, now)
	if err != nil {
		return nil, err
	}
	defer c.close()
	is, err := c.platform()
	if err != nil {
		return nil, err
	}
	if serial == is.Serial {
		return nil, fmt.Errorf("the serial %d is what %s publishes already", serial, dir)
	}
	was, err := OpenPublished(dir, serial)
	if err != nil {
		return nil, err
	}
	next := *was.Platform
	next.Serial, next.Keys = is.Serial+1, is.Keys
	next.Created = now.UTC().Truncate(time.Second)
	next.Expires = now.Add(validFor).UTC().Truncate(time.Second)
	if err := c.holdAll(ctx, &next); err != nil {
		return nil, fmt.Errorf("the serial %d isn't whole any more: %w", serial, err)
	}
	report, err := c.report(ctx, was, next.Serial)
	if err != nil {
		return nil, err
	}
	if err := c.folder.replace("report.json", report); err != nil {
		return nil, err
	}
	if err := c.put(ctx, &next, now); err != nil {
		return nil, err
	}
	// What was waiting to go and is named again stops waiting, before anybody can know of it.
	until := next.Expires
	if is.Expires.After(until) {
		until = is.Expires
	}
	if err := c.folder.clean(ctx, now, until, new(presolve).fate); err != nil {
		return nil, err
	}
	return &next, c.folder.commit()
}

// holdAll notes all files that a platform.json leads to as those that are needed, and refuses what isn't
// there, or isn't what it should be.
func (c *current) holdAll(ctx context.Context, p *tree.Platform) error {
	var first error
	faults := 0
	v, err := verify(ctx, c.folder.dir, p, func(err error) {
		if faults++; first == nil {
			first = err
		}
	})
	switch {
	case err != nil:
		return err
	case first != nil:
		return fmt.Errorf("%d faults, e.g. %w: choose another serial, or build again", faults, first)
	}
	for name := range v.opened {
		for _, sub := range c.folder.subs { // of an index its folder
			if strings.HasSuffix(sub, "/") && strings.HasPrefix(name, sub) && strings.Count(name, "/") == 2 {
				name = path.Dir(name)
			}
		}
		c.folder.holds(name)
	}
	return nil
}

// report is a report.json for what was published once: what it offers, and nothing of why the rest isn't.
func (c *current) report(ctx context.Context, p *Published, serial int64) ([]byte, error) {
	r := newReport(p.Platform.Platform)
	r.Serial, r.RolledBackTo = serial, p.Serial
	var last Report
	if data, err := os.ReadFile(c.folder.path("report.json")); err == nil {
		last.decode(data)
	}
	r.Mirrors = last.Mirrors
	err := p.References(func(ref *tree.Reference) error {
		if len(ref.By) > 0 {
			return context.Cause(ctx)
		}
		t, err := p.Tree(ref)
		if err != nil {
			return err
		}
		r.Solved = append(r.Solved, Solved{Name: ref.Name, Version: ref.EVR(), Packages: len(t.Packages), Download: ref.Download})
		return context.Cause(ctx)
	})
	if err != nil {
		return nil, err
	}
	r.sort()
	return r.encode()
}
