// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// school is made once, and only read.
var school *testbed.School

// atlas is a program that takes a while to download: its file can't be compressed.
var atlas = testbed.RPM{Name: "atlas", Summary: "Maps of the world", Requires: []string{"libtext"},
	Files: map[string]string{"/usr/share/atlas": noise(1 << 20)}}

func noise(size int) string {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data)
	return string(data)
}

// activities is how many small programs the school has beside the others: activity-001 and so on.
const activities = 60

func activity(n int) string { return fmt.Sprintf("activity-%03d", n) }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if missing := missing(); missing != "" {
		if os.Getenv("CI") != "" {
			fmt.Fprintf(os.Stderr, "e2e/packagekit: %s: run ./setup\n", missing)
			return 1
		}
		fmt.Fprintf(os.Stderr, "\n*** e2e/packagekit: NOTHING IS TESTED: %s: run ./setup ***\n\n", missing)
		return 0
	}
	dir, err := os.MkdirTemp("", "presolve-packagekit-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/packagekit:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // nobody reads RPMs there
		fmt.Fprintln(os.Stderr, "e2e/packagekit:", err)
		return 1
	}
	tools, err := testbed.Build(dir)
	if err == nil {
		more := []testbed.RPM{testbed.Patient, atlas}
		for n := range activities {
			more = append(more, testbed.RPM{Name: activity(n), Summary: "An activity for learning", Requires: []string{"libtext"},
				Files: map[string]string{"/usr/share/" + activity(n): activity(n)}})
		}
		school, err = testbed.NewSchool(dir, tools, more...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/packagekit:", err)
		return 1
	}
	defer school.Close()
	return m.Run()
}

// missing says what this computer lacks; empty: nothing.
func missing() string {
	if what := pktest.Missing(); what != "" {
		return what
	}
	for _, program := range []string{"rpm", "createrepo_c", "pkcon"} {
		if _, err := exec.LookPath(program); err != nil {
			return err.Error()
		}
	}
	if out, err := exec.Command(python, "-c", "import gi; gi.require_version('PackageKitGlib', '1.0')").CombinedOutput(); err != nil {
		return fmt.Sprintf("%s lacks PackageKit's GLib library: %s", python, out)
	}
	return ""
}

// A laptop is one with its own packagekitd, whose source is the school through a proxy.
type laptop struct {
	*testbed.Laptop
	*pktest.Daemon
	School *testbed.School
	Proxy  *testbed.Proxy
	Helper string // a program that runs the real helper with the laptop's configuration
	t      testing.TB
}

// newLaptop makes a laptop of the school that all share. more is added to its configuration.
func newLaptop(t testing.TB, more string) *laptop { return newLaptopOf(t, school, more) }

// newLaptopOf makes a laptop of a school.
func newLaptopOf(t testing.TB, s *testbed.School, more string) *laptop {
	t.Helper()
	l := &laptop{School: s, t: t}
	var err error
	l.Proxy, err = s.Proxy()
	check(t, err)
	t.Cleanup(l.Proxy.Close)
	// As users have it: packagekitd starts another helper when one has ended.
	l.Laptop, err = s.Laptop(l.Proxy.URL, "presolve", "idle_timeout = \"5s\"\n"+more)
	check(t, err)
	l.Helper = pktest.Wrap(t, s.Helper, "--config", l.Config)
	return l
}

// start makes a laptop and starts its packagekitd. It's stopped when the test ends.
func start(t testing.TB) *laptop {
	t.Helper()
	l := newLaptop(t, "")
	l.Daemon = pktest.Start(t, l.Helper)
	return l
}

// Fault makes the school's server misbehave from now on.
func (l *laptop) Fault(f testbed.Fault) {
	l.t.Helper()
	check(l.t, l.Proxy.Set(f))
}

// Resumed tells whether the server was asked for the rest of a partial RPM.
func (l *laptop) Resumed() bool {
	for _, r := range l.Proxy.Requests() {
		if strings.Contains(r, ".rpm bytes=") {
			return true
		}
	}
	return false
}

// Partial are the partial RPMs that the laptop keeps.
func (l *laptop) Partial() []string {
	paths, err := filepath.Glob(filepath.Join(l.Cache, "rpms", "*.part"))
	check(l.t, err)
	return paths
}

// Installed asks rpm whether a package is installed.
func (l *laptop) Installed(name string) bool {
	l.t.Helper()
	out, err := testbed.RPMQuery(l.Root, "-q", "--qf", "%{name}", name)
	return err == nil && out == name
}

// Changing is the process id of the helper that is changing the system: what the lock says.
func (l *laptop) Changing() int {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.State, "lock"))
	check(l.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	check(l.t, err)
	return pid
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
