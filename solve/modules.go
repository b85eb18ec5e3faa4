// SPDX-License-Identifier: GPL-2.0-or-later

package solve

// #include <stdlib.h>
// #include <solv/knownid.h>
// #include <solv/solver.h>
// #include "modules.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A repository may have several versions of a program beside each other, in streams of a module, of
// which at most one is active: the one that is enabled, else the module's default, and what these
// require. The packages of the others are left out, and so are those that are of no module and have
// or provide the name of a package of an active stream. Which streams are active libsolv finds,
// asked as libdnf asks it (libdnf 0.69, ModulePackageContainer::Impl::moduleSolve); what is left out
// is what libdnf's setModuleExcludes leaves out.

// A Module is a stream of a module.
type Module struct{ Name, Stream string }

func (m Module) String() string { return m.Name + ":" + m.Stream }

// Check tells whether both can be names.
func (m Module) Check() error {
	for what, s := range map[string]string{"name": m.Name, "stream": m.Stream} {
		if s == "" || len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
			return fmt.Errorf("%.80q can't be the %s of a module", s, what)
		}
	}
	return nil
}

// ParsePlatformID reads what os-release has as PLATFORM_ID: "platform:el8".
func ParsePlatformID(s string) (Module, error) {
	name, stream, _ := strings.Cut(s, ":")
	m := Module{name, stream}
	if m.Check() != nil {
		return Module{}, fmt.Errorf("%.80q is no platform_id: PLATFORM_ID in the laptops' /etc/os-release says what it is, e.g. \"platform:el8\"", s)
	}
	return m, nil
}

// leftOut are the packages that modules leave out, and why.
type leftOut map[string][]hidden // by name

// hidden is why a package is left out: the stream that it is of, or else the active one of which
// packages have its name.
type hidden struct {
	Module
	active bool
}

// filterModules finds out which streams are active and leaves out what they and the others hide.
func (p *Platform) filterModules(ctx context.Context, c Config, m *modules, note func(string), warn func(Warning)) error {
	if len(m.streams) == 0 && len(c.Modules) == 0 {
		return nil
	}
	note("choosing the streams of modules")
	if err := m.activate(ctx, c, note); err != nil {
		return err
	}
	m.tell(c, warn)
	p.leaveOut(m.hide(p.main, c.Repositories))
	return nil
}

// activate sets which streams are active.
func (m *modules) activate(ctx context.Context, c Config, note func(string)) error {
	platform, err := m.platform(c)
	if err != nil {
		return err
	}
	if platform != nil && c.PlatformID == "" {
		note("taking platform_id for " + Visible(platform.String()) + ", the only one that the modules are for")
	}
	enabled := make(map[string]string)
	for _, want := range c.Modules {
		enabled[want.Name] = want.Stream
		if !slices.ContainsFunc(m.streams, func(s *stream) bool { return s.Module == want }) {
			return fmt.Errorf("the stream %s of the module %s is enabled and no repository has it: %s", Visible(want.Stream), Visible(want.Name), m.known(want.Name))
		}
	}
	m.nameContexts()

	pool := newPool(c.Arch)
	defer pool.free()
	defer pool.stopWith(ctx)()
	repos := make([]repo, len(c.Repositories))
	for i, r := range c.Repositories {
		repos[i] = pool.addRepo(r.ID)
	}
	for _, static := range []bool{true, false} { // the order in which libdnf adds them decides between those that are as good
		for _, s := range m.streams {
			if s.static == static {
				pool.addModule(repos[s.repository], s)
			}
		}
	}
	system := pool.addRepo("")
	if platform != nil {
		pool.addModule(system, &stream{Module: *platform, arch: "noarch", solvable: platform.String()})
	}
	C.ps_prepare_modules(pool.ps, system.c)

	// First with all default streams and the newest of each, then without what that asks too much.
	var chosen []id
	var reason string
	for _, try := range []struct{ weak, best C.Id }{{0, C.SOLVER_FORCEBEST}, {C.SOLVER_WEAK, C.SOLVER_FORCEBEST}, {C.SOLVER_WEAK, 0}} {
		C.queue_empty(&pool.ps.out)
		asked := make(map[Module]bool)
		for _, s := range m.streams {
			if asked[s.Module] {
				continue
			}
			asked[s.Module] = true
			flags := C.SOLVER_INSTALL | C.SOLVER_SOLVABLE_PROVIDES | try.best
			switch wanted, ok := enabled[s.Name]; {
			case ok && wanted == s.Stream:
			case !ok && m.defaults[s.Name] != nil && m.defaults[s.Name].stream == s.Stream:
				flags |= try.weak
			default:
				continue
			}
			C.queue_push2(&pool.ps.out, flags, pool.dependency("module("+s.String()+")"))
		}
		if C.ps_solve_modules(pool.ps) != 0 {
			chosen, reason = slices.Clone(pool.out()), ""
			break
		}
		reason = pool.reason()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if reason != "" {
		return fmt.Errorf("the modules that are enabled can't be active together: %s: correct the tables [[module]] or platform_id", reason)
	}
	active := make(map[string]bool)
	for _, n := range chosen {
		active[pool.name(n)] = true
	}
	for _, s := range m.streams {
		s.active = active[s.solvable]
	}
	return nil
}

// platform is the platform that streams may require: what the configuration says, else the only one
// that they name; nil where they name none.
func (m *modules) platform(c Config) (*Module, error) {
	if c.PlatformID != "" {
		platform, err := ParsePlatformID(c.PlatformID)
		return &platform, err
	}
	named := make(map[string]bool)
	alone := true
	for _, s := range m.streams {
		for _, r := range s.requires {
			if r.name != "platform" {
				continue
			}
			alone = alone && len(r.excluded) == 0
			for _, stream := range slices.Concat(r.any, r.excluded) {
				named[stream] = true
			}
		}
	}
	all := slices.Sorted(maps.Keys(named))
	switch {
	case len(all) == 0:
		return &Module{"platform", ""}, nil // what requires any
	case len(all) > 1 || !alone:
		return nil, fmt.Errorf("the modules are for several platforms, %s: say which one this is before the tables, e.g. platform_id = \"platform:%s\"", Visible(cut(strings.Join(all, ", "), maxProblem)), Visible(all[0]))
	}
	return &Module{"platform", all[0]}, nil
}

// known is which streams of a module there are.
func (m *modules) known(name string) string {
	streams := make(map[string]bool)
	for _, s := range m.streams {
		if s.Name == name {
			streams[s.Stream] = true
		}
	}
	if len(streams) == 0 {
		return "there is no such module"
	}
	return "there are " + Visible(cut(strings.Join(slices.Sorted(maps.Keys(streams)), ", "), maxProblem))
}

// nameContexts finds out what belongs together: the contexts of a stream are builds for different
// requirements. One that is static has a name that stays; the others are told apart by what they
// require, and one with the requirements of a static one is an older build of it.
func (m *modules) nameContexts() {
	type key struct {
		Module
		requires string
	}
	static := make(map[key]string)
	for _, s := range m.streams {
		k := key{s.Module, s.requirements()}
		if s.static {
			s.solvable = s.String() + ":" + s.context
			if _, ok := static[k]; !ok {
				static[k] = s.context
			}
		}
	}
	for _, s := range m.streams {
		k := key{s.Module, s.requirements()}
		if context, ok := static[k]; ok && !s.static {
			s.solvable = s.String() + ":" + context
		} else if !s.static {
			s.solvable = s.String() + ":" + k.requires
		}
	}
}

// requirements are those that tell the contexts of a stream apart, in one text.
func (s *stream) requirements() string {
	var all []string
	for _, r := range s.requires {
		if r.name == "platform" {
			continue
		}
		streams := slices.Clone(r.any)
		for _, text := range r.excluded {
			streams = append(streams, "-"+text)
		}
		slices.Sort(streams)
		all = append(all, fmt.Sprintf("%s:%q", r.name, streams))
	}
	slices.Sort(all)
	return strings.Join(all, ";")
}

func (p *pool) dependency(name string) C.Id {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.ps_dependency(p.ps, c)
}

// addModule adds a stream as a package that provides the module and the stream, and conflicts with
// every other one of the module.
func (p *pool) addModule(r repo, s *stream) {
	name, version, arch := C.CString(s.solvable), C.CString(fmt.Sprint(s.version)), C.CString(s.arch)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(version))
	defer C.free(unsafe.Pointer(arch))
	n := C.ps_add_module(p.ps, r.c, name, version, arch)
	module := p.dependency("module(" + s.Name + ")")
	C.ps_add_dependency(p.ps, n, C.SOLVABLE_PROVIDES, module)
	C.ps_add_dependency(p.ps, n, C.SOLVABLE_CONFLICTS, module)
	C.ps_add_dependency(p.ps, n, C.SOLVABLE_PROVIDES, p.dependency("module("+s.String()+")"))
	for _, r := range s.requires {
		for _, stream := range r.excluded {
			C.ps_add_dependency(p.ps, n, C.SOLVABLE_CONFLICTS, p.dependency("module("+r.name+":"+stream+")"))
		}
		var requires C.Id
		for _, stream := range slices.Backward(r.any) {
			if one := p.dependency("module(" + r.name + ":" + stream + ")"); requires == 0 {
				requires = one
			} else {
				requires = C.ps_either(p.ps, one, requires)
			}
		}
		if requires == 0 {
			requires = p.dependency("module(" + r.name + ")")
		}
		C.ps_add_dependency(p.ps, n, C.SOLVABLE_REQUIRES, requires)
	}
}

// tell warns of streams that are enabled and no longer cared for, of defaults that can't be active,
// and of those that repositories disagree about.
func (m *modules) tell(c Config, warn func(Warning)) {
	enabled := make(map[string]bool)
	for _, e := range c.Modules {
		enabled[e.Name] = true
	}
	active := make(map[string]bool)
	told := make(map[Module]bool)
	for _, s := range m.streams {
		active[s.Name] = active[s.Name] || s.active
	}
	for _, s := range m.streams {
		d := m.defaults[s.Name]
		var text string
		switch o := m.obsoletes[s.Module]; {
		case told[s.Module]:
			continue
		case s.active && enabled[s.Name] && o != nil && !o.reset:
			text = fmt.Sprintf("the stream %s of the module %s, which is enabled, is obsolete", s.Stream, s.Name)
			if o.from != "" {
				text += " since " + o.from
			}
			if o.successor.Stream != "" {
				text += fmt.Sprintf(": enable the stream %s of the module %s", o.successor.Stream, o.successor.Name)
			}
			if o.message != "" {
				text += ": " + o.message
			}
		case d != nil && d.disputed && !active[s.Name]:
			text = fmt.Sprintf("repositories have different default streams of the module %s, so none is active: enable one in a table [[module]]", s.Name)
			told[Module{s.Name, ""}], s = true, &stream{Module: Module{s.Name, ""}, repository: s.repository}
		case d != nil && d.stream == s.Stream && !active[s.Name]:
			text = fmt.Sprintf("the default stream %s of the module %s isn't active, since what it requires can't be: look at platform_id, and at the tables [[module]]", s.Stream, s.Name)
		default:
			continue
		}
		told[s.Module] = true
		warn(newWarning(c.Repositories[s.repository].ID, "", errors.New(text)))
	}
}

// hide gives the packages that are left out.
func (m *modules) hide(p *pool, repositories []Repository) (all []id, why leftOut) {
	given := make(map[Module]map[string]uint64) // names that an active stream has given up, and the version that says so
	newest := make(map[string]uint64)
	for _, s := range m.streams {
		if s.active {
			newest[s.solvable] = max(newest[s.solvable], s.version)
		}
	}
	for _, s := range m.streams {
		if s.active && s.version == newest[s.solvable] {
			for _, name := range s.demodularized {
				if given[s.Module] == nil {
					given[s.Module] = make(map[string]uint64)
				}
				given[s.Module][name] = s.version
			}
		}
	}
	taken := make(map[tree.NEVRA]bool)      // of active streams
	others := make(map[tree.NEVRA][]hidden) // of the others
	names := make(map[string]Module)        // of the packages of active streams
	for _, s := range m.streams {
		for _, n := range s.artifacts {
			switch {
			case !s.active:
				others[n] = append(others[n], hidden{s.Module, false})
			default:
				taken[n] = true
				if _, ok := given[s.Module][n.Name]; !ok {
					names[n.Name] = s.Module
				}
			}
		}
	}
	providing := make(map[id]Module)
	for name, of := range names {
		for _, n := range p.providers(id(p.dependency(name))) {
			providing[n] = of
		}
	}
	why = make(leftOut)
	start, end := p.installed()
	for n := range p.end() {
		if n >= start && n < end || !p.usable(n) || repositories[p.repoOf(n)].ModuleHotfixes {
			continue
		}
		nevra := p.nevra(n)
		if taken[nevra] {
			continue
		}
		reasons := others[nevra]
		if of, ok := names[nevra.Name]; ok {
			reasons = append(reasons, hidden{of, true})
		} else if of, ok := providing[n]; ok {
			reasons = append(reasons, hidden{of, true})
		}
		if len(reasons) > 0 {
			all = append(all, n)
			why[nevra.Name] = append(why[nevra.Name], reasons...)
		}
	}
	return all, why
}

func (p *Platform) leaveOut(all []id, why leftOut) {
	if len(all) > 0 {
		p.main.leaveOut(all)
	}
	p.left, p.leftOut = all, why
}

// LeaveOut has packages count as if no repository had them in what is solved from now on, of which
// nothing is kept. The base stays what it is. No Solve may be running.
func (p *Platform) LeaveOut(packages []*Package) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pkg := range packages {
		p.left = append(p.left, pkg.id)
	}
	p.main.leaveOut(p.left)
	if p.again != nil {
		p.again.over = true
	}
}

// reason says why no package of a name is left; "" where modules haven't left out any.
func (l leftOut) reason(name string) string {
	streams := make(map[string][]string) // that aren't active, by module
	var active []string
	for _, h := range l[name] {
		if h.active {
			active = append(active, fmt.Sprintf("the stream %s of the module %s", h.Stream, h.Name))
		} else {
			streams[h.Name] = append(streams[h.Name], h.Stream)
		}
	}
	var parts []string
	for _, module := range slices.Sorted(maps.Keys(streams)) {
		all := streams[module]
		slices.Sort(all)
		switch all = slices.Compact(all); {
		case len(all) == 1:
			parts = append(parts, fmt.Sprintf("its packages are in the stream %s of the module %s, which isn't enabled: add [[module]] name = %q, stream = %q", all[0], module, module, all[0]))
		default:
			parts = append(parts, fmt.Sprintf("its packages are in the streams %s of the module %s, none of which is enabled: add [[module]] name = %q and one of them as stream", strings.Join(all, ", "), module, module))
		}
	}
	if slices.Sort(active); len(active) > 0 && len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("its packages are of no module and left out for %s, which has packages of their name, or of one that they provide: set module_hotfixes = true for their repository to have them", strings.Join(slices.Compact(active), " and ")))
	}
	return Visible(cut(strings.Join(parts, "; "), maxWarning))
}
