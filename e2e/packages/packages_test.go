// SPDX-License-Identifier: GPL-2.0-or-later

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The versions that are built: of the last release, and the next.
const before, after = "1.0.0", "1.0.1"

var built string // the folder of packages of both versions

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "presolve-packages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/packages:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	return m.Run()
}

// packageFiles builds the packages of a version for this computer, once, and gives the files'
// names by those of packages and formats, as "presolver.deb".
func packageFiles(t *testing.T, version string) map[string]string {
	t.Helper()
	need(t, "git", "gcc", "pkg-config")
	dir := filepath.Join(built, version)
	if _, err := os.Stat(dir); err != nil {
		pack(t, version, dir)
	}
	files := map[string]string{}
	for _, name := range []string{"packagekit-backend-presolve", "presolver"} {
		for _, format := range []string{"deb", "rpm"} {
			found, err := filepath.Glob(filepath.Join(dir, name+"?"+version+"-1?*."+format))
			check(t, err)
			if len(found) != 1 {
				t.Fatalf("the packages of %s as %s are %q", name, format, found)
			}
			files[name+"."+format] = found[0]
		}
	}
	return files
}

func pack(t *testing.T, version, dir string) {
	t.Helper()
	script(t, []string{"VERSION=" + version, "SOURCE_DATE_EPOCH=1700000000"}, "sh", "-c",
		fmt.Sprintf("cd ../.. && go run ./dist/package -arch %s -o '%s'", runtime.GOARCH, dir))
}

// What is in the packages: files with their modes, what belongs to the administrator, licences, what
// is needed. lintian and rpmlint have nothing to say that isn't explained in dist/.
func TestPackages(t *testing.T) {
	need(t, "dpkg-deb", "rpm")
	files := packageFiles(t, after)
	for name, want := range map[string][]string{
		"packagekit-backend-presolve": {
			"/etc/PackageKit/presolve.toml", "/usr/libexec/pk-presolve", "/usr/sbin/pk-presolve", "/usr/sbin/presolve-backend",
			"/packagekit-backend/presolve/libpk_backend_presolve.so", "/usr/lib/sysusers.d/packagekit-backend-presolve.conf",
			"/usr/share/man/man5/presolve.toml.5.gz", "/usr/share/man/man8/pk-presolve.8.gz", "/usr/share/man/man8/presolve-backend.8.gz",
			"/usr/share/bash-completion/completions/pk-presolve", "/usr/share/doc/packagekit-backend-presolve/changelog.gz",
			"/usr/share/packagekit-backend-presolve/sugar/packagekit.py", "/usr/share/doc/packagekit-backend-presolve/examples/sugar-launch-packaged",
		},
		"presolver": {
			"/etc/presolver", "/usr/bin/presolver", "/usr/lib/systemd/system/presolver.service", "/usr/lib/systemd/system/presolver.socket", "/usr/lib/systemd/system/presolver-build@.timer",
			"/usr/lib/firewalld/services/presolver.xml", "/usr/lib/tmpfiles.d/presolver.conf", "/usr/share/man/man1/presolver.1.gz",
			"/usr/share/doc/presolver/presolver.toml", "/usr/share/bash-completion/completions/presolver",
		},
	} {
		lists := map[string]string{
			"deb": script(t, nil, "sh", "-c", "dpkg-deb --fsys-tarfile '"+files[name+".deb"]+"' | tar -t | sed 's/^\\.//; s#/$##'"),
			"rpm": script(t, nil, "rpm", "-qpl", files[name+".rpm"]),
		}
		for format, list := range lists {
			for _, file := range want {
				if !strings.Contains(list, file+"\n") {
					t.Errorf("the %s of %s has no %s:\n%s", format, name, file, list)
				}
			}
		}
		if licences := script(t, nil, "sh", "-c", "dpkg-deb --fsys-tarfile '"+files[name+".deb"]+"' | tar -xO ./usr/share/doc/"+name+"/copyright"); !strings.Contains(licences, "modernc.org/sqlite ") && name != "presolver" || !strings.Contains(licences, "\nGo go1.") {
			t.Errorf("the licences of %s lack libraries", name)
		}
	}
	for _, name := range []string{"packagekit-backend-presolve", "presolver"} {
		folder := "/usr/share/licenses/" + name
		if got := script(t, nil, "rpm", "-qp", "--licensefiles", files[name+".rpm"]); got != folder+"/LICENSE\n"+folder+"/copyright\n" {
			t.Errorf("licences: %q", got)
		}
	}
	if got := script(t, nil, "rpm", "-qp", "--configfiles", files["packagekit-backend-presolve.rpm"]); got != "/etc/PackageKit/presolve.toml\n" {
		t.Errorf("configuration: %q", got)
	}
	if got := script(t, nil, "dpkg-deb", "-I", files["packagekit-backend-presolve.deb"], "conffiles"); strings.TrimSpace(got) != "/etc/PackageKit/presolve.toml" {
		t.Errorf("configuration: %q", got)
	}
	if got := script(t, nil, "rpm", "-qp", "--requires", files["presolver.rpm"]); !strings.Contains(got, "libsolv.so.1") {
		t.Errorf("presolver needs %s", got)
	}
	for _, lint := range [][]string{{"lintian", "--fail-on", "error,warning", "--profile", "debian"}, {"rpmlint", "--config", "../../dist/rpmlint.toml"}} {
		t.Run(lint[0], func(t *testing.T) {
			if _, err := exec.LookPath(lint[0]); err != nil {
				t.Skipf("NOT TESTED: %v", err) // ./setup doesn't install it: it is 100 packages
			}
			format := map[string]string{"lintian": ".deb", "rpmlint": ".rpm"}[lint[0]]
			args := append(lint[1:], files["packagekit-backend-presolve"+format], files["presolver"+format])
			if out, err := exec.Command(lint[0], args...).CombinedOutput(); err != nil || strings.Contains(string(out), ": W: ") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// The packages of the same sources are the same, byte by byte.
func TestPackagesAreReproducible(t *testing.T) {
	need(t, "dpkg-deb", "rpm")
	files, again := packageFiles(t, after), t.TempDir()
	pack(t, after, again)
	for name, file := range files {
		if script(t, nil, "sh", "-c", "sha256sum <'"+file+"'") != script(t, nil, "sh", "-c", "sha256sum <'"+filepath.Join(again, filepath.Base(file))+"'") {
			t.Errorf("%s differs", name)
		}
	}
}

// An empty root, dpkg's or rpm's: installed, upgraded with an edited configuration, removed.
func TestEmptyRoot(t *testing.T) {
	need(t, "dpkg", "rpm")
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: this needs root")
	}
	old, new := packageFiles(t, before), packageFiles(t, after)
	for _, format := range []string{"deb", "rpm"} {
		t.Run(format, func(t *testing.T) {
			root := t.TempDir()
			names := []string{"packagekit-backend-presolve", "presolver"}
			do := func(name string, args ...string) {
				t.Helper()
				script(t, nil, name, args...)
			}
			install := func(files map[string]string, action string) {
				t.Helper()
				if format == "rpm" { // whose scripts need a shell in the root
					do("rpm", "--root", root, "--dbpath", "/var/lib/rpm", action, "--nodeps", "--noscripts", files[names[0]+".rpm"], files[names[1]+".rpm"])
					return
				}
				do("dpkg", "--root="+root, "--force-depends", "--force-script-chrootless", "--force-confold", "--install", files[names[0]+".deb"], files[names[1]+".deb"])
			}
			if format == "rpm" {
				do("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--initdb")
			} else {
				for _, dir := range []string{"etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
					check(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
				}
				check(t, os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644))
			}
			daemon := filepath.Join(root, "etc/PackageKit/PackageKit.conf")
			check(t, os.MkdirAll(filepath.Dir(daemon), 0o755))
			check(t, os.WriteFile(daemon, []byte("[Daemon]\n#DefaultBackend=auto\n"), 0o644))

			install(old, "-i")
			version := func() string {
				return script(t, nil, filepath.Join(root, "usr/libexec/pk-presolve"), "--version") + script(t, nil, filepath.Join(root, "usr/bin/presolver"), "--version")
			}
			if v := version(); strings.Count(v, " "+before+",") != 2 {
				t.Errorf("versions: %s", v)
			}
			stubs := func() (all []string) {
				for _, pattern := range []string{"usr/lib*/packagekit-backend/*.so", "usr/lib/*/packagekit-backend/*.so"} {
					found, err := filepath.Glob(filepath.Join(root, pattern))
					check(t, err)
					all = append(all, found...)
				}
				return all
			}
			if found := stubs(); len(found) > 0 {
				t.Errorf("packagekitd would see %q", found)
			}
			if format == "deb" {
				users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
				if err != nil || !strings.Contains(string(users), "_pk-presolve:") || !strings.Contains(string(users), "_presolver:") {
					t.Errorf("users: %q, %v", users, err)
				}
				if _, err := os.Stat(filepath.Join(root, "var/lib/presolver")); err != nil {
					t.Error(err)
				}
			}
			script(t, []string{"DESTDIR=" + root}, filepath.Join(root, "usr/sbin/presolve-backend"), "on")
			config := filepath.Join(root, "etc/PackageKit/presolve.toml")
			check(t, os.WriteFile(config, []byte("platform = \"mine\"\n"), 0o644))

			install(new, "-U")
			if v := version(); strings.Count(v, " "+after+",") != 2 {
				t.Errorf("versions: %s", v)
			}
			if text, err := os.ReadFile(config); string(text) != "platform = \"mine\"\n" || err != nil {
				t.Errorf("the configuration is %q, %v", text, err)
			}
			if found := stubs(); len(found) != 1 {
				t.Errorf("after the upgrade packagekitd sees %q", found)
			}

			if format == "rpm" {
				script(t, []string{"DESTDIR=" + root}, filepath.Join(root, "usr/sbin/presolve-backend"), "off") // as the script says, which didn't run
				do("rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "-e", "--noscripts"}, names...)...)
			} else {
				do("dpkg", append([]string{"--root=" + root, "--force-depends", "--force-script-chrootless", "--purge"}, names...)...)
			}
			if text, err := os.ReadFile(daemon); string(text) != "[Daemon]\n#DefaultBackend=auto\n" || err != nil {
				t.Errorf("PackageKit's configuration is %q, %v", text, err)
			}
			left := strings.Fields(script(t, nil, "sh", "-c", "cd '"+root+"' && find usr etc/PackageKit etc/presolver -type f -o -type l 2>/dev/null || :"))
			slices.Sort(left)
			want := []string{"etc/PackageKit/PackageKit.conf"}
			if format == "rpm" {
				want = append(want, "etc/PackageKit/presolve.toml.rpmsave")
			}
			if !slices.Equal(left, want) {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// doc/dependencies.md has each dependency of go.mod once, and no other.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	check(t, err)
	page, err := os.ReadFile("../../doc/dependencies.md")
	check(t, err)
	direct := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) { // the others are "// indirect"
		direct[m[1]] = true
		if strings.Count(string(page), "| "+m[1]+" |") != 1 {
			t.Errorf("doc/dependencies.md doesn't say what %s is for", m[1])
		}
	}
	modules, _, _ := strings.Cut(string(page), "## Tools")
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+) \|`).FindAllStringSubmatch(modules, -1) {
		if !direct[m[1]] {
			t.Errorf("doc/dependencies.md has %s, and go.mod doesn't", m[1])
		}
	}
}

// Completions offer the commands and flags that the programs have, and no others.
func TestCompletions(t *testing.T) {
	need(t, "bash", "dpkg-deb")
	files, dir := packageFiles(t, after), t.TempDir()
	offered := func(program string, words ...string) []string {
		list := ""
		for _, w := range append([]string{program}, words...) {
			list += " '" + w + "'"
		}
		function := "_" + strings.ReplaceAll(program, "-", "_")
		return strings.Fields(script(t, nil, "bash", "-c", fmt.Sprintf(". '%s/usr/share/bash-completion/completions/%s'; COMP_WORDS=(%s); COMP_CWORD=%d; %s; echo \"${COMPREPLY[@]}\"", dir, program, list, len(words), function)))
	}
	same := func(program string, words, want []string) {
		t.Helper()
		got := offered(program, words...)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%s %q offers %q, want %q", program, words, got, want)
		}
	}
	matches := func(pattern, text string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		return all
	}
	for _, name := range []string{"packagekit-backend-presolve", "presolver"} {
		script(t, nil, "dpkg-deb", "-x", files[name+".deb"], dir)
	}
	presolver := filepath.Join(dir, "usr/bin/presolver")
	const flags = `(?m)^  (?:-\w, |    )(--[a-z-]+)`
	commands := matches(`(?m)^  ([a-z]+(?: [a-z]+)?)(?: [<-].*)?$`, script(t, nil, presolver, "--help"))
	want := []string{"--help", "--version"}
	for _, c := range commands {
		words := strings.Fields(c)
		want = append(want, words[0])
		if len(words) > 1 {
			same("presolver", []string{words[0], words[1][:1]}, []string{words[1]})
		}
		own := slices.DeleteFunc(matches(flags, script(t, nil, presolver, append(slices.Clone(words), "--help")...)), func(f string) bool { return f == "--help" || f == "--version" })
		if len(own) > 0 {
			same("presolver", append(words, "-"), own)
		}
	}
	if len(commands) < 5 {
		t.Errorf("commands: %q", commands)
	}
	same("presolver", []string{""}, want)
	usage, err := exec.Command(filepath.Join(dir, "usr/libexec/pk-presolve"), "--help").CombinedOutput()
	check(t, err)
	helper := []string{"--help", "doctor"}
	for _, f := range matches(`(?m)^  -([a-z-]+)`, string(usage)) {
		helper = append(helper, "--"+f)
	}
	same("pk-presolve", []string{""}, helper)
}
