// SPDX-License-Identifier: GPL-2.0-or-later

package xo

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// patience is for one command in the XO.
const patience = 20 * time.Minute

var (
	systemFolder = flag.String("system", "", "a folder that ./system made, to save making it")
	memories     = flag.String("memory", "256,128", "MB of the XOs that are measured")
	packages     = flag.Int("packages", 63440, "so many are on offer, where they are made up")
	files        = flag.Int("files", 0, "so many are in each of them, for dnf to read")
	corpus       = flag.String("corpus", "../../../shared/corpus", "the real packages; made-up ones where they aren't there")
)

// A shop has a program of 36 packages, and a multitude that is only on offer.
type shop struct {
	platform, program, word string
	base                    []string // RPM files
	// For laptops, each over a link that counts.
	published, publishedMultitude, rpms, multitude *testbed.Link
	// The fingerprints of who signs what is published: they are two publishers.
	key, multitudeKey string
}

// size is how many packages the program is.
const size = 36

func newShop(t *testing.T, dir string, withMultitude bool) *shop {
	t.Helper()
	tools, err := testbed.Build(dir)
	check(t, err)
	s := &shop{platform: "debian-12-x86_64", program: "sugar-write-activity", word: "write"}
	rpms, multitude := filepath.Join(*corpus, "rpms"), filepath.Join(*corpus, "distribution")
	if _, err := os.Stat(rpms); err == nil {
		rpms, err = filepath.Abs(rpms)
		check(t, err)
		multitude, err = filepath.Abs(multitude)
		check(t, err)
		s.base, err = filepath.Glob(filepath.Join(*corpus, "base", "*.rpm"))
		check(t, err)
	} else {
		t.Logf("the real packages are not at %s: they are made up", *corpus)
		s.platform, s.program, s.word = testbed.Platform, "atlas", "atlas"
		rpms, multitude = filepath.Join(dir, "rpms"), filepath.Join(dir, "multitude")
		check(t, testbed.Repository(rpms, testbed.Atlas()...))
		base, err := testbed.Multitude(multitude, *packages, *files)
		check(t, err)
		s.base = []string{base}
	}
	root := filepath.Join(dir, "base")
	check(t, testbed.Root(root, s.base...))
	publish := func(name, text string) (link *testbed.Link, fingerprint string) {
		t.Helper()
		out, config, secret := filepath.Join(dir, name), filepath.Join(dir, name+".toml"), filepath.Join(dir, name+".key")
		key, err := testbed.NewKey(secret)
		check(t, err)
		check(t, os.WriteFile(config, fmt.Appendf(nil, "platform = %q\narch = \"x86_64\"\noutput = %q\n%s\n[base]\nroot = %q\nrpmdb = %q\n[signing]\nkey = %q\n",
			s.platform, out, text, root, testbed.DBPath, secret), 0o644))
		if said, err := tools.Build(config); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		return serve(t, tools, out), key.Fingerprint
	}
	s.published, s.key = publish("published", fmt.Sprintf("rpms = \"copy\"\n[toplevel]\npackages = [%q]\n[[repository]]\nid = \"rpms\"\nurl = \"file://%s\"", s.program, rpms))
	s.rpms = serve(t, tools, rpms)
	if withMultitude {
		s.publishedMultitude, s.multitudeKey = publish("multitude-published", fmt.Sprintf("[toplevel]\nall = true\n[[repository]]\nid = \"multitude\"\nurl = \"file://%s\"", multitude))
		s.multitude = serve(t, tools, multitude)
	}
	return s
}

func serve(t *testing.T, tools testbed.Tools, dir string) *testbed.Link {
	t.Helper()
	server, err := tools.Serve(dir)
	check(t, err)
	t.Cleanup(func() { server.Stop() })
	link, err := testbed.NewLink(server.URL, testbed.Weather{})
	check(t, err)
	t.Cleanup(link.Close)
	return link
}

// url is where an XO has a link's server.
func url(l *testbed.Link) string { return strings.Replace(l.URL, "127.0.0.1", "10.0.2.2", 1) }

// received are the bytes that went to laptops so far.
func (s *shop) received() (n int64) {
	for _, l := range []*testbed.Link{s.published, s.publishedMultitude, s.rpms, s.multitude} {
		if l != nil {
			n += l.Received.Load()
		}
	}
	return n
}

// prepare writes the configurations of an XO, and gives each program a root with the base.
func (s *shop) prepare(t *testing.T, x *xo) {
	t.Helper()
	write := func(path, text string) {
		t.Helper()
		x.must(t, fmt.Sprintf("cat >%s <<'END'\n%s\nEND", path, text))
	}
	x.must(t, "for r in presolve helper dnf hand; do cp -a /srv/base /srv/$r; done; mkdir /srv/dnf.d")
	for _, c := range []struct{ root, file, state string }{{"presolve", "/etc/PackageKit/presolve.toml", "pk-presolve"}, {"helper", "/etc/helper.toml", "helper"}} {
		text := fmt.Sprintf("platform = %q\nroot = \"/srv/%s\"\nrpmdb = %q\nstate = \"/var/lib/%s\"\ncache = \"/var/cache/%[4]s\"\n", s.platform, c.root, testbed.DBPath, c.state)
		source := "[[source]]\nid = %q\nurl = %q\n%s\n"
		text += fmt.Sprintf(source, "school", url(s.published), testbed.Believing(s.key))
		if s.publishedMultitude != nil {
			text += fmt.Sprintf(source, "multitude", url(s.publishedMultitude), testbed.Believing(s.multitudeKey))
		}
		write(c.file, text)
	}
	text := "[main]\ncachedir=/srv/dnf.d/cache\npersistdir=/srv/dnf.d/persist\nlogdir=/srv/dnf.d/log\nreposdir=/none\nvarsdir=/none\npluginpath=/none\nplugins=0\ngpgcheck=0\n" +
		"install_weak_deps=0\nmax_parallel_downloads=3\nmodule_platform_id=platform:none\n[rpms]\nname=rpms\npriority=1\nbaseurl=" + url(s.rpms)
	if s.multitude != nil {
		text += "\n[multitude]\nname=multitude\npriority=2\nbaseurl=" + url(s.multitude)
	}
	write("/etc/dnf.conf", text)
}

const (
	dnf     = "dnf --quiet --config /etc/dnf.conf --installroot /srv/dnf --releasever=1 --forcearch=x86_64 --assumeyes "
	helper  = "/usr/libexec/pk-presolve --config /etc/helper.toml --one-shot "
	rpm     = "rpm --dbpath " + testbed.DBPath + " --root "
	noCache = "sync; echo 3 >/proc/sys/vm/drop_caches"
	// packagekitd starts where it is asked for.
	stopDaemon = "kill $(cat /proc/[0-9]*/stat | sed -n 's/ (packagekitd) .*//p')"
)

// TestXO measures refreshing, searching and installing, here, by dnf, and by one who knows what is
// needed, with curl and rpm; and prints what each took of the whole computer. First each command
// finds nothing in the computer's caches, as the first one after it was switched on. Then installs
// are measured again where caches are as those have them who have searched before.
func TestXO(t *testing.T) {
	s, c := begin(t, true)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, memory := range strings.Split(*memories, ",") {
		mb, err := strconv.Atoi(memory)
		check(t, err)
		fmt.Fprintf(w, "%d MB\twall\tCPU\tanonymous memory\tthe largest program\ton the wire\twritten\t\n", mb)
		x := c.boot(t, c.newDisk(t, ""), mb)
		s.prepare(t, x)
		// measure carries out one of the commands. Where the computer was lost in it, there is a new one.
		caches := noCache
		measure := func(what, script string) string {
			if end, said := x.do(caches); end.Status != "" {
				t.Fatalf("%s: %s", end.Status, said)
			}
			before := s.received()
			end, said := x.do(script)
			fmt.Fprintf(w, "%s\t%.1f s\t%.1f s\t%s\t%s\t%s\t%s\t%s\n", what, end.Wall.Seconds(), end.CPU.Seconds(),
				mib(end.Memory), mib(end.Largest), mib(s.received()-before), mib(end.Written), end.Status)
			t.Logf("%d MB: %s: %+v: %s", mb, what, end, said[max(0, len(said)-2000):])
			if strings.HasPrefix(end.Status, "not within") || x.down() {
				x.cut()
				x = c.boot(t, c.newDisk(t, ""), mb)
				s.prepare(t, x)
			}
			return end.Status
		}
		ours := func(what, script string) {
			if status := measure("presolve: "+what, script); status != "" {
				t.Errorf("%d MB: %s: %s", mb, what, status)
			}
		}
		ours("refresh", "pkcon -p refresh force")
		ours("search", "pkcon -p search name "+s.word)
		ours("install", "pkcon -p -y install "+s.program)
		s.whole(t, x, "presolve")
		names := strings.Fields(x.must(t, rpm+"/srv/presolve -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm\\n' >/tmp/all; "+
			rpm+"/srv/base -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm\\n' | sort >/tmp/base; sort /tmp/all | comm -23 - /tmp/base"))
		x.must(t, stopDaemon)
		x.must(t, helper+"refresh-cache true")
		id := regexp.MustCompile(`package\t\w+\t(\S+)`).FindStringSubmatch(x.must(t, helper+"resolve none "+s.program))
		if id == nil {
			t.Fatalf("the helper doesn't know %s", s.program)
		}
		ours("install, helper alone", helper+"install-packages none '"+id[1]+"'")
		s.whole(t, x, "helper")
		byHand := fmt.Sprintf("mkdir /srv/rpms; cd /srv/rpms; curl --silent --show-error --fail --parallel --parallel-immediate --parallel-max 3 --remote-name-all %s/{%s} && %s/srv/hand -i *.rpm",
			url(s.rpms), strings.Join(names, ","), rpm)
		measure("curl + rpm -i", byHand)
		s.whole(t, x, "hand")
		measure("dnf: makecache", dnf+"makecache")
		measure("dnf: search", dnf+"-C search "+s.word)
		if measure("dnf: install", dnf+"install "+s.program) == "" {
			s.whole(t, x, "dnf")
		}

		caches = "sync"
		anew := func(root string) { x.must(t, fmt.Sprintf("rm -rf /srv/%[1]s; cp -a /srv/base /srv/%[1]s", root)) }
		anew("presolve")
		x.must(t, "rm -rf /var/lib/pk-presolve /var/cache/pk-presolve; pkcon -p refresh force; pkcon -p search name "+s.word)
		ours("install, caches warm", "pkcon -p -y install "+s.program)
		s.whole(t, x, "presolve")
		x.must(t, stopDaemon)
		anew("helper")
		x.must(t, "rm -rf /var/lib/helper /var/cache/helper; "+helper+"refresh-cache true; "+helper+"resolve none "+s.program)
		ours("install, helper alone, caches warm", helper+"install-packages none '"+id[1]+"'")
		s.whole(t, x, "helper")
		anew("hand")
		x.must(t, "rm -rf /srv/rpms")
		measure("curl + rpm -i, caches warm", byHand)
		s.whole(t, x, "hand")
		anew("dnf")
		x.must(t, dnf+"makecache; "+dnf+"-C search "+s.word) // its cache is in its root
		if measure("dnf: install, caches warm", dnf+"install "+s.program) == "" {
			s.whole(t, x, "dnf")
		}
		x.cut()
		fmt.Fprintln(w, "\t\t\t\t\t\t\t")
	}
	w.Flush()
	fmt.Printf("\n%s\n", table.String())
}

// TestPowerCut takes the power away while an install downloads, and while rpm installs, three times
// each, at another point each time. Whoever asks again after that gets the program, and rpm finds
// nothing wrong with it.
func TestPowerCut(t *testing.T) {
	const memory = 256
	s, c := begin(t, false)
	refreshed := c.newDisk(t, "")
	x := c.boot(t, refreshed, memory)
	s.prepare(t, x)
	x.must(t, "pkcon -p refresh force; sync")
	x.cut()
	// pkcon doesn't wait long for a daemon that has to start on a slow computer.
	up := "until pkcon -p backend-details | grep -q presolve; do :; done"
	install := "pkcon -p -y install " + s.program

	// Undisturbed, it says how many bytes there are.
	x = c.boot(t, c.newDisk(t, refreshed), memory)
	before := s.received()
	x.must(t, up)
	x.must(t, install)
	bytes := s.received() - before
	s.whole(t, x, "presolve")
	x.cut()

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "the power is cut\tbytes, × those of an install\trpm had installed\tthen: install\trpm -Va\n")
	for _, cut := range []struct {
		download float64 // of the bytes; 0: cut in rpm
		packages int     // that rpm has begun with
	}{{0.1, 0}, {0.5, 0}, {0.9, 0}, {0, 1}, {0, size / 2}, {0, size}} {
		where := fmt.Sprintf("when rpm begins with package %d", cut.packages)
		if cut.download > 0 {
			where = fmt.Sprintf("at %.0f %% of the download", 100*cut.download)
		}
		t.Run(where, func(t *testing.T) {
			disk := c.newDisk(t, refreshed)
			x := c.boot(t, disk, memory)
			x.must(t, up)
			before := s.received()
			j, err := x.start(install)
			check(t, err)
			if cut.download > 0 {
				ended := make(chan struct{})
				go func() {
					for range j.lines {
					}
					close(ended)
				}()
				select {
				case <-s.published.At(before + int64(cut.download*float64(bytes))):
				case <-ended:
					t.Errorf("the install ended too early: %s", j.end.Status)
				}
			} else {
				begun, installing := map[string]bool{}, false
				for l := range j.lines {
					installing = installing || strings.HasPrefix(l, "Status:") && strings.Contains(l, "Installing")
					if installing && strings.HasPrefix(l, "Package:") {
						begun[l] = true
					}
					if len(begun) == cut.packages {
						break
					}
				}
			}
			x.cut()
			x = c.boot(t, disk, memory)
			had := strings.Count(x.must(t, rpm+"/srv/presolve -qa"), "\n") - len(s.base)
			x.must(t, up)
			end, said := x.do(install)
			if end.Status != "" {
				t.Errorf("%s: %s", end.Status, said)
			}
			verdict := "clean"
			if !s.whole(t, x, "presolve") {
				verdict = "NOT CLEAN"
			}
			x.cut()
			fmt.Fprintf(w, "%s\t%.2f\t%d\t%.1f s %s\t%s\n", where, float64(s.received()-before)/float64(bytes), had, end.Wall.Seconds(), end.Status, verdict)
		})
	}
	w.Flush()
	fmt.Printf("\n%s\n", table.String())
}

// begin makes what a test needs.
func begin(t *testing.T, multitude bool) (*shop, *computer) {
	t.Helper()
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("in the long tier: PRESOLVE_LONG=1")
	}
	need(t, "qemu-system-i386", "qemu-img", "mke2fs", "mmdebstrap", "createrepo_c", "rpm")
	dir := t.TempDir()
	s := newShop(t, dir, multitude)
	return s, newComputer(t, dir, s.base)
}

// whole fails the test where a root doesn't have the program, wholly and nothing else.
func (s *shop) whole(t *testing.T, x *xo, root string) bool {
	t.Helper()
	root = "/srv/" + root
	if n := strings.Count(x.must(t, rpm+root+" -qa"), "\n"); n != len(s.base)+size {
		t.Errorf("%s has %d packages, not %d", root, n, len(s.base)+size)
	}
	if end, said := x.do(rpm + root + " -Va"); end.Status != "" || said != "" {
		t.Errorf("%s: rpm -Va: %s: %s", root, end.Status, said)
	}
	return !t.Failed()
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
