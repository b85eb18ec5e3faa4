// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"presolver": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey{}] = new(running)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"repo":  repoCmd(t),
			"serve": serveScript,
			"stop":  stopCmd,
			"get":   getCmd,
		},
	})
}

// repo DIR NEVRA[ TAG: DEPENDENCY]…: makes a repository. TAG is requires, provides or file.
func repoCmd(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: repo DIR PACKAGE…")
		}
		var packages []repotest.Package
		for _, arg := range args[1:] {
			words := strings.Fields(arg)
			p := repotest.Package{NEVRA: words[0]}
			for i := 1; i+1 < len(words); i += 2 {
				switch words[i] {
				case "requires:":
					p.Requires = append(p.Requires, words[i+1])
				case "provides:":
					p.Provides = append(p.Provides, words[i+1])
				case "file:":
					p.Files = append(p.Files, words[i+1])
				default:
					ts.Fatalf("unknown tag %s", words[i])
				}
			}
			packages = append(packages, p)
		}
		dir := ts.MkAbs(args[0])
		ts.Check(os.RemoveAll(dir))
		repotest.Write(t, dir, packages...)
	}
}

// serve DIR [socket]: runs presolver serve, with a socket that it gets passed perhaps, and sets $URL; stop ends it, and fails where it doesn't end well.
func serveScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 || len(args) == 2 && args[1] != "socket" {
		ts.Fatalf("usage: serve DIR [socket]")
	}
	// testscript's own presolver is found in the script's PATH
	cmd := exec.Command("sh", "-c", `exec presolver serve "$0" --listen 127.0.0.1:0`, ts.MkAbs(args[0]))
	if len(args) == 2 { // as systemd passes it
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer listener.Close()
		file, err := listener.(*net.TCPListener).File()
		ts.Check(err)
		defer file.Close()
		cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec presolver serve "$0" --listen 127.0.0.1:1`, ts.MkAbs(args[0]))
		cmd.ExtraFiles = []*os.File{file}
	}
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH")}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait()
		ts.Fatalf("presolver serve says nothing: %v %s", err, &stderr)
	}
	ts.Setenv("URL", strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), "/"))
	server := &server{cmd: cmd, stderr: &stderr}
	ts.Value(serverKey{}).(*running).server = server
	ts.Defer(func() { server.stop() })
}

// stop: ends presolver serve with SIGTERM.
func stopCmd(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*running).server
	if neg || len(args) > 0 || s == nil {
		ts.Fatalf("usage: stop, after serve")
	}
	ts.Check(s.stop())
}

// running is what a script's commands share, under serverKey.
type running struct{ server *server }

type serverKey struct{}

type server struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	done   bool
}

func (s *server) stop() error {
	if s.done {
		return nil
	}
	s.done = true
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("presolver serve: %w %s", err, s.stderr)
	}
	return nil
}

// get URL [HEADER: VALUE]…: prints the status, the header's interesting lines and the body.
func getCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: get URL [HEADER: VALUE]…")
	}
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	for _, header := range args[1:] {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	var s strings.Builder
	fmt.Fprintln(&s, resp.Status)
	for _, name := range []string{"Content-Type", "Cache-Control", "Content-Encoding", "Content-Range", "Accept-Ranges", "Etag", "Vary"} {
		for _, v := range resp.Header.Values(name) {
			fmt.Fprintf(&s, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(&s, "\n%s\n", body)
	_, err = ts.Stdout().Write([]byte(s.String()))
	ts.Check(err)
}
