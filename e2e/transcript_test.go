// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

var update = flag.Bool("update", false, "write what was said into the transcripts")

// TestTranscripts runs testdata/*.txtar. Beside testscript's own commands these have:
//
//	laptop [layout=L] [KEY=VALUE…]   makes a laptop; KEY=VALUE goes into its configuration. $CONFIG, $ROOT, $CACHE and
//	                                 $STATE tell where it is. Its source is the school, through a proxy that
//	                                 fault misbehaves.
//	fault NAME                       how the school's server misbehaves from now on: see faults.
//	talk FILE                        runs the helper through the conversation in FILE and prints it again as it
//	                                 went: "cmp stdout FILE" tells whether it went as written.
//	doctor                           runs "pk-presolve doctor" and prints what it says, and "= " with its exit status
//
// A conversation has the lines
//
//	$ ARG…      starts the helper
//	> COMMAND   writes a command; its words are separated by tabs
//	< LINE      what the helper answers; how far a download is (percentage, speed, …) is left out
//	! SIGNAL    sends a signal when the first bytes of a download have come
//	EOF         closes stdin
//	= N         the helper's end, with its exit status
//
// $WORK is the script's folder.
func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			p := &proxy{}
			target, err := url.Parse(school.Server.URL)
			if err != nil {
				return err
			}
			p.upstream = httputil.NewSingleHostReverseProxy(target)
			p.upstream.ErrorLog = nil
			server := httptest.NewServer(p)
			env.Defer(server.Close)
			env.Values["proxy"] = p
			env.Setenv("URL", server.URL)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"laptop": func(ts *testscript.TestScript, neg bool, args []string) {
				layout, source, more := "presolve", ts.Getenv("URL"), ""
				for _, a := range args {
					key, value, ok := strings.Cut(a, "=")
					switch {
					case !ok:
						ts.Fatalf("usage: laptop [layout=L] [KEY=VALUE…]")
					case key == "layout":
						layout = value
						source += "/packages/presolve/" + "school-1-x86_64"
					default:
						more += fmt.Sprintf("%s = %s\n", key, value)
					}
				}
				l, err := school.Laptop(source, layout, more)
				ts.Check(err)
				for key, value := range map[string]string{"CONFIG": l.Config, "ROOT": l.Root, "CACHE": l.Cache, "STATE": l.State} {
					ts.Setenv(key, value)
				}
			},
			"fault": func(ts *testscript.TestScript, neg bool, args []string) {
				if len(args) != 1 || faults[args[0]] == nil {
					ts.Fatalf("usage: fault %s", strings.Join(slices.Sorted(maps.Keys(faults)), "|"))
				}
				ts.Value("proxy").(*proxy).fault.Store(&args[0])
			},
			"talk": talk,
			"doctor": func(ts *testscript.TestScript, neg bool, args []string) {
				out, err := exec.Command(school.Helper, "--config", ts.Getenv("CONFIG"), "doctor").CombinedOutput()
				if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
					ts.Check(err)
				}
				status := 0
				if err != nil {
					status = err.(*exec.ExitError).ExitCode()
				}
				said := strings.ReplaceAll(string(out), filepath.Dir(ts.Getenv("CONFIG")), "$LAPTOP")
				fmt.Fprintf(ts.Stdout(), "%s= %d\n", strings.ReplaceAll(said, ts.Getenv("URL"), "$URL"), status)
			},
		},
	})
}

// noise are the replies that depend on how fast things go.
var noise = []string{"percentage\t", "item-progress\t", "speed\t", "download-size-remaining\t"}

func talk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: talk FILE")
	}
	var said strings.Builder
	defer func() { fmt.Fprint(ts.Stdout(), said.String()) }()
	work := ts.Getenv("WORK")
	say := func(format string, a ...any) {
		said.WriteString(strings.ReplaceAll(fmt.Sprintf(format+"\n", a...), work, "$WORK"))
	}
	var h *testbed.Helper
	script := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	for i, line := range script {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "$":
			say("%s", line)
			var err error
			h, err = school.Start(ts.Getenv("CONFIG"), nil, strings.Fields(rest)...)
			ts.Check(err)
			ts.Defer(h.Kill)
			if words := strings.Fields(rest); len(words) > 0 && !strings.HasPrefix(words[len(words)-1], "-") {
				reply(h, say, "")
			}
		case ">":
			say("%s", line)
			ts.Check(h.Send(strings.ReplaceAll(rest, "$WORK", work)))
			if rest == "exit" {
				continue
			}
			signal := ""
			for _, l := range script[i+1:] {
				if strings.HasPrefix(l, "> ") {
					break
				}
				if name, ok := strings.CutPrefix(l, "! "); ok {
					signal = name
				}
			}
			reply(h, say, signal)
		case "EOF":
			say("EOF")
			h.CloseStdin()
		case "=":
			say("= %s", exitStatus(h.Wait()))
		}
	}
}

// reply prints the lines of a reply, and sends a signal when the first bytes have come.
func reply(h *testbed.Helper, say func(string, ...any), signal string) {
	number := map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGQUIT": syscall.SIGQUIT, "SIGINT": syscall.SIGINT}[signal]
	for {
		l, err := h.Line()
		if err != nil {
			say("it ended: %v", err)
			return
		}
		if number != 0 && strings.HasPrefix(l, "download-size-remaining\t") {
			say("! %s", signal)
			h.Process.Signal(number)
			number = 0
		}
		if !slices.ContainsFunc(noise, func(n string) bool { return strings.HasPrefix(l, n) }) {
			say("< %s", anonymous(l))
		}
		if l == "finished" {
			return
		}
	}
}

// anonymous takes out of a line what differs between runs: the folders and ports of this one.
func anonymous(line string) string {
	line = strings.ReplaceAll(line, school.Dir, "/school")
	for _, prefix := range []string{"http://127.0.0.1:", "/school/laptop"} {
		if _, after, ok := strings.Cut(line, prefix); ok {
			digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
			line = strings.ReplaceAll(line, prefix+after[:digits], prefix+"N")
		}
	}
	return line
}

// exitStatus is how a process ended, in a word.
func exitStatus(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &exit) && exit.Exited():
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}

// A proxy stands between the laptops and the school's server.
type proxy struct {
	upstream *httputil.ReverseProxy
	fault    atomic.Pointer[string]
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name := p.fault.Load(); name != nil {
		faults[*name](p, w, r)
		return
	}
	p.upstream.ServeHTTP(w, r)
}

// stalling writes so many bytes of an answer, and then nothing until its reader is gone.
type stalling struct {
	http.ResponseWriter
	left int
	gone <-chan struct{}
}

func (s *stalling) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b[:min(len(b), s.left)])
	if s.left -= n; s.left == 0 {
		s.ResponseWriter.(http.Flusher).Flush()
		<-s.gone
	}
	return n, err
}

// faults are the ways in which the school's server can misbehave.
var faults = map[string]func(p *proxy, w http.ResponseWriter, r *http.Request){
	"none": func(p *proxy, w http.ResponseWriter, r *http.Request) { p.upstream.ServeHTTP(w, r) },
	// RPMs come 300 bytes a request, and then to a stop.
	"stall": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".rpm") {
			p.upstream.ServeHTTP(w, r)
			return
		}
		http.ServeFile(&stalling{ResponseWriter: w, left: 300, gone: r.Context().Done()}, r, filepath.Join(school.Published(), filepath.FromSlash(r.URL.Path)))
	},
	// The RPM of hello comes damaged, every time.
	"damage": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(school.Published(), filepath.FromSlash(r.URL.Path)))
		if err != nil || !strings.Contains(r.URL.Path, "/hello-") {
			p.upstream.ServeHTTP(w, r)
			return
		}
		data[len(data)-100] ^= 0xff
		w.Write(data)
	},
	// The RPM of libtext is gone.
	"gone": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/libtext-") {
			http.NotFound(w, r)
			return
		}
		p.upstream.ServeHTTP(w, r)
	},
	// The whole server is gone: it must not even be asked.
	"down": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	},
	// The server's clock is a month behind that of the laptop.
	"clock": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().AddDate(0, -1, 0).UTC().Format(http.TimeFormat))
		http.ServeFile(w, r, filepath.Join(school.Published(), filepath.FromSlash(r.URL.Path)))
	},
	// The server wants a password.
	"password": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		http.Error(w, "who are you?", http.StatusUnauthorized)
	},
	// Nothing is signed.
	"unsigned": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".asc") {
			http.NotFound(w, r)
			return
		}
		p.upstream.ServeHTTP(w, r)
	},
	// A captive portal answers everything.
	"portal": func(p *proxy, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>Please log in to Airport Wi-Fi</body></html>")
	},
}
