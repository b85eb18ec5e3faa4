// SPDX-License-Identifier: GPL-2.0-or-later

package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// database looks whether the RPM database can be read, by this program, and written, by rpm.
func (e *examination) database(ctx context.Context) {
	const about = "rpm database"
	e.arches = make(map[string]int)
	packages := 0
	err := e.RPM.Read(ctx, func(string) bool { return false }, func(_ string, h *rpm.Header) error {
		packages++
		e.arches[h.Arch]++
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.warn(about, err.Error(), "run this as root")
		return
	case errors.As(err, new(*rpm.DamagedError)):
		e.wrong(about, err.Error(), "have it rebuilt: pkcon repair, or rpm --rebuilddb")
		return
	case err != nil:
		e.wrong(about, err.Error(), "if nothing else has it locked, have it rebuilt: pkcon repair, or rpm --rebuilddb")
		return
	}
	text := fmt.Sprintf("%s has %d packages", e.RPM.File(), packages)
	if e.Root { // as rpm --root is for root alone
		version, next, err := e.rpm(ctx)
		if err != nil {
			e.wrong(about, err.Error(), next)
			return
		}
		text += ", for " + version
	}
	if packages == 0 {
		e.warn(about, text, "if the standard installation is elsewhere, correct root and rpmdb in the configuration")
		return
	}
	e.ok(about, "%s", text)
}

// rpm is the version of rpm, if it can write to the database; else what to do.
func (e *examination) rpm(ctx context.Context) (version, next string, err error) {
	if version, err = e.RPM.Version(ctx); err != nil {
		return "", "install rpm, or look why it doesn't run", err
	}
	policy, err := e.RPM.Policy(ctx)
	if err == nil {
		err = e.RPM.CheckWritable(ctx, policy)
	}
	next = "look why rpm doesn't run"
	if unwritable := (*rpm.UnwritableError)(nil); errors.As(err, &unwritable) {
		next = "convert it as the text says"
		if unwritable.Rebuild {
			next = "pkcon repair converts it"
		}
	}
	return version, next, err
}

// platform compares the platform's name with the system that it is for: its release, and what is
// installed.
func (e *examination) platform(context.Context) {
	const about = "platform"
	name := e.Offers.Platform
	arch := name[strings.LastIndexByte(name, '-')+1:]
	runs := tree.Compatible(arch)
	var others []string // architectures of packages that it can't have, that most are of first
	own := 0
	for _, a := range slices.SortedFunc(maps.Keys(e.arches), func(a, b string) int {
		return cmp.Or(e.arches[b]-e.arches[a], strings.Compare(a, b))
	}) {
		switch {
		case a == "noarch":
		case slices.Contains(runs, a):
			own += e.arches[a]
		default:
			others = append(others, a)
		}
	}
	var err error
	e.os, err = readOSRelease(e.RPM.Root)
	system := cmp.Or(e.os.name, e.os.id+" "+e.os.version)
	right := e.os.id + "-" + e.os.version + "-" + arch
	// A name of one's own, "school-1-i686", tells nothing of the release.
	release, named := strings.CutPrefix(name, e.os.id+"-")
	switch {
	case own == 0 && len(others) > 0:
		right := strings.TrimSuffix(name, arch) + others[0]
		e.wrong(about, fmt.Sprintf("%s is for %s, and no package of this is installed: those here are of %s", name, arch, others[0]),
			fmt.Sprintf("if a source has it, write platform = %q into the configuration; else root is that of another computer", right))
	case err != nil:
		e.ok(about, "%s; %s doesn't tell what system it is: %v", name, e.RPM.Root, err)
	case e.os.id != "" && e.os.version != "" && named && !strings.HasPrefix(release, e.os.version+"-"):
		e.wrong(about, fmt.Sprintf("%s isn't what this is: %s is %s", name, e.os.file, system),
			fmt.Sprintf("if a source has it, write platform = %q into the configuration", right))
	default:
		e.ok(about, "%s, on %s", name, system)
	}
}

// An osRelease is what os-release(5) says of a system.
type osRelease struct{ file, id, version, name string }

// readOSRelease reads it below a root, which it can't lead out of.
func readOSRelease(root string) (osRelease, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return osRelease{}, err
	}
	defer r.Close()
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		f, missing := r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if missing != nil {
			err = fmt.Errorf("no %s", name)
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, 64<<10))
		f.Close()
		if err != nil {
			return osRelease{}, err
		}
		o := parseOSRelease(data)
		o.file = filepath.Join(root, name)
		return o, nil
	}
	return osRelease{}, err
}

func parseOSRelease(data []byte) (o osRelease) {
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		value = strings.Map(func(r rune) rune {
			if !strconv.IsPrint(r) {
				return -1
			}
			return r
		}, strings.Trim(value, `"'`))
		switch key {
		case "ID":
			o.id = value
		case "VERSION_ID":
			o.version = value
		case "PRETTY_NAME":
			o.name = value
		}
	}
	return o
}

// What is left on a disk that is too little: for the record and what it keeps of sources, and for RPMs.
const (
	littleState = 24 << 20
	littleCache = 64 << 20
)

// folders looks at the disks of state and cache, and whether they can be what this program needs.
func (e *examination) folders(context.Context) {
	for _, f := range []struct {
		about, path string
		little      uint64
	}{{"state", e.State, littleState}, {"cache", e.Cache, littleCache}} {
		at, made := f.path, ""
		var info fs.FileInfo
		var err error
		for {
			info, err = os.Lstat(at)
			if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
				break
			}
			at, made = filepath.Dir(at), ", will be made"
		}
		var disk unix.Statfs_t
		if err == nil {
			err = unix.Statfs(at, &disk)
		}
		if err != nil {
			e.wrong(f.about, err.Error(), "put that right, or name another folder in the configuration")
			continue
		}
		free := disk.Bavail * uint64(disk.Bsize)
		if e.Root {
			free = disk.Bfree * uint64(disk.Bsize)
		}
		text := fmt.Sprintf("%s%s: %s free", f.path, made, offers.Size(int64(free)))
		owner, _ := info.Sys().(*syscall.Stat_t)
		switch {
		case made == "" && !info.IsDir():
			e.wrong(f.about, f.path+" is no folder", "name the folder itself in the configuration")
		case disk.Flags&unix.ST_RDONLY != 0:
			e.wrong(f.about, f.path+" is on a disk that can't be written to", "if it was mounted so after an error, check the disk (fsck); else name another folder in the configuration")
		case made == "" && e.Root && owner != nil && owner.Uid != 0:
			e.wrong(f.about, fmt.Sprintf("%s belongs to the user %d", f.path, owner.Uid), "chown root "+f.path)
		case disk.Files > 0 && disk.Ffree == 0:
			e.wrong(f.about, f.path+" is on a disk that can't have one more file", "remove files")
		case free < 1<<20:
			e.wrong(f.about, text, "remove something: pkcon remove works on a full disk")
		case free < f.little:
			e.warn(f.about, text, "remove something before the next install")
		default:
			e.ok(f.about, "%s", text)
		}
	}
}

// locks looks who is changing the system. Nothing is locked for that.
func (e *examination) locks(context.Context) {
	const about = "changes"
	for _, file := range []string{filepath.Join(e.State, "lock"), e.RPM.LockFile()} {
		who, err := rpm.Holder(filepath.Join(e.System, "proc"), file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return
		case who != "":
			e.warn(about, fmt.Sprintf("%s has locked %s", who, file), "wait until it is done: nothing else is installed before")
			return
		}
	}
	e.ok(about, "nobody is changing the system")
}
