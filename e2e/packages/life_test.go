// SPDX-License-Identifier: GPL-2.0-or-later

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A fresh Debian with nothing but the .deb, PackageKit and a source that is signed installs a program
// by pkcon; and PackageKit works before, with its own backend, between, and after: installed,
// switched on, upgraded, removed, purged. The RPM's scripts do the same in a system with a shell.
func TestLifeOnDebian(t *testing.T) {
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("a fresh Debian takes minutes: PRESOLVE_LONG isn't set")
	}
	need(t, "mmdebstrap", "rpm", "createrepo_c", "unshare", "dpkg")
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: this needs root")
	}
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o755))
	d := debian{t, filepath.Join(dir, "debian")}
	mirror := "http://deb.debian.org/debian"
	if m := os.Getenv("DEBIAN_MIRROR"); m != "" {
		mirror = m
	}
	if out, err := exec.Command("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include=packagekit,packagekit-tools,rpm,dbus,polkitd,systemd,libsolv1,libsolvext1",
		"bookworm", d.root, mirror).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: Debian's packages can't be had: %v: %s", err, out)
	}
	tools, err := testbed.Build(dir)
	check(t, err)
	school, err := testbed.NewSchool(filepath.Join(dir, "school"), tools)
	check(t, err)
	defer school.Close()
	old, new := packageFiles(t, before), packageFiles(t, after)
	const name = "packagekit-backend-presolve"
	configuration := d.read("etc/PackageKit/PackageKit.conf")

	d.backendIs("apt")
	d.copy(old[name+".deb"], "old.deb")
	d.copy(new[name+".deb"], "new.deb")
	d.run("dpkg -i /old.deb")
	d.backendIs("apt")

	// The standard installation, as an image has it.
	for _, file := range []string{"basesystem-1.0-1.noarch.rpm", "libschool-2.0-1.x86_64.rpm"} {
		d.copy(filepath.Join(school.Dir, "repository", file), file)
	}
	d.run("rpm --dbpath /var/lib/rpm --initdb && rpm --dbpath /var/lib/rpm -i --justdb --nodeps --force-debian /*.rpm")
	d.write("etc/PackageKit/presolve.toml", fmt.Sprintf("platform = %q\nrpmdb = \"/var/lib/rpm\"\n[mounts]\nfolders = []\n[[source]]\nid = \"school\"\nurl = %q\nkeys = [%q]\n",
		testbed.Platform, school.Server.URL, school.Key.Fingerprint))
	d.run("presolve-backend on && pk-presolve doctor")
	d.backendIs("presolve")
	d.pk("pkcon -p -y install hello")
	if out := d.run("rpm --dbpath /var/lib/rpm -q hello libgreet && test -e /usr/bin/hello && ls -ld /var/lib/pk-presolve && getent passwd _pk-presolve"); !strings.Contains(out, "hello-1.0-1") || !strings.Contains(out, "drwx------") {
		t.Errorf("installed: %s", out)
	}

	d.run("dpkg -i --force-confold /new.deb")
	d.backendIs("presolve")
	if out := d.pk("pkcon -p -y install paint") + d.run("pk-presolve --version"); !strings.Contains(out, " "+after+",") {
		t.Errorf("after the upgrade: %s", out)
	}
	d.pk("pkcon -p -y remove hello")

	d.run("dpkg -r " + name)
	d.backendIs("apt")
	if got := d.read("etc/PackageKit/PackageKit.conf"); got != configuration {
		t.Errorf("PackageKit's configuration was\n%s\nand is\n%s", configuration, got)
	}
	d.run("test -e /var/lib/pk-presolve && dpkg -P " + name)
	d.run("test ! -e /var/lib/pk-presolve && test ! -e /var/cache/pk-presolve && test ! -e /etc/PackageKit/presolve.toml")
	d.backendIs("apt")

	// The server: its user builds what its folder publishes, and that stays.
	d.copy(old["presolver.deb"], "old.deb")
	d.copy(new["presolver.deb"], "new.deb")
	d.run("dpkg -i /old.deb && dpkg -i /new.deb && presolver --version | grep ' " + after + ",'")
	d.run("systemd-analyze verify --man=no presolver.socket presolver.service presolver-build@school.service presolver-build@school.timer")
	d.run("presolver keygen --no-passphrase /etc/presolver/online.key && chown _presolver /etc/presolver/online.key")
	d.run("mkdir /repository && cp /*.rpm /repository")
	check(t, exec.Command("createrepo_c", "--quiet", filepath.Join(d.root, "repository")).Run())
	d.write("etc/presolver/school.toml", fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = \"/var/lib/presolver\"\nrpms = \"copy\"\n[[repository]]\nid = \"main\"\nurl = \"file:///repository\"\n"+
		"[base]\npackages = [\"basesystem\"]\n[toplevel]\npackages = [\"libschool\"]\n[signing]\nkey = \"/etc/presolver/online.key\"\n", testbed.Platform))
	d.run("setpriv --reuid=_presolver --regid=_presolver --clear-groups presolver build -c /etc/presolver/school.toml && presolver verify /var/lib/presolver")
	d.run("dpkg -P presolver && test ! -e /usr/bin/presolver && test -e /var/lib/presolver/" + testbed.Platform + "/platform.json && test -e /etc/presolver/online.key")

	// The RPM, whose backend is where packagekitd of other distributions looks. Its scripts run.
	d.copy(old[name+".rpm"], "old.rpm")
	d.copy(new[name+".rpm"], "new.rpm")
	const rpm = "rpm --dbpath /var/lib/rpm --force-debian --nodeps "
	d.run(rpm + "-i /old.rpm && presolve-backend on && grep -x DefaultBackend=presolve /etc/PackageKit/PackageKit.conf")
	d.run(rpm + "-U /new.rpm && grep -x DefaultBackend=presolve /etc/PackageKit/PackageKit.conf && test -e /usr/lib64/packagekit-backend/libpk_backend_presolve.so")
	d.run(rpm + "-e " + name + " && test ! -e /usr/lib64/packagekit-backend/libpk_backend_presolve.so")
	if got := d.read("etc/PackageKit/PackageKit.conf"); got != configuration {
		t.Errorf("PackageKit's configuration was\n%s\nand is\n%s", configuration, got)
	}
	d.backendIs("apt")
}

// A debian is a system in a folder.
type debian struct {
	t    *testing.T
	root string
}

func (d debian) copy(file, to string) {
	d.t.Helper()
	data, err := os.ReadFile(file)
	check(d.t, err)
	d.write(to, string(data))
}

func (d debian) write(path, text string) {
	d.t.Helper()
	check(d.t, os.WriteFile(filepath.Join(d.root, path), []byte(text), 0o644))
}

func (d debian) read(path string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.root, path))
	check(d.t, err)
	return string(text)
}

// run runs a command for the shell in the system, among processes of its own, which end with it.
func (d debian) run(command string) string {
	d.t.Helper()
	return script(d.t, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "HOME=/root", "root=" + d.root, "command=" + command},
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", `mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && exec chroot "$root" sh -ec "$command"`)
}

// pk runs a client of PackageKit in the system: dbus-daemon starts packagekitd and polkitd, as
// they are installed.
func (d debian) pk(command string) string {
	d.t.Helper()
	return d.run("mkdir -p /run/dbus && rm -f /run/dbus/pid && dbus-daemon --system --fork && timeout 120 " + command)
}

// backendIs tells whether PackageKit works, with a backend.
func (d debian) backendIs(name string) {
	d.t.Helper()
	if out := d.pk("sh -ec 'until pkcon -p backend-details | grep ^Name; do :; done'"); !strings.Contains(out, name+"\n") {
		d.t.Errorf("PackageKit's backend is %q, want %s", out, name)
	}
}
