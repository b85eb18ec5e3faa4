// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// key tells apart what is published, where it is made of an input: "" is nothing's. What is not in
// it doesn't decide what is published (the output, who is told of progress), or is looked at each
// time: Strict, Signing, and ValidFor, which only the expiry hangs on. RPMs that are copied hang on no
// mirror, and are looked at, too. An RPM that couldn't be had may be there another time, so a build
// that lacks one has no key.
func (o *Options) key(in solve.Input) string {
	if in.Key == "" || o.Asked == "" {
		return ""
	}
	places := in.Places
	if o.Copy {
		places = ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q %q %v %q", in.Key, places, o.Platform, o.Arch, o.Copy, o.Asked)
	for _, l := range o.Layouts {
		fmt.Fprintf(h, " %q", l.Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Unchanged does what Build would do where an input is what the last build was made of, and that is
// whole: it renews the expiry when that is due, and removes what has expired. The Report is nil
// where Build has to.
func Unchanged(ctx context.Context, in solve.Input, o Options) (*Report, error) {
	key := o.key(in)
	if key == "" || len(o.Layouts) == 0 {
		return nil, nil
	}
	b := newBuilder(o, func(string) error { return nil })
	unlock, err := b.home.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var was built
	if !b.home.readKept(builtFile, &was) || was.Key != key {
		return nil, nil
	}
	if err := b.open(); err != nil {
		return nil, nil // Build says it
	}
	defer b.abandon()
	if whole, err := b.isWhole(ctx, &was); err != nil || !whole {
		return nil, err
	}
	data, err := os.ReadFile(b.home.path("report.json"))
	if err != nil {
		return nil, nil
	}
	b.report.decode(data)
	if b.report.Serial != b.serial || o.Strict && len(b.report.Unsolved) > 0 {
		return nil, nil
	}
	b.report.Totals.TakenOver = b.report.Totals.Solved
	for _, t := range b.targets {
		t.stay()
	}
	if err := b.finish(ctx); err != nil {
		return nil, err
	}
	b.remember(key)
	return b.report, nil
}

// isWhole tells whether the files that a build had are there. The build has them then.
func (b *builder) isWhole(ctx context.Context, was *built) (bool, error) {
	folders := b.folders()
	if len(folders) != len(was.Folders) {
		return false, nil
	}
	b.know(was)
	for i, f := range folders {
		if f.dir != was.Folders[i].Dir {
			return false, nil
		}
		for _, n := range was.Folders[i].Named {
			if is, err := f.named(n.Name); err != nil || is.Size != n.Size || !slices.Equal(is.Shards, n.Shards) {
				return false, nil
			}
			f.holds(n.Name)
		}
		for _, o := range was.Folders[i].Others {
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			if !f.isStill(&o, b.Options) {
				same, err := sameContent(ctx, f.path(o.Name), o.SHA256)
				if ctx.Err() != nil {
					return false, context.Cause(ctx)
				}
				if err != nil || !same {
					return false, nil
				}
				o.Read = b.Now.Unix()
			}
			f.holdsOther(o)
		}
	}
	return true, nil
}

// named looks at what is named by its content: a file, or a folder of shards.
func (f *folder) named(name string) (namedFile, error) {
	n := namedFile{Name: name}
	info, err := os.Lstat(f.path(name))
	if err != nil {
		return n, err
	}
	if !info.IsDir() {
		n.Size = info.Size()
		if !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no regular file", f.path(name))
		}
		return n, err
	}
	entries, err := os.ReadDir(f.path(name))
	for i := range entries {
		info, err := os.Lstat(filepath.Join(f.path(name), strconv.Itoa(i)))
		if err != nil || !info.Mode().IsRegular() {
			return n, fmt.Errorf("%s is no folder of shards", f.path(name))
		}
		n.Shards = append(n.Shards, info.Size())
	}
	return n, err
}

// isStill tells whether a file surely is what it was. Its bytes are read again now and then: disks
// fail, too.
func (f *folder) isStill(o *otherFile, at Options) bool {
	is, err := lookAt(f.path(o.Name), at.Now)
	return err == nil && is == o.Looks && is != looks{} && at.Now.Unix()-o.Read < int64(at.ValidFor.Seconds()/2)
}

// know takes what is known of files.
func (b *builder) know(was *built) {
	for _, folder := range was.Folders {
		for _, f := range b.folders() {
			if f.dir != folder.Dir {
				continue
			}
			f.was = make(map[string]*otherFile)
			for i := range folder.Others {
				f.was[folder.Others[i].Name] = &folder.Others[i]
			}
		}
	}
}

// built is what is told of the build after it.
func (b *builder) built(key string) (*built, error) {
	all := &built{Key: key}
	for _, f := range b.folders() {
		is := builtFolder{Dir: f.dir}
		for name := range f.has {
			if signs(name) {
				continue
			}
			if o, ok := f.others[name]; ok {
				seen, err := lookAt(f.path(name), b.Now)
				if err != nil {
					return nil, err
				}
				o.Looks = seen
				if was := f.was[name]; o.Read == 0 && was != nil && was.SHA256 == o.SHA256 && was.Looks == seen {
					o.Read = was.Read
				} else if o.Read == 0 {
					o.Read = b.Now.Unix()
				}
				is.Others = append(is.Others, o)
				continue
			}
			n, err := f.named(name)
			if err != nil {
				return nil, err
			}
			is.Named = append(is.Named, n)
		}
		slices.SortFunc(is.Named, func(x, y namedFile) int { return cmp.Compare(x.Name, y.Name) })
		slices.SortFunc(is.Others, func(x, y otherFile) int { return cmp.Compare(x.Name, y.Name) })
		all.Folders = append(all.Folders, is)
	}
	return all, nil
}
