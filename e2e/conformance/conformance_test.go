// SPDX-License-Identifier: GPL-2.0-or-later

package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
	"github.com/sugarlabs/packagekit-backend-presolve/wire/wiretest"
)

var update = flag.Bool("update", false, "write what was said into the conversations")

// A laptop is one that carries a conversation on.
type laptop struct {
	*testbed.Laptop
	t       *testing.T
	dialect wire.Dialect
	reader  *wiretest.Reader
	said    strings.Builder
	tidy    *strings.Replacer // out of what changes from run to run
	untidy  *strings.Replacer // and back
	helper  *helper           // that runs, in the dialects that have a dispatcher
	wrong   bool              // the commands are wrong: they may be told so
	publish func()
}

func TestConversations(t *testing.T) {
	for _, name := range wiretest.Dialects {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".txt")
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l := newLaptop(t, wire.Dialect(name))
			l.converse(strings.Split(strings.TrimSuffix(string(want), "\n"), "\n"))
			got := l.said.String()
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s", difference(string(want), got))
			}
			for _, command := range l.dialect.Commands() {
				if !strings.Contains(got, "\n> "+command+"\n") && !strings.Contains(got, "\n> "+command+"\t") {
					t.Errorf("%s is not in %s", command, path)
				}
			}
		})
	}
}

// newLaptop makes a laptop of the school, whose source can publish its next serial.
func newLaptop(t *testing.T, d wire.Dialect) *laptop {
	var source atomic.Pointer[url.URL]
	use := func(address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		source.Store(u)
	}
	use(school.first.URL)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(source.Load()) }})
	t.Cleanup(proxy.Close)
	l := &laptop{t: t, dialect: d, reader: wiretest.New(string(d)), publish: func() { use(school.Server.URL) }}
	more := ""
	if d != wire.V0_1 && d != wire.External { // their programs' names tell it
		more += fmt.Sprintf("dialect = %q\n", d)
	}
	made, err := school.Laptop(proxy.URL, "presolve", more)
	if err != nil {
		t.Fatal(err)
	}
	l.Laptop = made
	places := []string{made.Dir, "$LAPTOP", proxy.URL, "$URL", school.Dir, "$SCHOOL"}
	l.tidy = strings.NewReplacer(places...)
	slices.Reverse(places)
	l.untidy = strings.NewReplacer(places...)
	return l
}

// pageMark begins, beside a line of the two oldest dialects, what their pages call its fields.
const pageMark = "\t  # "

// converse carries the commands of a conversation out, and says them and what is answered.
func (l *laptop) converse(script []string) {
	for _, line := range script {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case ">":
			l.say("%s", line)
			rest, _, _ = strings.Cut(rest, pageMark)
			l.command(strings.Split(l.untidy.Replace(rest), "\t"))
		case "@":
			l.say("%s", line)
			if rest != "publish" {
				l.t.Fatalf("what is %q?", line)
			}
			l.publish()
		case "#", "":
			l.say("%s", line)
			l.wrong = line == "# What is wrong."
		case "<", "!", "=": // is said anew
		default:
			l.t.Fatalf("what is %q?", line)
		}
	}
	if l.helper != nil {
		l.t.Fatal("the conversation doesn't end with exit")
	}
}

func (l *laptop) say(format string, a ...any) {
	l.said.WriteString(l.tidy.Replace(fmt.Sprintf(format, a...)) + "\n")
}

// heard checks a line as PackageKit does, and says it, unless it depends on how fast things go.
func (l *laptop) heard(line string, stderr bool) {
	reply, err := l.reader.Read(line, stderr)
	if reply.Page != "" {
		line += pageMark + reply.Page
	}
	if err != nil {
		l.t.Error(err)
	}
	if reply.Word == "error" && reply.Fields["code"] == "not-supported" && !l.wrong {
		l.t.Errorf("not supported: %s", line)
	}
	switch {
	case slices.Contains([]string{"percentage", "subpercentage", "item-progress", "speed", "download-size-remaining"}, reply.Word):
	case stderr:
		l.say("! %s", line)
	default:
		l.say("< %s", strings.ReplaceAll(line, "\n", "\n< "))
	}
}

// command carries one command out, as the PackageKit of the dialect does.
func (l *laptop) command(words []string) {
	switch l.dialect {
	case wire.V0_2:
		l.program(words[0]+".py", words[1:])
	case wire.V0_1, wire.V0_0:
		l.program(words[0]+".sh", words[1:])
	case wire.External:
		l.program("presolve-"+words[0], words[1:])
	default:
		l.line(words)
	}
}

// line gives a command to the helper that runs, or to a new one.
func (l *laptop) line(words []string) {
	if l.helper == nil {
		l.helper = l.start()
	}
	fmt.Fprintln(l.helper.stdin, strings.Join(words, "\t"))
	if words[0] == "exit" {
		l.say("= %d", l.helper.end())
		l.helper = nil
		return
	}
	l.reader.Begin()
	for {
		line, err := l.helper.stdout.ReadString('\n')
		if err != nil {
			l.t.Fatalf("the helper ended in %s: %v", words, err)
		}
		line = strings.TrimSuffix(line, "\n")
		l.heard(line, false)
		if line == "finished" {
			break
		}
	}
	if err := l.reader.End(); err != nil {
		l.t.Error(err)
	}
}

// A helper is one that runs.
type helper struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

func (l *laptop) start() *helper {
	h := &helper{cmd: exec.Command(school.Helper, "--config", l.Config)}
	h.cmd.Env = environment
	h.cmd.Stderr = os.Stderr
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	h.stdout = bufio.NewReader(stdout)
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		l.t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { h.cmd.Process.Kill(); h.stdin.Close() })
	return h
}

func (h *helper) end() int {
	io.Copy(io.Discard, h.stdout)
	h.cmd.Wait()
	return h.cmd.ProcessState.ExitCode()
}

// environment is as bare as PackageKit's.
var environment = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "NETWORK=TRUE"}

// program runs the program of a command: a link to the helper. Up to 0.1.11 its command line is cut
// at the spaces. What follows "<" is a line of its stdin.
func (l *laptop) program(name string, args []string) {
	link := filepath.Join(l.Dir, name)
	if err := os.Symlink(school.Helper, link); err != nil && !errors.Is(err, os.ErrExist) {
		l.t.Fatal(err)
	}
	stdin := ""
	if len(args) > 0 && args[0] == "<" {
		stdin, args = strings.Join(args[1:], "\t")+"\n", nil
	}
	if l.dialect != wire.V0_2 {
		args = strings.Fields(strings.Join(args, " "))
	}
	cmd := exec.Command(link, append([]string{"--config", l.Config}, args...)...)
	cmd.Env = environment
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		l.t.Fatal(err)
	}
	l.reader.Begin()
	for _, line := range wiretest.Records(string(l.dialect), stderr.String()) { // which came first can't be told: they are two pipes
		l.heard(line, true)
	}
	for _, line := range wiretest.Records(string(l.dialect), stdout.String()) {
		l.heard(line, false)
	}
	if err := l.reader.End(); err != nil {
		l.t.Error(err)
	}
	l.say("= %d", cmd.ProcessState.ExitCode())
}

// difference shows the first lines in which two texts differ, after the command that they answer.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	command := ""
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("after %q:\ngot  %s\nwant %s\n(-update writes what was said)", command, strings.Join(g[i:min(i+4, len(g))], "\n     "), strings.Join(w[i:min(i+4, len(w))], "\n     "))
		}
		if strings.HasPrefix(w[i], ">") {
			command = w[i]
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// A school has published twice: Server has the second serial.
type twice struct {
	*testbed.School
	first *testbed.Server
}

var (
	school *twice
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "presolve-conformance-")
	if err == nil {
		defer os.RemoveAll(dir)
		school, err = newSchool(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 1
	}
	defer school.Close()
	defer school.first.Stop()
	return m.Run()
}

func newSchool(dir string) (*twice, error) {
	tools, err := testbed.Build(dir)
	if err != nil {
		return nil, err
	}
	s, err := testbed.NewSchool(dir, tools, testbed.RPM{
		Name: "player", Version: "2.0", Summary: "Plays music", Description: "Plays music.\n\nFrom files, at length.", Provides: []string{"mimehandler(audio/ogg)", "python3dist(player) = 2"}, Requires: []string{"libgreet"},
		Files: map[string]string{"/usr/bin/player": "ELF\n"},
	})
	if err != nil {
		return nil, err
	}
	// Then there is a new version of hello.
	before := filepath.Join(dir, "published-first")
	if err := os.CopyFS(before, os.DirFS(s.Published())); err != nil {
		return nil, err
	}
	hello := testbed.Programs[slices.IndexFunc(testbed.Programs, func(r testbed.RPM) bool { return r.Name == "hello" })]
	hello.Version = "1.1"
	if _, err := hello.Write(filepath.Join(dir, "repository")); err != nil {
		return nil, err
	}
	if err := testbed.CreateRepo(filepath.Join(dir, "repository")); err != nil {
		return nil, err
	}
	if _, err := s.Build(filepath.Join(dir, "presolver.toml")); err != nil {
		return nil, err
	}
	first, err := tools.Serve(before)
	return &twice{s, first}, err
}
