// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

var update = flag.Bool("update", false, "write what was said into the transcripts")

// compsText has two of the school's programs in a group, and that in an environment.
const compsText = `<comps>
	<group><id>fun</id><name>Fun</name><description>To play and to draw</description>
		<packagelist><packagereq>chess</packagereq><packagereq type="optional">paint</packagereq><packagereq>doom</packagereq></packagelist></group>
	<environment><id>class</id><name>Class room</name><grouplist><groupid>fun</groupid></grouplist></environment>
</comps>`

// TestPkcon runs testdata/*.txtar. Beside testscript's own commands these have:
//
//	school [asking]       makes a school of the script's own, for the laptops that come after; the others' never changes
//	comps                 its repository has comps: see compsText
//	spring                it publishes newer programs, and a later platform: see publishSpring
//	song                  makes song.rpm in $WORK: see song
//	rpm OPTION…           runs rpm on the laptop's root, behind PackageKit's back
//	laptop [KEY=VALUE…]   makes a laptop and starts its packagekitd; KEY=VALUE goes into the helper's configuration
//	fault NAME            how the school's server misbehaves from now on: see testbed.Faults
//	talk FILE             runs the commands in FILE and prints it again as it went: "cmp stdout FILE" tells whether it
//	                      went as written
//	kept                  some of the laptop's RPMs are there in part
//	resumed               the server was asked for the rest of such a one
//
// A conversation has the lines
//
//	$ pkcon ARG…   a command; what it prints follows
//	! SIGINT       interrupts it when the first bytes of a download have come; once for each laptop
//	! fault none   ends the server's fault when it waits for the network
//	= N            its exit status, where that isn't 0
//
// $WORK is the script's folder, $LAPTOP the laptop's, $SCHOOL the URL of its source.
//
// What PackageKit says by itself of any transaction is left out. So are percentages: they only have
// to grow. How often a source was tried that hung up is N: the pauses between are left to chance.
func TestPkcon(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"school": func(ts *testscript.TestScript, _ bool, args []string) {
				var more []testbed.RPM
				if len(args) > 0 {
					more = asking
				}
				scripted(ts).School = ownSchool(ts.Value("test").(testing.TB), more...)
			},
			"comps": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(scripted(ts).School.Metadata("group", compsText))
			},
			"spring": func(ts *testscript.TestScript, _ bool, _ []string) {
				s := scripted(ts).School
				ts.Check(testbed.Repository(filepath.Join(s.Dir, "repository"), askingMore...))
				ts.Check(publishSpring(s))
			},
			"song": func(ts *testscript.TestScript, _ bool, _ []string) {
				path, err := song.Write(ts.MkAbs("."))
				ts.Check(err)
				ts.Check(os.Rename(path, ts.MkAbs("song.rpm")))
			},
			"rpm": func(ts *testscript.TestScript, neg bool, args []string) {
				out, err := testbed.RPMQuery(scripted(ts).Root, args...)
				fmt.Fprint(ts.Stdout(), out)
				want(ts, neg, err == nil)
			},
			"laptop": scriptLaptop,
			"fault": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(scripted(ts).Proxy.Set(testbed.Fault(args[0])))
			},
			"talk":    scriptTalk,
			"kept":    func(ts *testscript.TestScript, neg bool, _ []string) { want(ts, neg, len(scripted(ts).Partial()) > 0) },
			"resumed": func(ts *testscript.TestScript, neg bool, _ []string) { want(ts, neg, scripted(ts).Resumed()) },
		},
		Setup: func(env *testscript.Env) error {
			env.Values["test"] = env.T().(testing.TB)
			env.Values["laptop"] = &laptop{School: school}
			// A pkcon without a login session has the rights of nobody, which must get at the
			// script's own files.
			for dir := env.WorkDir; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// scripted is the script's laptop.
func scripted(ts *testscript.TestScript) *laptop { return ts.Value("laptop").(*laptop) }

func want(ts *testscript.TestScript, neg, is bool) {
	if is == neg {
		ts.Fatalf("it is not so")
	}
}

func scriptLaptop(ts *testscript.TestScript, _ bool, args []string) {
	var more strings.Builder
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		fmt.Fprintf(&more, "%s = %s\n", key, value)
	}
	l := newLaptopOf(ts.Value("test").(testing.TB), scripted(ts).School, more.String())
	l.Daemon = pktest.Start(l.t, l.Helper)
	*scripted(ts) = *l
}

func scriptTalk(ts *testscript.TestScript, _ bool, args []string) {
	work := ts.Getenv("WORK")
	script := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	for i, line := range script {
		command, ok := strings.CutPrefix(line, "$ pkcon ")
		if !ok {
			continue
		}
		interrupt, mend := false, false
		for _, l := range script[i+1:] {
			if strings.HasPrefix(l, "$ ") {
				break
			}
			interrupt, mend = interrupt || l == "! SIGINT", mend || l == "! fault none"
		}
		fmt.Fprintln(ts.Stdout(), line)
		said, err := pkcon(scripted(ts), strings.Fields(strings.ReplaceAll(command, "$WORK", work)), interrupt, mend)
		ts.Check(err)
		l := scripted(ts)
		io.WriteString(ts.Stdout(), strings.NewReplacer(work, "$WORK", l.Dir, "$LAPTOP", l.Proxy.URL, "$SCHOOL").Replace(tries.ReplaceAllString(said, "EOF (N tries)")))
	}
}

var tries = regexp.MustCompile(`EOF \([0-9]+ tries\)`)

// pkcon runs pkcon, and returns what it printed and how it ended.
func pkcon(l *laptop, args []string, interrupt, mend bool) (string, error) {
	cmd := l.PkconCommand(append([]string{"-p", "-y"}, args...)...)
	out, in, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return "", err
	}
	in.Close()
	var said strings.Builder
	percentage := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch {
		case key == "Transaction":
			percentage = 0
		case key == "Percentage":
			p, err := strconv.Atoi(value)
			if err != nil || p < percentage {
				return "", fmt.Errorf("after %d%% pkcon shows %q", percentage, value)
			}
			percentage = p
			continue
		case key == "Status" && slices.Contains([]string{"Waiting in queue", "Waiting for authentication", "Starting", "Finished"}, value):
			continue
		}
		said.WriteString(strings.TrimSpace(strings.ReplaceAll(lines.Text(), "\t", " ")) + "\n")
		if interrupt && key == "Package" {
			interrupt = false
			l.WaitLog("emitting item-progress")
			said.WriteString("! SIGINT\n")
			cmd.Process.Signal(os.Interrupt)
		}
		if mend && value == "Requesting data" {
			mend = false
			said.WriteString("! fault none\n")
			if err := l.Proxy.Set(testbed.NoFault); err != nil {
				return "", err
			}
		}
	}
	out.Close()
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		fmt.Fprintf(&said, "= %d\n", exit.ExitCode())
	} else if err != nil {
		return "", err
	}
	return said.String(), nil
}
