// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// unless is a scriptlet that fails while a file is in the laptop's root.
func unless(file string) string {
	return `if io.open("/` + file + `") then print("looking for /` + file + `") error("no room for the group") end`
}

// moody are programs, and a library, whose scriptlets fail where the test says so, and others that
// rpm has something to say of.
var moody = []testbed.RPM{
	{Name: "libmood", Summary: "Moods", Pre: unless("refuse-libmood"), Preun: unless("keep-libmood"), Files: map[string]string{"/usr/lib/libmood": "moods\n"}},
	{Name: "mood", Summary: "Shows moods", Requires: []string{"libmood"}, Preun: unless("keep-mood"), Files: map[string]string{"/usr/bin/mood": "mood\n"}},
	{Name: "svc", Summary: "A service", Post: `error("can't be started")`, Files: map[string]string{"/usr/bin/svc": "svc\n"}},
	{Name: "conf", Summary: "Configured", Config: map[string]string{"/etc/conf": "as it was made\n"}},
	{Name: "inway", Summary: "Has a file", Files: map[string]string{"/usr/share/inway/file": strings.Repeat("text ", 1000)}},
}

// made is the school of moodySchool, once it is made.
var made struct {
	sync.Once
	school *testbed.School
	err    error
}

// moodySchool is a school that offers moody beside its usual programs. It is only read.
func moodySchool(t *testing.T) *testbed.School {
	t.Helper()
	made.Do(func() {
		made.school, made.err = testbed.NewSchool(filepath.Join(school.Dir, "moody"), school.Tools, moody...)
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.school
}

// moodyLaptop is a laptop of a school with moody programs, its helper, and the proxy between.
type moodyLaptop struct {
	*testbed.Laptop
	*laptoptest.Helper
	proxy *testbed.Proxy
	t     *testing.T
}

func newMoody(t *testing.T, s *testbed.School, env []string, args ...string) *moodyLaptop {
	t.Helper()
	l := &moodyLaptop{t: t}
	var err error
	if l.proxy, err = s.Proxy(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Close)
	if l.Laptop, err = s.Laptop(l.proxy.URL, "presolve", ""); err != nil {
		t.Fatal(err)
	}
	l.Helper = laptoptest.Start(t, s.Tools, l.Laptop, env, args...)
	return l
}

// touch makes a file in the laptop's root; the test removes it with the function that it gets.
func (l *moodyLaptop) touch(name string) (remove func()) {
	l.t.Helper()
	path := filepath.Join(l.Root, name)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		l.t.Fatal(err)
	}
	return func() { os.Remove(path) }
}

// sugarPath is where a school's server has the layout sugar-network.
const sugarPath = "/packages/presolve/" + testbed.Platform

// downloads is how often an RPM was asked for.
func (l *moodyLaptop) downloads() (n int) {
	for _, r := range l.proxy.Requests() {
		if strings.Contains(r, ".rpm") {
			n++
		}
	}
	return n
}

// has checks which of some packages are installed, by rpm.
func (l *moodyLaptop) has(want string, names ...string) {
	l.t.Helper()
	var got []string
	for _, p := range laptoptest.Installed(l.t, l.Laptop) {
		name, _, _ := strings.Cut(p, "-1.0-")
		if slices.Contains(names, name) {
			got = append(got, name)
		}
	}
	if strings.Join(got, " ") != want {
		l.t.Errorf("%q are installed, want %q", got, want)
	}
}

// says checks that a text has words.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q isn't in %q", w, text)
		}
	}
}

const moodID, libmoodID = "mood;1.0-1;noarch;school", "libmood;1.0-1;noarch;school"

// A library whose %pre fails leaves its program installed without it: that is said at once, in every
// answer after it, and is put right by each of three ways as soon as what rpm names is.
func TestProgramWithoutItsLibrary(t *testing.T) {
	school := moodySchool(t)
	ways := map[string][]string{
		"repair":      {"repair-system", "none"},
		"update":      {"update-packages", "none", moodID},
		"install":     {"install-packages", "none", moodID},
		"install all": {"install-packages", "none", moodID + "&hello;1.0-1;noarch;school"},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			l := newMoody(t, school, nil)
			allow := l.touch("refuse-libmood")
			text := l.Fails("package-failed-to-install", "install-packages", "none", moodID)
			says(t, text, "libmood-1.0-1.noarch could not be installed", "mood is installed without that, not complete", "repair the system", "%prein(libmood-", "no room for the group", "looking for /refuse-libmood")
			l.has("mood", "mood", "libmood")
			list := l.OK("get-updates", "none")
			if !has(list, "package\tbugfix\t"+moodID+"\tShows moods (It isn't complete: it needs libmood-1.0-1.noarch, which isn't installed.)") {
				t.Errorf("get-updates: %q", list)
			}
			if detail := l.OK("get-update-detail", moodID); !strings.Contains(strings.Join(detail, "\n"), "It isn't complete: it needs libmood") {
				t.Errorf("get-update-detail: %q", detail)
			}
			if told := l.OK(append([]string{way[0], "simulate"}, way[2:]...)...); !has(told, "package\tinstalling\t"+libmoodID) && !has(told, "package\tcleanup\t"+libmoodID) {
				t.Errorf("simulated: %q", told)
			}
			before := l.downloads()
			says(t, l.Fails("package-failed-to-install", way...), "%prein(libmood-", "no room for the group")
			if name != "install all" && l.downloads() != before {
				t.Error("libmood was downloaded once more, and it was in the cache")
			}
			allow()
			l.OK(way...)
			l.has("libmood mood", "mood", "libmood")
			if list := l.OK("get-updates", "none"); has(list, "package") {
				t.Errorf("get-updates: %q", list)
			}
			l.Fails("package-already-installed", "install-packages", "none", moodID)
			if again := l.OK("repair-system", "none"); has(again, "package") {
				t.Errorf("there is something left to repair: %q", again)
			}
			// And it is known for whom the library is there.
			l.OK("remove-packages", "none", moodID, "false", "true")
			l.has("", "mood", "libmood")
		})
	}
}

// The same in removal: what stays, and what a program may lack from then on, is said and put right.
func TestHalfRemoved(t *testing.T) {
	school := moodySchool(t)
	t.Run("library", func(t *testing.T) {
		l := newMoody(t, school, nil)
		l.OK("install-packages", "none", moodID)
		allow := l.touch("keep-libmood")
		text := l.Fails("package-failed-to-remove", "remove-packages", "none", moodID, "false", "true")
		says(t, text, "libmood-1.0-1.noarch could not be removed", "%preun(libmood-", "no room for the group")
		l.has("libmood", "mood", "libmood")
		says(t, l.Fails("package-failed-to-remove", "repair-system", "none"), "%preun(libmood-")
		allow()
		if told := l.OK("repair-system", "none"); !has(told, "package\tcleanup\tlibmood;1.0-1;noarch;installed:school") {
			t.Errorf("repair-system: %q", told)
		}
		l.has("", "mood", "libmood")
	})
	t.Run("program", func(t *testing.T) {
		l := newMoody(t, school, nil)
		l.OK("install-packages", "none", moodID)
		allow := l.touch("keep-mood")
		text := l.Fails("package-failed-to-remove", "remove-packages", "none", moodID, "false", "true")
		says(t, text, "mood-1.0-1.noarch could not be removed", "%preun(mood-")
		if slices.Contains(laptoptest.Installed(t, l.Laptop), "libmood-1.0-1.noarch") {
			t.Skip("this rpm keeps the library of what it could not remove")
		}
		if list := l.OK("get-updates", "none"); !has(list, "package\tbugfix\t"+moodID) {
			t.Errorf("get-updates: %q", list)
		}
		l.OK("repair-system", "none")
		l.has("libmood mood", "mood", "libmood")
		allow()
		l.OK("remove-packages", "none", moodID, "false", "true")
		l.has("", "mood", "libmood")
	})
}

// What rpm complains of where it says that all is well reaches the log, and the user where
// PackageKit shows it.
func TestComplaintsOfASuccess(t *testing.T) {
	school := moodySchool(t)
	for dialect, install := range map[string][]string{
		"1.2": {"install-packages", "none"}, "0.8": {"install-packages", "none"}, "0.6": {"install-packages", "no"},
	} {
		t.Run(dialect, func(t *testing.T) {
			l := newMoody(t, school, nil, "--dialect", dialect)
			if err := os.MkdirAll(filepath.Join(l.Root, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(l.Root, "etc/conf"), []byte("mine\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			svc := l.OK(append(install, "svc;1.0-1;noarch;school")...)
			conf := l.OK(append(install, "conf;1.0-1;noarch;school")...)
			if err := l.Stop(); err != nil {
				t.Fatal(err)
			}
			says(t, l.Log.String(), "%post(svc-", "can't be started", "/etc/conf.rpmnew")
			for _, told := range []struct {
				lines []string
				words string
			}{{svc, "%post(svc-"}, {conf, "/etc/conf.rpmnew"}} {
				i := slices.IndexFunc(told.lines, func(line string) bool { return strings.HasPrefix(line, "message\tbackend-error\t") })
				if shown := dialect != "1.2"; shown != (i >= 0) {
					t.Errorf("%q", told.lines)
				} else if shown {
					says(t, told.lines[i], told.words)
				}
			}
		})
	}
}

// Why rpm can't unpack what is as it should be is this computer's: it is said so, nothing is
// downloaded again, and it works when it was put right.
func TestCantUnpackHere(t *testing.T) {
	school := moodySchool(t)
	for name, bar := range map[string]func(t *testing.T, file string) (remove func()){
		"a folder in the place of a file": func(t *testing.T, file string) func() {
			if err := os.MkdirAll(filepath.Join(file, "full"), 0o755); err != nil {
				t.Fatal(err)
			}
			return func() { os.RemoveAll(file) }
		},
		"a folder that can't be changed": func(t *testing.T, file string) func() {
			folder := filepath.Dir(file)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("chattr", "+i", folder).CombinedOutput(); err != nil {
				t.Skipf("NOT TESTED: chattr doesn't work here: %v %s", err, out)
			}
			remove := func() { exec.Command("chattr", "-i", folder).Run() }
			t.Cleanup(remove)
			return remove
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, layout := range []string{"presolve", "sugar-network"} {
				proxy, err := school.Proxy()
				if err != nil {
					t.Fatal(err)
				}
				defer proxy.Close()
				laptop, err := school.Laptop(proxy.URL+map[string]string{"sugar-network": sugarPath}[layout], layout, "")
				if err != nil {
					t.Fatal(err)
				}
				l := &moodyLaptop{Laptop: laptop, Helper: laptoptest.Start(t, school.Tools, laptop, nil), proxy: proxy, t: t}
				remove := bar(t, filepath.Join(l.Root, "usr/share/inway/file"))
				for range 2 {
					text := l.Fails("transaction-error", "install-packages", "none", "inway;;;school")
					says(t, text, "unpacking of archive failed on file /usr/share/inway/file", "so the reason is in this computer")
				}
				if n := l.downloads(); n != 1 {
					t.Errorf("%d downloads: %q", n, proxy.Requests())
				}
				remove()
				l.OK("install-packages", "none", "inway;;;school")
				l.has("inway", "inway")
			}
		})
	}
}

// Two versions of one of our own programs are both ours, whoever brought the other one: one stays.
func TestInstalledTwice(t *testing.T) {
	school := moodySchool(t)
	for _, other := range []struct{ version, stays string }{{"0.9", "1.0"}, {"2.0", "2.0"}} {
		file, err := testbed.RPM{Name: "mood", Version: other.version, Summary: "Shows moods", Files: map[string]string{"/usr/bin/mood": "another\n"}}.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for way, words := range map[string][]string{"repair": {"repair-system", "none"}, "update": {"update-packages", "none", moodID}, "remove": nil} {
			t.Run(way+" "+other.version, func(t *testing.T) {
				l := newMoody(t, school, nil)
				l.OK("install-packages", "none", moodID)
				if out, err := testbed.RPMQuery(l.Root, "-i", "--force", file); err != nil {
					t.Fatal(err, out)
				}
				versions := func() string {
					out, err := testbed.RPMQuery(l.Root, "-q", "--qf", "%{version} ", "mood")
					if err != nil {
						t.Fatal(err, out)
					}
					return strings.TrimSpace(out)
				}
				if len(strings.Fields(versions())) != 2 {
					t.Fatalf("%s are installed", versions())
				}
				if way == "remove" {
					l.OK("remove-packages", "none", "mood;"+other.version+"-1;noarch;installed:school", "false", "false")
					if got := versions(); got != "1.0" {
						t.Errorf("%s stays", got)
					}
					return
				}
				list := l.OK("get-updates", "none")
				if !has(list, "package\tbugfix\t"+moodID+"\tShows moods (It is installed twice") {
					t.Errorf("get-updates: %q", list)
				}
				l.OK(words...)
				if got := versions(); got != other.stays {
					t.Errorf("%s stays, want %s", got, other.stays)
				}
				if list := l.OK("get-updates", "none"); has(list, "package") {
					t.Errorf("get-updates: %q", list)
				}
				laptoptest.Agrees(t, l.Laptop, l.OK("get-packages", "installed"))
			})
		}
	}
}
