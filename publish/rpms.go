// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// An rpm is an RPM that all layouts' folders hold, under the same name.
type rpm struct {
	name     string
	sha256   string
	unsigned bool  // it has no signature
	known    bool  // from the last build, and is as it was
	read     int64 // see otherFile.Read
}

// rpm puts a package's RPM into the folders, once. It appears at once: until a tree refers to it,
// nobody asks for it, and what was downloaded isn't lost when the build fails later.
func (b *builder) rpm(ctx context.Context, pkg *solve.Package) (rpm, error) {
	once, _ := b.rpms.LoadOrStore(pkg, sync.OnceValues(func() (rpm, error) { return b.getRPM(ctx, pkg) }))
	return once.(func() (rpm, error))()
}

func (b *builder) getRPM(ctx context.Context, pkg *solve.Package) (rpm, error) {
	first := b.targets[0]
	r, err := b.inFolder(ctx, first.folder, first.rpms, pkg)
	if err != nil {
		return r, err
	}
	name := first.rpms + r.name
	if !r.known {
		r.unsigned = unsigned(first.folder.path(name))
	}
	is := otherFile{Name: name, SHA256: r.sha256, Read: r.read, Checksum: pkg.Checksum, Kind: pkg.ChecksumKind, Unsigned: r.unsigned}
	first.folder.holdsOther(is)
	for _, t := range b.targets[1:] {
		is.Name = t.rpms + r.name
		if o := t.folder.was[is.Name]; o != nil && o.SHA256 == r.sha256 && t.folder.isStill(o, b.Options) {
			t.folder.holdsOther(*o)
			continue
		}
		if err := link(ctx, t.folder, is.Name, first.folder.path(name), r.sha256); err != nil {
			return r, fmt.Errorf("for the layout %s: %w", t.Name, err)
		}
		t.folder.holdsOther(is)
	}
	return r, nil
}

// inFolder finds a package's RPM in a folder, or puts it there.
func (b *builder) inFolder(ctx context.Context, f *folder, prefix string, pkg *solve.Package) (rpm, error) {
	own, unique := fileNames(pkg)
	by, taken := b.claimed.LoadOrStore(own, pkg)
	for _, name := range []string{unique, own} { // what is there keeps its name
		if o := f.was[prefix+name]; o != nil && o.Checksum == pkg.Checksum && o.Kind == pkg.ChecksumKind && f.isStill(o, b.Options) {
			return rpm{name, o.SHA256, o.Unsigned, true, o.Read}, nil
		}
		if sum := check(ctx, f.path(prefix+name), pkg); sum != "" {
			return rpm{name: name, sha256: sum, read: b.Now.Unix()}, nil
		}
	}
	name := own
	if taken && by != pkg || exists(f.path(prefix+name)) {
		name = unique
	}
	sum, err := b.obtain(ctx, f, prefix+name, pkg)
	return rpm{name: name, sha256: sum, read: b.Now.Unix()}, err
}

// fileNames gives the names that a package's RPM may have: its own, and one that no other RPM can
// have.
func fileNames(pkg *solve.Package) (own, unique string) {
	stem := pkg.Name + "-" + pkg.Version + "-" + pkg.Release + "." + pkg.Arch
	if u, err := url.Parse(pkg.URLs[0]); err == nil { // it has one: see builder.add
		if name := path.Base(u.Path); strings.HasSuffix(name, ".rpm") && !strings.HasPrefix(name, ".") && len(name) < 200 {
			stem = strings.TrimSuffix(name, ".rpm")
		}
	}
	return stem + ".rpm", stem + "@" + pkg.Checksum[:min(16, len(pkg.Checksum))] + ".rpm"
}

// check gives the SHA-256 of a file if it is the package's RPM, "" where it isn't or can't be read.
func check(ctx context.Context, name string, pkg *solve.Package) string {
	file, err := solve.OpenRegular(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum, err := pkg.Check(solve.Interruptible(ctx, file))
	if err != nil {
		return ""
	}
	return sum
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// obtain puts an RPM that isn't there into the folder and gives its SHA-256.
func (b *builder) obtain(ctx context.Context, f *folder, name string, pkg *solve.Package) (sum string, err error) {
	err = f.put(name, func(to string) error {
		if u, err := url.Parse(pkg.URLs[0]); err == nil && u.Scheme == "file" {
			file, err := solve.OpenRegular(u.Path)
			if err == nil {
				defer file.Close()
				if linkFile(file, to) == nil {
					if sum, err = pkg.Check(solve.Interruptible(ctx, file)); err == nil || ctx.Err() != nil || len(pkg.URLs) == 1 {
						return err
					}
					if err := os.Remove(to); err != nil { // another mirror may have it right
						return err
					}
				}
			}
		}
		name, is, err := b.solved.RPM(ctx, pkg)
		if err != nil {
			return err
		}
		sum = is
		file, err := solve.OpenRegular(name)
		if err != nil {
			return err
		}
		defer file.Close()
		if file.Chmod(0o644) == nil && linkFile(file, to) == nil {
			return nil
		}
		if err := create(to, func(w io.Writer) error {
			_, err := io.Copy(w, solve.Interruptible(ctx, file))
			return err
		}); err != nil {
			return err
		}
		return os.Remove(name) // the folder has it now, and twice on two disks would be once too much
	})
	return sum, err
}

// linkFile makes a hard link to an open file, which has been seen to be a regular one. By its name
// it could be another by now: a symbolic link, above all, would be published as it is.
func linkFile(file *os.File, to string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", file.Fd()), unix.AT_FDCWD, to, unix.AT_SYMLINK_FOLLOW)
}

// link puts what an RPM that is in one folder into another, as a hard link where possible.
func link(ctx context.Context, f *folder, name, from, sha256 string) error {
	if same, err := sameContent(ctx, f.path(name), sha256); err != nil || same {
		return err
	}
	file, err := solve.OpenRegular(from)
	if err != nil {
		return err
	}
	defer file.Close()
	return f.put(name, func(to string) error {
		if linkFile(file, to) == nil {
			return nil
		}
		return create(to, func(w io.Writer) error {
			_, err := io.Copy(w, solve.Interruptible(ctx, file))
			return err
		})
	})
}

// sameContent tells whether a file is there and has a SHA-256.
func sameContent(ctx context.Context, name, sum string) (bool, error) {
	file, err := solve.OpenRegular(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, solve.Interruptible(ctx, file)); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == sum, nil
}

// put has a file made aside and makes it appear at once.
func (f *folder) put(name string, make func(to string) error) error {
	if err := f.makeDir(name); err != nil {
		return err
	}
	if err := f.before("write " + name); err != nil {
		return err
	}
	os.Remove(f.aside(name))
	if err := make(f.aside(name)); err != nil {
		os.Remove(f.aside(name))
		return err
	}
	if err := f.appear(name); err != nil {
		os.Remove(f.aside(name))
		return err
	}
	return nil
}

// create writes a new file and syncs it.
func create(name string, write func(io.Writer) error) error {
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := write(w); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	return w.Close()
}
