// SPDX-License-Identifier: GPL-2.0-or-later

// Command package makes the packages of a release, .deb and .rpm, in a folder: of the backend for all
// architectures, and of the server for those whose libsolv is there.
//
//	go run ./dist/package [-arch amd64,arm64,arm,386] [-sysroots DIR] [-o DIR]
//
// Without -arch they are this computer's, which needs what ./setup installs. It builds by dist/build, as
// any packager does, takes what dist/install installs, and adds the licences of all that is linked,
// and what the programs need by their ELF headers. Other architectures need Debian's cross compilers
// (gcc-aarch64-linux-gnu, gcc-arm-linux-gnueabihf; for i386 amd64's own does), and a folder each that
// dist/sysroot has made: those that aren't in -sysroots are made there.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

// A target is an architecture by its names.
type target struct {
	goarch, debian, rpm string
	env                 []string // for Go
	triplet             string   // Debian's, of folders of libraries
	lib64               bool     // whether RPM's distributions have libraries in lib64
	cc                  string   // of another computer, which the sysroot is added to
}

var targets = []target{
	{goarch: "amd64", debian: "amd64", rpm: "x86_64", triplet: "x86_64-linux-gnu", lib64: true, cc: "x86_64-linux-gnu-gcc"},
	{goarch: "arm64", debian: "arm64", rpm: "aarch64", triplet: "aarch64-linux-gnu", lib64: true, cc: "aarch64-linux-gnu-gcc"},
	{goarch: "arm", debian: "armhf", rpm: "armv7hl", env: []string{"GOARM=7"}, triplet: "arm-linux-gnueabihf", cc: "arm-linux-gnueabihf-gcc"},
	// The XO's: its Geode is an i586 with some of i686, to rpm too, and has no SSE2.
	{goarch: "386", debian: "i386", rpm: "i586", env: []string{"GO386=softfloat"}, triplet: "i386-linux-gnu", cc: "gcc -m32 -march=i586"},
}

// A part is a package.
type part struct {
	name, install string // its name, and dist/install's
	program       string // Go's command
	summary, text string
	deb, rpm      depends
}

// depends is what a package needs beside the libraries that its programs name.
type depends struct{ needs, suggests []string }

var parts = []part{
	{
		name: "packagekit-backend-presolve", install: "backend", program: "./cmd/pk-presolve",
		summary: "PackageKit backend for computers too small for a package manager",
		text: "Installs RPMs whose dependencies were solved on a server, by presolver: a\n" +
			"computer downloads the small tree of a program rather than the data of all\n" +
			"packages, fetches what it misses through every drop of the link, and hands\n" +
			"it to rpm. That it is installed changes nothing: \"presolve-backend on\" makes\n" +
			"it PackageKit's backend.",
		deb: depends{[]string{"packagekit (>= 1.1.13)", "rpm", "systemd | systemd-standalone-sysusers"}, []string{"packagekit-tools"}},
		rpm: depends{[]string{"PackageKit >= 1.1.13", "rpm", "/bin/sh", "/usr/bin/sed"}, nil},
	}, {
		name: "presolver", install: "server", program: "./cmd/presolver",
		summary: "Solves packages' dependencies once, for many small computers",
		text: "Solves the dependency tree of each program that a platform offers, against\n" +
			"its standard installation, signs and publishes the trees as static files,\n" +
			"and serves them to computers with packagekit-backend-presolve.",
		deb: depends{[]string{"systemd | systemd-standalone-sysusers"}, []string{"rpm", "firewalld"}},
		rpm: depends{[]string{"/bin/sh"}, []string{"rpm", "firewalld"}},
	},
}

func main() {
	arch := flag.String("arch", runtime.GOARCH, "the architectures, as Go calls them: amd64, arm64, arm, 386")
	sysroots := flag.String("sysroots", "", "the folder of other architectures' sysroots, by Debian's names (default: a temporary one)")
	out := flag.String("o", "build/packages", "the folder for the packages")
	flag.Parse()
	if err := run(strings.Split(*arch, ","), *sysroots, *out); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func run(arches []string, sysroots, out string) error {
	work, err := os.MkdirTemp("", "presolve-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if sysroots == "" {
		sysroots = filepath.Join(work, "sysroots")
	}
	if err := errors.Join(os.MkdirAll(out, 0o755), os.MkdirAll(sysroots, 0o755)); err != nil {
		return err
	}
	r := release{work: work, out: out}
	if r.version, err = output(nil, "dist/version"); err != nil {
		return err
	}
	if r.date, err = released(); err != nil {
		return err
	}
	for _, name := range arches {
		i := slices.IndexFunc(targets, func(t target) bool { return t.goarch == name })
		if i < 0 {
			return fmt.Errorf("%s is no architecture that there are packages for", name)
		}
		if err := r.target(targets[i], filepath.Join(sysroots, targets[i].debian)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// released is when the sources are from: SOURCE_DATE_EPOCH, else the last commit's time.
func released() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = output(nil, "git", "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH isn't set and there is no repository: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

type release struct {
	work, out, version string
	date               time.Time
}

// target builds for an architecture, and packs it.
func (r *release) target(t target, sysroot string) error {
	build := filepath.Join(r.work, t.debian)
	env := append([]string{
		"BUILD=" + build, "VERSION=" + r.version, "GOARCH=" + t.goarch,
		"CFLAGS=-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2", "LDFLAGS=-s -Wl,-z,relro,-z,now",
	}, t.env...)
	server := []string{"--presolver"}
	if t.goarch != runtime.GOARCH {
		if _, err := os.Stat(sysroot); err != nil {
			if _, err := output(nil, "dist/sysroot", t.debian, sysroot); err != nil {
				return err
			}
		}
		// The compilers come from another place than the libraries: Debian's has its own folder in the sysroot.
		own, err := filepath.Glob(filepath.Join(sysroot, "usr/lib/gcc/*/12"))
		if err != nil || len(own) != 1 {
			return fmt.Errorf("%s has no gcc's libraries: %q, %w", sysroot, own, err)
		}
		env = append(env, fmt.Sprintf("CC=%s --sysroot=%s -B%s", t.cc, sysroot, own[0]), "PKG_CONFIG_SYSROOT_DIR="+sysroot,
			"PKG_CONFIG_LIBDIR="+filepath.Join(sysroot, "usr/lib", t.triplet, "pkgconfig")+":"+filepath.Join(sysroot, "usr/share/pkgconfig"))
		if t.goarch == "386" {
			server = nil // a school's server has SSE2, and an amd64 kernel
		}
	}
	if _, err := output(env, "dist/build", server...); err != nil {
		return err
	}
	for _, p := range parts {
		if p.install == "server" && t.goarch != runtime.GOARCH && server == nil {
			continue
		}
		for _, format := range []string{"deb", "rpm"} {
			if err := r.pack(t, p, format, env); err != nil {
				return fmt.Errorf("%s as %s: %w", p.name, format, err)
			}
		}
	}
	return nil
}

// pack makes a package of what dist/install installs.
func (r *release) pack(t target, p part, format string, env []string) error {
	stage, err := os.MkdirTemp(r.work, "stage-")
	if err != nil {
		return err
	}
	libraries, arch := "/usr/lib/"+t.triplet, t.debian
	if format == "rpm" {
		libraries, arch = "/usr/lib", t.rpm
		if t.lib64 {
			libraries = "/usr/lib64"
		}
	}
	backends := libraries + "/packagekit-backend"
	if _, err := output(append(env, "DESTDIR="+stage, "BACKENDS="+backends), "dist/install", p.install); err != nil {
		return err
	}
	if err := r.documents(stage, p, format, t, env); err != nil {
		return err
	}
	needs, suggests := slices.Clone(p.deb.needs), p.deb.suggests
	if format == "rpm" {
		needs, suggests = slices.Clone(p.rpm.needs), p.rpm.suggests
	}
	var c strings.Builder
	version := r.version
	fmt.Fprintf(&c, "name: %s\narch: %s\nplatform: linux\nversion: %q\nversion_schema: none\nrelease: \"1\"\nmtime: %q\n", p.name, arch, version, r.date.Format(time.RFC3339))
	fmt.Fprintf(&c, "maintainer: \"Sugar Labs <sugar-devel@lists.sugarlabs.org>\"\nhomepage: https://github.com/sugarlabs/packagekit-backend-presolve\nlicense: GPL-2.0-or-later\nsection: admin\npriority: optional\n")
	fmt.Fprintf(&c, "description: |\n  %s\n  %s\n", p.summary, strings.ReplaceAll(p.text, "\n", "\n  "))
	fmt.Fprintf(&c, "changelog: %q\nrpm:\n  compression: xz\n  group: System Environment/Base\n  buildhost: localhost\n  summary: %q\ndeb:\n  compression: xz\n", filepath.Join(r.work, "changelog.yaml"), p.summary)
	fmt.Fprintf(&c, "scripts:\n")
	for key, name := range map[string]string{"postinstall": "postinst", "preremove": "prerm", "postremove": "postrm"} {
		script := "dist/scripts/" + p.install + "." + name
		if _, err := os.Stat(script); err == nil && (name != "postrm" || format == "deb") {
			fmt.Fprintf(&c, "  %s: %s\n", key, script)
		}
	}
	fmt.Fprintf(&c, "contents:\n")
	err = filepath.WalkDir(stage, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(path, stage)
		info, err := e.Info()
		if err != nil {
			return err
		}
		kind := ""
		switch {
		case e.IsDir():
			if !ownFolder(to, p.name) {
				return nil
			}
			fmt.Fprintf(&c, "- {dst: %q, type: dir, file_info: {mode: 0755}}\n", to)
			return nil
		case e.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			fmt.Fprintf(&c, "- {src: %q, dst: %q, type: symlink}\n", link, to)
			return err
		case strings.HasPrefix(to, "/etc/"):
			kind = "config|noreplace"
		case format == "rpm" && strings.HasPrefix(to, "/usr/share/licenses/"):
			kind = "license"
		case format == "rpm" && (strings.HasPrefix(to, "/usr/share/doc/") || strings.HasPrefix(to, "/usr/share/man/")):
			kind = "doc"
		}
		more, err := libraryNeeds(path, format)
		needs = append(needs, more...)
		fmt.Fprintf(&c, "- {src: %q, dst: %q, type: %q, file_info: {mode: 0%o, owner: root, group: root}}\n", path, to, kind, info.Mode().Perm())
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(needs)
	list(&c, "depends", slices.Compact(needs))
	list(&c, "suggests", suggests)
	config := filepath.Join(r.work, "nfpm.yaml")
	if err := os.WriteFile(config, []byte(c.String()), 0o644); err != nil {
		return err
	}
	change := fmt.Sprintf("- semver: %s-1\n  date: %s\n  packager: Sugar Labs <sugar-devel@lists.sugarlabs.org>\n  deb: {urgency: medium, distributions: [unstable]}\n  changes:\n  - note: %q\n",
		version, r.date.Format(time.RFC3339), "Version "+version+": see CHANGELOG.md.")
	if err := os.WriteFile(filepath.Join(r.work, "changelog.yaml"), []byte(change), 0o644); err != nil {
		return err
	}
	return packed(config, format, r.out)
}

// packed runs nfpm, for this computer whatever is built.
func packed(config, format, out string) error {
	_, err := output([]string{"GOARCH=", "GOFLAGS="}, "go", "run", nfpm, "package", "--config", config, "--packager", format, "--target", out)
	return err
}

func list(c *strings.Builder, key string, values []string) {
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(c, "%s:\n", key)
	for _, v := range values {
		fmt.Fprintf(c, "- %q\n", v)
	}
}

// ownFolder tells whether a folder belongs to the package alone.
func ownFolder(path, name string) bool {
	return strings.HasSuffix(path, "/packagekit-backend/presolve") || path == "/usr/share/doc/"+name || path == "/usr/share/licenses/"+name || path == "/etc/presolver"
}

// documents adds what packages have beside what dist/install installs, and compresses manuals.
func (r *release) documents(stage string, p part, format string, t target, env []string) error {
	licences, err := linked(p, env)
	if err != nil {
		return err
	}
	doc := filepath.Join(stage, "usr/share/doc", p.name)
	files := map[string][]byte{filepath.Join(doc, "copyright"): licences}
	if format == "rpm" {
		gpl, err := os.ReadFile("LICENSE") // Debian has it in /usr/share/common-licenses
		if err != nil {
			return err
		}
		folder := filepath.Join(stage, "usr/share/licenses", p.name)
		files = map[string][]byte{filepath.Join(folder, "LICENSE"): gpl, filepath.Join(folder, "copyright"): licences}
	}
	if format == "deb" {
		overrides, err := os.ReadFile("dist/lintian/" + p.install)
		if err != nil {
			return err
		}
		files[filepath.Join(stage, "usr/share/lintian/overrides", p.name)] = overrides
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	if files[filepath.Join(doc, "changelog.gz")], err = compressed(changes); err != nil {
		return err
	}
	if p.install == "server" {
		if err := os.MkdirAll(filepath.Join(stage, "etc/presolver"), 0o755); err != nil {
			return err
		}
	}
	manuals, err := filepath.Glob(filepath.Join(stage, "usr/share/man/*/*"))
	if err != nil {
		return err
	}
	for _, path := range manuals {
		text, err := os.ReadFile(path)
		if err == nil {
			files[path+".gz"], err = compressed(text)
		}
		if err = errors.Join(err, os.Remove(path)); err != nil {
			return err
		}
	}
	for path, data := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644), os.Chmod(path, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

func compressed(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// output runs a program in the sources' folder, and gives what it prints on stdout, without the
// space around.
func output(env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, &out, &said)
	}
	return strings.TrimSpace(out.String()), nil
}
