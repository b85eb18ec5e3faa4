// SPDX-License-Identifier: GPL-2.0-or-later

package solve

// #cgo pkg-config: libsolv libsolvext
// #cgo CFLAGS: -O2
// #include <stdlib.h>
// #include <solv/knownid.h>
// #include "libsolv.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// pool is a libsolv pool. It may be used by one goroutine at a time, and must be freed.
type pool struct{ ps *C.ps }

// id names a package within a pool and all its clones.
type id = int32

func newPool(arch string) *pool {
	s := C.CString(arch)
	defer C.free(unsafe.Pointer(s))
	return &pool{C.ps_new(s)}
}

func (p *pool) free() { C.ps_free(p.ps) }

// clone is a pool with the same packages, for solving trees: see ps_clone.
func (p *pool) clone(weak bool) *pool { return &pool{C.ps_clone(p.ps, cBool(weak))} }

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// repo is one repository in a pool, which owns it.
type repo struct{ c *C.Repo }

func (p *pool) addRepo(name string) repo {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return repo{C.ps_add_repo(p.ps, s)}
}

// readPrimary adds the packages of a primary.xml, compressed as its name says, of at most max bytes unpacked, and gives how
// many it has. It ends early with ctx's error.
func (p *pool) readPrimary(ctx context.Context, r repo, path string, max int64) (int64, error) {
	return p.readRPMMD(ctx, r, path, max, 0)
}

// readFileLists adds the files of a filelists.xml to the packages that are there.
func (p *pool) readFileLists(ctx context.Context, r repo, path string, max int64) (int64, error) {
	return p.readRPMMD(ctx, r, path, max, 1)
}

func (p *pool) readRPMMD(ctx context.Context, r repo, path string, max int64, extend C.int) (int64, error) {
	defer p.stopWith(ctx)()
	s := C.CString(path)
	defer C.free(unsafe.Pointer(s))
	err := failure(C.ps_read_rpmmd(p.ps, r.c, s, C.ulonglong(max), extend))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return int64(p.ps.unpacked), err
}

// stopWith has the pool's work in C end when ctx does, as far as it can: the solver itself can't be stopped. release must be called
// before the pool is freed. A pool that was stopped is of no use but to be freed.
func (p *pool) stopWith(ctx context.Context) (release func()) {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		C.ps_stop(p.ps)
	})
	return func() {
		if !stop() {
			<-stopped
		}
	}
}

// readRPMDB adds the packages of the RPM database in root/var/lib/rpm and takes them for the installed ones.
func (p *pool) readRPMDB(r repo, root string) error {
	s := C.CString(root)
	defer C.free(unsafe.Pointer(s))
	return failure(C.ps_read_rpmdb(p.ps, r.c, s))
}

func failure(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

func (p *pool) wantsFileLists(ctx context.Context) bool {
	defer p.stopWith(ctx)()
	return C.ps_wants_filelists(p.ps) != 0
}

// prepare must be called between reading and anything else.
func (p *pool) prepare() { C.ps_prepare(p.ps) }

// candidates are the packages that installing a name chooses from, sorted by id: see ps_select.
func (p *pool) candidates(name string) []id {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	C.ps_select(p.ps, s)
	return p.out()
}

// installOnly are the packages that are installed beside their older versions.
func (p *pool) installOnly() []id {
	C.ps_install_only(p.ps)
	return p.out()
}

// solve finds what installing names takes: packages in install order, or the reason why it can't be done. The result counts only where
// ctx hasn't ended.
func (p *pool) solve(ctx context.Context, weak bool, names ...string) (steps []id, reason string) {
	defer p.stopWith(ctx)()
	list := make([]*C.char, len(names))
	mem := (**C.char)(C.calloc(C.size_t(len(names)+1), C.size_t(unsafe.Sizeof(list[0]))))
	defer C.free(unsafe.Pointer(mem))
	for i, name := range names {
		list[i] = C.CString(name)
		defer C.free(unsafe.Pointer(list[i]))
	}
	copy(unsafe.Slice(mem, len(names)+1), list)
	if C.ps_solve(p.ps, mem, C.int(len(names)), cBool(weak)) == 0 {
		return nil, p.reason()
	}
	return slices.Clone(p.out()), ""
}

// Bounds on a reason: nobody reads more, and report.json has one for each name.
const (
	maxProblems = 5
	maxProblem  = 300 // bytes
)

// reason is what explain wrote: each line once, of the first maxProblems, and how many more there are.
func (p *pool) reason() string {
	seen := make(map[string]bool)
	var lines []string
	for line := range strings.Lines(p.text()) {
		line = strings.TrimSpace(line)
		if line == "conflicting requests" || seen[line] {
			continue
		}
		seen[line] = true
		if len(lines) < maxProblems {
			lines = append(lines, Visible(cut(line, maxProblem)))
		}
	}
	if len(lines) == 0 {
		return "libsolv finds no solution and gives no reason"
	}
	if more := int64(len(seen)-len(lines)) + int64(p.ps.unsaid); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}

// installLast makes copies of what solve found last the installed packages.
func (p *pool) installLast() { C.ps_install(p.ps) }

// leaveOut has packages, which aren't installed, count as if no repository had them, in clones too.
func (p *pool) leaveOut(all []id) {
	C.queue_empty(&p.ps.out)
	for _, n := range all {
		C.queue_push(&p.ps.out, C.Id(n))
	}
	C.ps_leave_out(p.ps)
}

// installed is the range of the installed packages' ids.
func (p *pool) installed() (start, end id) {
	r := p.ps.pool.installed
	if r == nil {
		return 0, 0
	}
	return id(r.start), id(r.end)
}

// end is one more than the highest id.
func (p *pool) end() id { return id(p.ps.pool.nsolvables) }

// out is the last result, which the next call that has one overwrites.
func (p *pool) out() []id {
	return unsafe.Slice((*id)(unsafe.Pointer(p.ps.out.elements)), int(p.ps.out.count))
}

func (p *pool) text() string {
	return strings.ToValidUTF8(C.GoStringN(p.ps.text, C.int(p.ps.ntext)), "\uFFFD")
}

// usable tells whether a package exists and is for this architecture.
func (p *pool) usable(n id) bool { return C.ps_usable(p.ps, C.Id(n)) != 0 }

// repoOf is the index of the package's repository, in the order in which they were added.
func (p *pool) repoOf(n id) int { return int(C.ps_solvable(p.ps, C.Id(n)).repo.repoid) - 1 }

// requires are pairs: a dependency, and 0, or -1 where it holds only sometimes ("A if B").
func (p *pool) requires(n id) []id {
	C.ps_requires(p.ps, C.Id(n))
	return p.out()
}

// providers are the packages that meet a dependency.
func (p *pool) providers(dependency id) []id {
	C.ps_providers(p.ps, C.Id(dependency))
	return p.out()
}

func (p *pool) provides(n id) []string  { return p.dependencies(n, C.SOLVABLE_PROVIDES) }
func (p *pool) obsoletes(n id) []string { return p.dependencies(n, C.SOLVABLE_OBSOLETES) }

// required and recommends are written as the package has them.
func (p *pool) required(n id) []string   { return p.dependencies(n, C.SOLVABLE_REQUIRES) }
func (p *pool) recommends(n id) []string { return p.dependencies(n, C.SOLVABLE_RECOMMENDS) }

func (p *pool) dependencies(n id, key C.Id) []string {
	C.ps_dependencies(p.ps, C.Id(n), key)
	if p.ps.ntext == 0 {
		return nil
	}
	return strings.FieldsFunc(p.text(), func(r rune) bool { return r == '\n' })
}

func (p *pool) files(n id) []string {
	C.ps_files(p.ps, C.Id(n))
	files := strings.FieldsFunc(p.text(), func(r rune) bool { return r == 0 })
	slices.Sort(files)
	return slices.Compact(files)
}

func (p *pool) name(n id) string    { return p.str(n, C.SOLVABLE_NAME) }
func (p *pool) evr(n id) string     { return p.str(n, C.SOLVABLE_EVR) }
func (p *pool) arch(n id) string    { return p.str(n, C.SOLVABLE_ARCH) }
func (p *pool) summary(n id) string { return p.str(n, C.SOLVABLE_SUMMARY) }
func (p *pool) description(n id) string {
	return p.str(n, C.SOLVABLE_DESCRIPTION)
}
func (p *pool) license(n id) string       { return p.str(n, C.SOLVABLE_LICENSE) }
func (p *pool) group(n id) string         { return p.str(n, C.SOLVABLE_GROUP) }
func (p *pool) url(n id) string           { return p.str(n, C.SOLVABLE_URL) }
func (p *pool) locationBase(n id) string  { return p.str(n, C.SOLVABLE_MEDIABASE) }
func (p *pool) downloadSize(n id) int64   { return p.num(n, C.SOLVABLE_DOWNLOADSIZE) }
func (p *pool) installedSize(n id) int64  { return p.num(n, C.SOLVABLE_INSTALLSIZE) }
func (p *pool) location(n id) string      { return goString(C.ps_location(p.ps, C.Id(n))) }
func (p *pool) num(n id, key C.Id) int64  { return int64(C.ps_num(p.ps, C.Id(n), key)) }
func (p *pool) str(n id, key C.Id) string { return goString(C.ps_str(p.ps, C.Id(n), key)) }

// checksum is a package's digest in hexadecimal and its kind as libsolv calls it, e.g. "sha256".
func (p *pool) checksum(n id) (hex, kind string) {
	var k *C.char
	sum := C.ps_checksum(p.ps, C.Id(n), &k)
	return goString(sum), goString(k)
}

func goString(s *C.char) string { return strings.ToValidUTF8(C.GoString(s), "\uFFFD") }
