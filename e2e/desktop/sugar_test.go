// SPDX-License-Identifier: GPL-2.0-or-later

package desktop

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

const python = "/usr/bin/python3"

// sugar makes a desktop whose Sugar has the backend of dist/sugar beside its own.
func sugar(t *testing.T, school *testbed.School) *desktop {
	t.Helper()
	needs(t, python, "sugar-launch")
	if out, err := exec.Command(python, "-c", "import jarabe.model.update").CombinedOutput(); err != nil {
		missing(t, string(out))
	}
	d := start(t, school)
	// jarabe.model.update finds modules beside its own in this folder: Python's packages have one path, which is made longer.
	folder := filepath.Join(d.home, "python")
	check(t, os.Mkdir(folder, 0o755))
	module, err := filepath.Abs("../../dist/sugar")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(folder, "sitecustomize.py"), []byte("import jarabe.model.update\njarabe.model.update.__path__.append('"+module+"')\n"), 0o644))
	d.Env = append(d.Env, "PYTHONPATH="+folder, "SUGAR_HOME="+d.home+"/.sugar", "SUGAR_PROFILE=default", "SUGAR_SCALING=72", // as /usr/bin/sugar sets them
		"SUGAR_GROUP_LABELS=/usr/share/sugar/data/group-labels.defaults", "SUGAR_MIME_DEFAULTS=/usr/share/sugar/data/mime.defaults",
		"SUGAR_ACTIVITIES_HIDDEN=/usr/share/sugar/data/activities.hidden")
	check(t, d.command("gsettings", "set", "org.sugarlabs.update", "backend", "packagekit.PackageKitUpdater").Run())
	return d
}

// Sugar's control panel lists what is newer and which activities there are, and brings what is chosen, by
// PackageKit alone.
func TestSugarUpdates(t *testing.T) {
	old := testbed.RPM{Name: "sugar-write", Version: "1.0", Summary: "Writes <letters> & more"}
	school := newSchool(t, old, testbed.RPM{Name: "sugar-paint", Summary: "Paints", Requires: []string{"libtext"}})
	d := sugar(t, school)
	d.pkcon("install", "sugar-write")
	fresh := old
	fresh.Version = "2.0"
	check(t, school.Release("", fresh))

	panel := d.command(python, "testdata/panel.py")
	in, err := panel.StdinPipe()
	check(t, err)
	out, err := panel.StdoutPipe()
	check(t, err)
	d.run(panel)
	lines := bufio.NewScanner(out)
	next := func(kind string) string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), kind+" "); ok {
				return rest
			}
			t.Log(lines.Text())
		}
		t.Fatalf("the panel ended before it said %q", kind)
		return ""
	}
	listed := next("updates")
	d.picture("sugar-listed")
	if !strings.Contains(listed, "sugar-write:False:") || !strings.Contains(listed, "sugar-paint:True:") {
		t.Errorf("listed are %s", listed)
	}
	io.WriteString(in, "sugar-write sugar-paint\n")
	if got := next("finished"); got != "sugar-paint sugar-write failed" {
		t.Errorf("finished: %s", got)
	}
	d.picture("sugar-finished")
	if got, err := testbed.RPMQuery(d.Root, "-q", "sugar-write", "sugar-paint", "libtext"); err != nil {
		t.Errorf("%v %s", err, got)
	} else if !strings.Contains(got, "sugar-write-2.0-1") {
		t.Errorf("installed: %s", got)
	}
}

// The example for launching code installs what an activity asks for.
func TestSugarLaunch(t *testing.T) {
	school := newSchool(t)
	d := sugar(t, school)
	activity := filepath.Join(d.home, "Paint.activity")
	check(t, os.MkdirAll(filepath.Join(activity, "activity"), 0o755))
	launch := func(requires string) string {
		info := "[Activity]\nname = Paint\nbundle_id = org.example.Paint\nrequires = " + requires + "\n"
		check(t, os.WriteFile(filepath.Join(activity, "activity", "activity.info"), []byte(info), 0o644))
		// There is no shell of Sugar that would start it: that the launcher is reached is all.
		out, _ := d.command(python, "../../dist/sugar/sugar-launch-packaged", activity).CombinedOutput()
		return string(out)
	}
	said := launch("hello; paint")
	if got, err := testbed.RPMQuery(d.Root, "-q", "hello", "paint", "paint-data"); err != nil {
		t.Errorf("%v %s; it said %s", err, got, said)
	}
	if said := launch("hello; nothing"); !strings.Contains(said, "Paint needs hello, nothing: nobody offers nothing") {
		t.Errorf("it said %q", said)
	}
}
