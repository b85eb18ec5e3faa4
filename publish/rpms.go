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

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// An rpm is an RPM that the published folder holds.
type rpm struct {
	location string // relative to the folder that keeps the RPMs
	sha256   string
}

// rpm puts a package's RPM into the folder, once. It appears at once: until a tree refers to it,
// nobody asks for it, and what was downloaded isn't lost when the build fails later.
func (b *builder) rpm(ctx context.Context, pkg *solve.Package) (rpm, error) {
	once, _ := b.rpms.LoadOrStore(pkg, sync.OnceValues(func() (rpm, error) { return b.getRPM(ctx, pkg) }))
	return once.(func() (rpm, error))()
}

func (b *builder) getRPM(ctx context.Context, pkg *solve.Package) (rpm, error) {
	f, prefix := b.folder, "rpms/"
	if !b.Presolve {
		f, prefix = b.sugar, ""
	}
	own, unique := fileNames(pkg)
	by, taken := b.claimed.LoadOrStore(own, pkg)
	for _, name := range []string{unique, own} { // what is there keeps its name
		if sum := check(f.path(prefix+name), pkg); sum != "" {
			return b.share(rpm{prefix + name, sum})
		}
	}
	name := own
	if taken && by != pkg || exists(f.path(prefix+name)) {
		name = unique
	}
	sum, err := b.obtain(ctx, f, prefix+name, pkg)
	if err != nil {
		return rpm{}, fmt.Errorf("copying the RPM of %s: %w", pkg.NEVRA, err)
	}
	return b.share(rpm{prefix + name, sum})
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
func check(name string, pkg *solve.Package) string {
	file, err := solve.OpenRegular(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum, err := pkg.Check(file)
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
	if err := f.makeDir(name); err != nil {
		return "", err
	}
	if err := f.before("write " + name); err != nil {
		return "", err
	}
	os.Remove(f.aside(name))
	defer func() {
		if err != nil {
			os.Remove(f.aside(name))
		}
	}()
	if u, err := url.Parse(pkg.URLs[0]); err == nil && u.Scheme == "file" && os.Link(u.Path, f.aside(name)) == nil {
		if sum, err = checkAside(f, name, pkg); err == nil {
			return sum, f.appear(name)
		}
		os.Remove(f.aside(name)) // another mirror may have it right
	}
	w, err := os.OpenFile(f.aside(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	defer w.Close()
	if sum, err = b.solved.RPM(ctx, pkg, w); err != nil {
		return "", err
	}
	if err := w.Sync(); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return sum, f.appear(name)
}

func checkAside(f *folder, name string, pkg *solve.Package) (string, error) {
	file, err := solve.OpenRegular(f.aside(name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	return pkg.Check(file)
}

// share puts an RPM into the Sugar Network layout's folder as well, as a hard link where possible.
func (b *builder) share(r rpm) (rpm, error) {
	if b.sugar == nil || !b.Presolve {
		return r, nil
	}
	if err := b.link(r); err != nil {
		return r, fmt.Errorf("copying an RPM for the Sugar Network layout: %w", err)
	}
	return r, nil
}

func (b *builder) link(r rpm) error {
	name, from := path.Base(r.location), b.folder.path(r.location)
	to := b.sugar.path(name)
	if same, err := sameContent(to, r.sha256); err != nil || same {
		return err
	}
	if err := b.sugar.before("write " + name); err != nil {
		return err
	}
	os.Remove(b.sugar.aside(name))
	if err := os.Link(from, b.sugar.aside(name)); err != nil {
		if err := copyFile(b.sugar.aside(name), from); err != nil {
			return err
		}
	}
	return b.sugar.appear(name)
}

// sameContent tells whether a file is there and has a SHA-256.
func sameContent(name, sum string) (bool, error) {
	file, err := solve.OpenRegular(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == sum, nil
}

func copyFile(to, from string) error {
	r, err := solve.OpenRegular(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	return w.Close()
}
