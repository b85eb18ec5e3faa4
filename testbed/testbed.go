// SPDX-License-Identifier: GPL-2.0-or-later

// Package testbed is a small school in a temporary folder, for the demonstration, the end-to-end
// tests and the benchmarks: a repository of real RPMs, a presolve server, and laptops with RPM
// roots of their own. Everything in it is the real thing: rpm, createrepo_c, and the project's own
// two programs, built from this source.
package testbed

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/rpmpack"
)

// Platform is the platform of every testbed.
const Platform = "school-1-x86_64"

// DBPath is where the roots of a testbed have their RPM databases.
const DBPath = "/var/lib/rpm"

// Tools are the project's two programs, built.
type Tools struct {
	Helper    string // pk-presolve, without cgo, as a laptop has it
	Presolver string
}

// Build builds the programs of the module that the working folder is in into a folder.
func Build(dir string) (Tools, error) {
	t := Tools{Helper: filepath.Join(dir, "pk-presolve"), Presolver: filepath.Join(dir, "presolver")}
	for _, b := range []struct {
		out, pkg string
		env      []string
	}{
		{t.Helper, "pk-presolve", []string{"CGO_ENABLED=0"}},
		// A server's, whatever the laptops are; its libraries are those of dist/build and the lint.
		{t.Presolver, "presolver", []string{"CGO_ENABLED=1", "GOARCH=", "CGO_CFLAGS=-O2", "CGO_LDFLAGS=-Wl,-z,relro,-z,now"}},
	} {
		// What "go run" has linked Go keeps, what "go build" has, it doesn't: so each program is linked once
		// for all tests.
		cmd := exec.Command("go", "run", "-trimpath", "-exec", "cp", "github.com/sugarlabs/packagekit-backend-presolve/cmd/"+b.pkg, b.out)
		cmd.Env = append(os.Environ(), b.env...)
		if err := run(cmd); err != nil {
			return t, err
		}
	}
	return t, nil
}

// An RPM is a package to be made. Arch is noarch where it is empty, Version 1.0 and Release 1.
type RPM struct {
	Name, Version, Release, Arch, Summary string
	Epoch                                 uint32
	Group                                 string // Applications/Education where it is empty
	Description                           string // made of the summary where it is empty
	URL                                   string // made of the name where it is empty
	// Dependencies, as in a spec file: "libtext >= 2:0.9".
	Requires, Provides, Conflicts, Obsoletes, Recommends []string
	Needs, Gives                                         []string          // capabilities more that it requires and provides, taken as they stand, whatever is in them
	Files, Config                                        map[string]string // Config is not replaced where the user has changed it
	// Scriptlets in Lua: a bare root has no shell.
	Pre, Post, Preun, Postun string
}

// Write makes the package as an RPM file in a folder, by the name that it should have, and returns
// its path.
func (r RPM) Write(dir string) (string, error) {
	r = r.complete()
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.%s.rpm", r.Name, r.Version, r.Release, r.Arch))
	return path, r.WriteFile(path)
}

// complete is the package with what stands for what is empty.
func (r RPM) complete() RPM {
	if r.Version == "" {
		r.Version = "1.0"
	}
	if r.Release == "" {
		r.Release = "1"
	}
	if r.Arch == "" {
		r.Arch = "noarch"
	}
	if r.Group == "" {
		r.Group = "Applications/Education"
	}
	if r.Description == "" {
		r.Description = r.Summary + ", at length."
	}
	return r
}

// made are the packages that were encoded, by all that is in them: under -race a compressor takes most of
// what the tests of a solver take, and they make the same packages again and again.
var made sync.Map

// WriteFile makes the package as an RPM file at a path.
func (r RPM) WriteFile(path string) error {
	key := fmt.Sprintf("%#v", r)
	data, ok := made.Load(key)
	if !ok {
		encoded, err := r.complete().encode()
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		data = encoded
		const large = 1 << 20
		if len(key) < large {
			made.Store(key, data)
		}
	}
	return os.WriteFile(path, data.([]byte), 0o644)
}

func (r RPM) encode() ([]byte, error) {
	if r.Epoch > 0 { // rpmpack's own has no epoch
		r.Provides = append(r.Provides, fmt.Sprintf("%s = %d:%s-%s", r.Name, r.Epoch, r.Version, r.Release))
	}
	meta := rpmpack.RPMMetaData{
		Name: r.Name, Version: r.Version, Release: r.Release, Arch: r.Arch, Epoch: r.Epoch, Summary: r.Summary, Description: r.Description,
		OS: "linux", Licence: "GPLv2+", Group: r.Group, URL: cmp.Or(r.URL, "http://example.org/"+r.Name), Compressor: "gzip",
		BuildTime: time.Unix(1700000000, 0), BuildHost: "localhost",
	}
	for _, s := range []struct {
		to   *rpmpack.Relations
		from []string
	}{{&meta.Requires, r.Requires}, {&meta.Provides, r.Provides}, {&meta.Conflicts, r.Conflicts}, {&meta.Obsoletes, r.Obsoletes}, {&meta.Recommends, r.Recommends}} {
		for _, text := range s.from {
			if err := s.to.Set(text); err != nil {
				return nil, err
			}
		}
	}
	for _, capability := range r.Needs {
		meta.Requires = append(meta.Requires, &rpmpack.Relation{Name: capability})
	}
	for _, capability := range r.Gives {
		meta.Provides = append(meta.Provides, &rpmpack.Relation{Name: capability})
	}
	p, err := rpmpack.NewRPM(meta)
	if err != nil {
		return nil, err
	}
	for name, body := range r.Files {
		p.AddFile(rpmpack.RPMFile{Name: name, Body: []byte(body), Mode: 0o644, Owner: "root", Group: "root", MTime: 1700000000})
	}
	for name, body := range r.Config {
		p.AddFile(rpmpack.RPMFile{Name: name, Body: []byte(body), Mode: 0o644, Owner: "root", Group: "root", MTime: 1700000000, Type: rpmpack.ConfigFile | rpmpack.NoReplaceFile})
	}
	for _, s := range []struct {
		text    string
		add     func(string)
		program int // the tag of the scriptlet's interpreter: RPMTAG_PREINPROG, …
	}{{r.Pre, p.AddPrein, 1085}, {r.Post, p.AddPostin, 1086}, {r.Preun, p.AddPreun, 1087}, {r.Postun, p.AddPostun, 1088}} {
		if s.text != "" {
			s.add(s.text)
			p.AddCustomTag(s.program, rpmpack.EntryString("<lua>"))
		}
	}
	var b bytes.Buffer
	err = p.Write(&b)
	return b.Bytes(), err
}

// Repository makes a repository of RPMs in a new folder.
func Repository(dir string, rpms ...RPM) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, r := range rpms {
		if _, err := r.Write(dir); err != nil {
			return err
		}
	}
	return CreateRepo(dir)
}

// CreateRepo runs createrepo_c on a folder.
func CreateRepo(dir string, options ...string) error {
	return run(exec.Command("createrepo_c", append(append([]string{"--quiet", "--workers=1"}, options...), dir)...))
}

// Root makes an RPM root with a database that says that these RPM files are installed.
func Root(dir string, base ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := run(exec.Command("rpm", "--root", dir, "--dbpath", DBPath, "--initdb")); err != nil || len(base) == 0 {
		return err
	}
	return run(exec.Command("rpm", append([]string{"--root", dir, "--dbpath", DBPath, "-i", "--justdb", "--nodeps"}, base...)...))
}

// RPMQuery runs rpm on a root and returns what it prints.
func RPMQuery(root string, args ...string) (string, error) {
	out, err := exec.Command("rpm", append([]string{"--root", root, "--dbpath", DBPath}, args...)...).CombinedOutput()
	return string(out), err
}

// A Server is a running "presolver serve".
type Server struct {
	URL  string
	cmd  *exec.Cmd
	said bytes.Buffer // on stderr
}

// Serve serves a published folder on a free port of the loopback interface.
func (t Tools) Serve(dir string) (*Server, error) {
	cmd := exec.Command(t.Presolver, "serve", dir, "--listen", "127.0.0.1:0")
	s := &Server{cmd: cmd}
	cmd.Stderr = &s.said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(first), "http://")
	if err != nil || !ok {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, fmt.Errorf("presolver serve said %q", first)
	}
	s.URL = "http://" + strings.TrimRight(url, "/")
	return s, nil
}

// Stop stops the server and waits for its end.
func (s *Server) Stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("presolver serve: %w: %s", err, &s.said)
	}
	return nil
}

// Build publishes a platform as a configuration says, and returns what presolver printed.
func (t Tools) Build(config string, args ...string) (string, error) {
	out, err := exec.Command(t.Presolver, append([]string{"build", "-c", config}, args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("presolver build: %w: %s", err, out)
	}
	return string(out), nil
}

// Sign signs what is published in a folder with the key in a file.
func (t Tools) Sign(dir, key string) error {
	return run(exec.Command(t.Presolver, "sign", "--key", key, dir))
}

// A Helper is a running pk-presolve that is talked to as PackageKit does.
type Helper struct {
	Process *os.Process
	// Log is what the helper wrote to stderr until it ended.
	Log    bytes.Buffer
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	ended  sync.Once
	status error
}

// Start starts the helper of a laptop, whose configuration is a file. env are variables beside this
// program's own.
func (t Tools) Start(config string, env []string, args ...string) (*Helper, error) {
	h := &Helper{cmd: exec.Command(t.Helper, append([]string{"--config", config}, args...)...)}
	h.cmd.Env = append(os.Environ(), env...)
	h.cmd.Stderr = &h.Log
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.stdout = bufio.NewReader(stdout)
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	h.Process = h.cmd.Process
	return h, nil
}

// Send writes a command and doesn't wait.
func (h *Helper) Send(words ...string) error {
	_, err := io.WriteString(h.stdin, strings.Join(words, "\t")+"\n")
	return err
}

// Line reads the next line of a reply, without its end.
func (h *Helper) Line() (string, error) {
	l, err := h.stdout.ReadString('\n')
	return strings.TrimSuffix(l, "\n"), err
}

// Do writes a command and reads the lines of its reply, the last one, "finished", too.
func (h *Helper) Do(words ...string) ([]string, error) {
	if err := h.Send(words...); err != nil && !errors.Is(err, syscall.EPIPE) { // a helper that gave up at once has said why
		return nil, err
	}
	return h.Reply(nil)
}

// Reply reads lines until "finished". each, if it is there, sees each line as it comes.
func (h *Helper) Reply(each func(line string)) (lines []string, err error) {
	for {
		l, err := h.Line()
		if err != nil {
			return lines, fmt.Errorf("the helper ended after %d lines: %w (%v); it logged: %s", len(lines), err, h.Wait(), h.Log.String())
		}
		lines = append(lines, l)
		if each != nil {
			each(l)
		}
		if l == "finished" {
			return lines, nil
		}
	}
}

// Stop says "exit" and waits for the helper's end.
func (h *Helper) Stop() error {
	h.Send("exit")
	return h.Wait()
}

// CloseStdin ends the commands.
func (h *Helper) CloseStdin() error { return h.stdin.Close() }

// Wait waits for the helper's end, which must come by itself.
func (h *Helper) Wait() error {
	h.ended.Do(func() {
		io.Copy(io.Discard, h.stdout)
		h.status = h.cmd.Wait()
		h.stdin.Close()
	})
	return h.status
}

// Kill kills the helper as a flat battery would, and waits for its end.
func (h *Helper) Kill() {
	h.Process.Kill()
	h.Wait()
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
