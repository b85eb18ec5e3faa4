// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// connections are how many everybody has at most, as dnf has them unasked.
const connections = 3

// A shop is a repository of RPMs and what was presolved from it, each with a server.
type shop struct {
	platform   string
	program    string
	base       []string
	root       string   // with the base in its RPM database, to be copied
	rpms       []string // of the program, in install order, relative to the platform's folder
	size       int64    // of them
	repository string   // folder
	// The servers of what is published, and of the repository.
	published, packages *testbed.Server
	key                 string // fingerprint of who signs what is published
}

func (s *shop) Close() {
	s.published.Stop()
	s.packages.Stop()
}

// shop makes the shop: the corpus' RPMs, or the testbed's school.
func (b *bench) shop() (*shop, error) {
	s := &shop{platform: testbed.Platform, program: "atlas", root: filepath.Join(b.folder("base"), "root")}
	if b.corpus == "" {
		school, err := testbed.NewSchool(b.folder("school"), b.tools, testbed.Atlas()...)
		if err != nil {
			return nil, err
		}
		s.repository, s.published, s.key = filepath.Join(school.Dir, "repository"), school.Server, school.Key.Fingerprint
		for _, name := range []string{"basesystem-1.0-1.noarch.rpm", "libschool-2.0-1.x86_64.rpm"} {
			s.base = append(s.base, filepath.Join(s.repository, name))
		}
		if err := testbed.Root(s.root, s.base...); err != nil {
			return nil, err
		}
		if err := s.readTree(school.Published()); err != nil {
			return nil, err
		}
	} else {
		s.platform, s.program, s.repository, s.key = corpusPlatform, "sugar-write-activity", filepath.Join(b.corpus, "rpms"), b.key.Fingerprint
		s.base, _ = filepath.Glob(filepath.Join(b.corpus, "base", "*.rpm"))
		dir := b.folder("shop")
		if err := testbed.Root(s.root, s.base...); err != nil {
			return nil, err
		}
		out := filepath.Join(dir, "published")
		config := filepath.Join(dir, "presolver.toml")
		text := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = \"copy\"\n\n[[repository]]\nid = \"main\"\nurl = \"file://%s\"\n\n[base]\nroot = %q\nrpmdb = %q\n\n[toplevel]\npackages = [%q]\n\n[signing]\nkey = %q\n",
			s.platform, out, s.repository, s.root, testbed.DBPath, s.program, b.keyFile())
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			return nil, err
		}
		if _, err := b.tools.Build(config); err != nil {
			return nil, err
		}
		if err := s.readTree(out); err != nil {
			return nil, err
		}
		var err error
		if s.published, err = b.tools.Serve(out); err != nil {
			return nil, err
		}
	}
	var err error
	if s.packages, err = b.tools.Serve(s.repository); err != nil {
		s.published.Stop()
	}
	return s, err
}

// readTree reads where the RPMs are.
func (s *shop) readTree(published string) error {
	paths, _ := filepath.Glob(filepath.Join(published, s.platform, "trees", s.program+"@*"))
	if len(paths) != 1 {
		return fmt.Errorf("%s has %d trees of %s", published, len(paths), s.program)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		return err
	}
	t, err := tree.KeptTree(data, nil) // so few trees have no dictionary
	if err != nil {
		return err
	}
	for _, p := range t.Packages {
		s.rpms = append(s.rpms, p.Location)
		s.size += p.Size
	}
	return nil
}

// install measures installing a program with what it needs, beside those who do the same.
func (b *bench) install() error {
	s, err := b.shop()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := b.installs(s, "loopback", 0); err != nil {
		return err
	}
	return b.installs(s, fmt.Sprintf("%.3g MB/s a connection", float64(b.rate)/1e6), b.rate)
}

// A visit is one install with one program: each in a root of its own.
type visit struct {
	cost
	download, rpm took // parts of it, where they are known
	cpu           took // of the programs that aren't rpm, where it is known
	anonymous     bytes
	// Of the process that downloads for the helper, 0 where there is none.
	downloaderPeak, downloaderAnonymous bytes
}

// installs measures one kind of link.
func (b *bench) installs(s *shop, where string, speed int) error {
	published, packages := s.published.URL, s.packages.URL
	if speed > 0 {
		for _, u := range []*string{&published, &packages} {
			l, err := testbed.NewLink(*u, testbed.Weather{Rate: speed})
			if err != nil {
				return err
			}
			defer l.Close()
			*u = l.URL
		}
	}
	type contender struct {
		name string
		run  func(root string) (visit, error)
	}
	contenders := []contender{
		{"presolve", func(root string) (visit, error) { return b.byHelper(s, root, published, "", true) }},
		{"presolve, nothing known", func(root string) (visit, error) { return b.byHelper(s, root, published, "", false) }},
		{"presolve, one process", func(root string) (visit, error) { return b.byHelper(s, root, published, "user = \"\"\n", true) }},
		{"pkcon", func(root string) (visit, error) { return b.byPkcon(s, root, published) }},
	}
	if b.installed("curl") {
		contenders = append(contenders, contender{"curl + rpm", func(root string) (visit, error) { return b.byHand(s, root, published, false) }})
	}
	if b.installed("dnf") {
		contenders = append(contenders, contender{"dnf", func(root string) (visit, error) { return b.byDNF(s, root, packages, "") }})
		if b.corpus != "" {
			if _, err := b.platform(); err != nil {
				return err
			}
			distribution, err := b.tools.Serve(b.big.repository)
			if err != nil {
				return err
			}
			defer distribution.Stop()
			l, err := testbed.NewLink(distribution.URL, testbed.Weather{Rate: speed})
			if err != nil {
				return err
			}
			defer l.Close()
			contenders = append(contenders, contender{"dnf, 63,440 packages", func(root string) (visit, error) { return b.byDNF(s, root, packages, l.URL) }})
		}
	}
	if b.installed("zypper") {
		contenders = append(contenders, contender{"zypper", func(root string) (visit, error) { return b.byZypper(s, root, packages) }})
	}
	all := make(map[string][]visit)
	for n := range b.runs {
		b.say("installing %s, %s, %d of %d", s.program, where, n+1, b.runs)
		for i := range contenders {
			c := contenders[(i+n)%len(contenders)] // nobody always follows the same one
			if all[c.name] == nil && n > 0 {
				continue // it failed
			}
			// It stays until the end: ext4 creates files slowly for minutes after many were
			// removed, since it looks for inodes that weren't used lately.
			root := filepath.Join(b.folder("install"), "root")
			if err := os.CopyFS(root, os.DirFS(s.root)); err != nil {
				return err
			}
			syscall.Sync() // what others wrote is not to be waited for
			v, err := c.run(root)
			if b.Err() != nil {
				return b.Err()
			}
			if err == nil {
				err = s.check(root)
			}
			if err != nil {
				b.table.note("%s, %s: %v", c.name, where, err)
				delete(all, c.name)
				if c.name == contenders[0].name {
					return errors.New("nothing to compare with")
				}
				continue
			}
			all[c.name] = append(all[c.name], v)
		}
	}
	of := func(name string, f func(visit) quantity) quantity {
		var values []quantity
		for _, v := range all[name] {
			values = append(values, f(v))
		}
		if len(values) == 0 {
			return nil
		}
		slices.SortFunc(values, func(a, b quantity) int { return cmp.Compare(a.number(), b.number()) })
		return values[len(values)/2]
	}
	wall := func(v visit) quantity { return v.wall }
	peak := func(v visit) quantity { return v.peak }
	cpu := func(v visit) quantity { return v.cpu }
	compare := func(what, name, other string, f func(visit) quantity, r row) {
		r.what = fmt.Sprintf("install: %d packages, %s: %s", len(s.rpms), where, what)
		if r.figure = of(name, f); r.figure == nil {
			return
		}
		if r.other = of(other, f); r.other != nil {
			r.peer = other
		}
		b.table.add(r)
	}
	compare("wall, warm helper", "presolve", "curl + rpm", wall, row{times: 1.05})
	download := func(v visit) quantity { return v.download }
	compare("its downloads", "presolve", "curl + rpm", download, row{})
	compare("its downloads, which another process does", "presolve", "presolve, one process", download, row{})
	compare("CPU of both, without rpm's", "presolve", "presolve, one process", cpu, row{})
	compare("its rpm", "presolve", "curl + rpm", func(v visit) quantity { return v.rpm }, row{})
	peers := []string{"curl + rpm", "dnf", "dnf, 63,440 packages", "zypper"}
	for _, peer := range peers {
		if len(all[peer]) > 0 {
			compare("wall, new helper", "presolve, nothing known", peer, wall, row{})
		}
	}
	compare("wall, pkcon, packagekitd, new helper", "pkcon", "presolve, nothing known", wall, row{times: 1.15})
	compare("their CPU, without rpm's", "pkcon", "presolve, nothing known", cpu, row{})
	if speed > 0 {
		return nil
	}
	compare("peak memory, warm helper", "presolve", "", peak, row{budget: bytes(14 << 20)})
	compare("peak memory, new helper", "presolve, nothing known", "", peak, row{budget: bytes(14 << 20)})
	compare("anonymous memory at its end, new helper", "presolve, nothing known", "", func(v visit) quantity { return v.anonymous }, row{budget: bytes(5 << 20)})
	compare("peak memory, warm helper, for which another process downloads", "presolve", "presolve, one process", peak, row{})
	compare("peak memory of the process that downloads", "presolve", "", func(v visit) quantity { return v.downloaderPeak }, row{})
	compare("anonymous memory of it at its end", "presolve", "", func(v visit) quantity { return v.downloaderAnonymous }, row{})
	for _, peer := range peers {
		if len(all[peer]) > 0 {
			compare("peak memory, new helper", "presolve, nothing known", peer, peak, row{})
		}
	}
	b.table.note("install: a warm helper has resolved the name before, as PackageKit's clients do; a new one begins with no record and no catalogue, as dnf and zypper begin with no metadata.")
	b.table.note("install: memory is without child processes: the helper and zypper run rpm, curl + rpm is rpm alone.")
	return nil
}

// check tells whether everything is installed.
func (s *shop) check(root string) error {
	out, err := testbed.RPMQuery(root, "-qa")
	if n, want := strings.Count(out, "\n"), len(s.base)+len(s.rpms); err == nil && n != want {
		err = fmt.Errorf("%d packages are installed and should be %d", n, want)
	}
	return err
}

// byHelper installs with the helper. warm: it has resolved the name before, as PackageKit's clients
// do. transport is added to that table of the configuration.
func (b *bench) byHelper(s *shop, root, url, transport string, warm bool) (v visit, err error) {
	l, err := b.laptop(s, root, url, transport)
	if err != nil {
		return v, err
	}
	start := time.Now()
	h, err := b.start(l)
	if err != nil {
		return v, err
	}
	defer h.Kill()
	id, _, err := resolve(h, s.program)
	if err != nil {
		return v, err
	}
	if warm {
		start = time.Now()
	}
	var downloading, installing time.Time
	if err := h.Send("install-packages", "none", id); err != nil {
		return v, err
	}
	lines, err := h.Reply(func(line string) {
		switch line {
		case "status\tdownload":
			downloading = time.Now()
		case "allow-cancel\tfalse":
			installing = time.Now()
		case "allow-cancel\ttrue":
			v.rpm = took(time.Since(installing))
		}
	})
	v.wall = took(time.Since(start))
	if err := failed(lines, err); err != nil {
		return v, err
	}
	v.download = took(installing.Sub(downloading))
	v.peak, v.anonymous, v.cpu = memory(h.Process.Pid, "VmHWM"), memory(h.Process.Pid, "RssAnon"), cpu(h.Process.Pid)
	for _, pid := range children(h.Process.Pid) { // rpm has ended
		v.downloaderPeak, v.downloaderAnonymous, v.cpu = memory(pid, "VmHWM"), memory(pid, "RssAnon"), v.cpu+cpu(pid)
	}
	return v, h.Stop()
}

// refreshed has the laptop know what is on offer, as after a refresh of yesterday.
func (b *bench) refreshed(s *shop, root, url string) error {
	l, err := b.laptop(s, root, url, "")
	if err != nil {
		return err
	}
	h, err := b.start(l)
	if err != nil {
		return err
	}
	defer h.Kill()
	if _, _, err := do(h, "refresh-cache", "true"); err != nil {
		return err
	}
	return h.Stop()
}

// laptop is a laptop with this root, that knows nothing yet.
func (b *bench) laptop(s *shop, root, url, transport string) (*testbed.Laptop, error) {
	dir := filepath.Dir(root)
	l := &testbed.Laptop{Dir: dir, Root: root, Config: filepath.Join(dir, "presolve.toml")}
	text := fmt.Sprintf("platform = %q\nroot = %q\nrpmdb = %q\nstate = %q\ncache = %q\nidle_timeout = \"10m\"\n[transport]\nparallel = %d\n%s[[source]]\nid = \"school\"\nurl = %q\n%s\n",
		s.platform, root, testbed.DBPath, filepath.Join(dir, "state"), filepath.Join(dir, "cache"), b.connections, transport, url, testbed.Believing(s.key))
	return l, os.WriteFile(l.Config, []byte(text), 0o644)
}

// byPkcon installs with pkcon and a packagekitd of its own, which runs already and has no helpers.
func (b *bench) byPkcon(s *shop, root, url string) (v visit, err error) {
	l, err := b.laptop(s, root, url, "")
	if err != nil {
		return v, err
	}
	err = onStage(b.dir, func(t *stage) error {
		d := pktest.StartWith(t, pktest.Options{Helper: pktest.Wrap(t, b.tools.Helper, "--config", l.Config), Quiet: true})
		before := cpu(d.Pid())
		pkcon := d.PkconCommand("-p", "-y", "install", s.program)
		var said string
		if v.cost, said, err = b.cost(pkcon); err != nil {
			return err
		}
		helpers := children(d.Pid())
		if len(helpers) == 0 {
			return fmt.Errorf("packagekitd has no helper any more; pkcon said %s", said)
		}
		v.cpu = cpu(d.Pid()) - before + took(pkcon.ProcessState.UserTime()+pkcon.ProcessState.SystemTime())
		for _, pid := range helpers {
			v.cpu += cpu(pid)
			for _, downloader := range children(pid) {
				v.cpu += cpu(downloader)
			}
		}
		return nil
	})
	return v, err
}

// byHand installs with curl and rpm, for one who knows what is needed. resume: each RPM has a curl
// of its own, which is run until it has it all.
func (b *bench) byHand(s *shop, root, url string, resume bool) (v visit, err error) {
	dir := filepath.Join(filepath.Dir(root), "rpms")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return v, err
	}
	curl := exec.Command("curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", strconv.Itoa(b.connections), "--output-dir", dir, "--remote-name-all")
	rpm := exec.Command("rpm", "--root", root, "--dbpath", testbed.DBPath, "-i", "--noglob", "--nomanifest", "--")
	var urls []string
	for _, location := range s.rpms {
		urls = append(urls, url+"/"+s.platform+"/"+location)
		rpm.Args = append(rpm.Args, filepath.Join(dir, filepath.Base(location)))
	}
	start := time.Now()
	if resume {
		err = b.curls(urls, dir)
	} else {
		_, _, err = b.cost(again(curl, urls...))
	}
	if err != nil {
		return v, err
	}
	v.download = took(time.Since(start))
	var c cost
	if c, _, err = b.cost(rpm); err != nil {
		return v, err
	}
	v.rpm, v.peak = c.wall, c.peak
	v.wall = took(time.Since(start))
	return v, nil
}

// curls downloads each file with a curl that is run until it has it all, a hundred times at most.
func (b *bench) curls(urls []string, dir string) error {
	queue := make(chan string, len(urls))
	for _, u := range urls {
		queue <- u
	}
	close(queue)
	var all sync.WaitGroup
	for range b.connections {
		all.Go(func() {
			for u := range queue {
				for range 100 {
					if exec.CommandContext(b, "curl", "--silent", "--fail", "--continue-at", "-", "--output-dir", dir, "--remote-name", u).Run() == nil || b.Err() != nil {
						break
					}
					time.Sleep(time.Second)
				}
			}
		})
	}
	all.Wait()
	return b.Err()
}

// home makes a home folder that tells rpm's libraries where the database is: Debian's would look
// into the home folder itself.
func home(root string) (string, error) {
	dir := filepath.Join(filepath.Dir(root), "home")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, ".rpmmacros"), []byte("%_dbpath "+testbed.DBPath+"\n"), 0o644)
}

// dnf is a dnf that knows a root and these repositories, and nothing of the host.
func (b *bench) dnf(root string, repositories ...string) (*exec.Cmd, error) {
	home, err := home(root)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(filepath.Dir(root), "dnf")
	var config strings.Builder
	fmt.Fprintf(&config, "[main]\ncachedir=%[1]s/cache\npersistdir=%[1]s/persist\nlogdir=%[1]s/log\nreposdir=%[1]s/none\nvarsdir=%[1]s/none\npluginpath=%[1]s/none\nplugins=0\ngpgcheck=0\ninstall_weak_deps=0\nmax_parallel_downloads=%[2]d\nmodule_platform_id=platform:none\n", dir, b.connections)
	for i, url := range repositories {
		fmt.Fprintf(&config, "[repository%d]\nname=%d\nbaseurl=%s/\npriority=%d\n", i, i, url, i+1)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "dnf.conf")
	if err := os.WriteFile(path, []byte(config.String()), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command("dnf", "--config", path, "--installroot", root, "--releasever=1", "--forcearch=x86_64", "--assumeyes")
	cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
	return cmd, nil
}

// byDNF installs with dnf. more is a further repository of whose metadata it has to know.
func (b *bench) byDNF(s *shop, root, url, more string) (v visit, err error) {
	repositories := []string{url}
	if more != "" {
		repositories = append(repositories, more)
	}
	cmd, err := b.dnf(root, repositories...)
	if err != nil {
		return v, err
	}
	cmd.Args = append(cmd.Args, "install", s.program)
	v.cost, _, err = b.cost(cmd)
	return v, err
}

// byZypper installs with zypper.
func (b *bench) byZypper(s *shop, root, url string) (v visit, err error) {
	home, err := home(root)
	if err != nil {
		return v, err
	}
	zypper := func(args ...string) *exec.Cmd {
		cmd := exec.Command("zypper", append([]string{"--root", root, "--non-interactive", "--no-gpg-checks"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
		return cmd
	}
	if _, _, err := b.cost(zypper("addrepo", "--no-gpgcheck", url+"/", "repository")); err != nil {
		return v, err
	}
	v.cost, _, err = b.cost(zypper("--no-cd", "install", "--no-recommends", s.program))
	return v, err
}
