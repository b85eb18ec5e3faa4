// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// unknowing is a laptop whose configuration names no key of its source.
func unknowing(t *testing.T) *laptop {
	t.Helper()
	l := newLaptop(t, "[trust]\nkeyring = \"keys\"\n")
	text, err := os.ReadFile(l.Config)
	check(t, err)
	check(t, os.WriteFile(l.Config, []byte(strings.Replace(string(text), fmt.Sprintf("keys = [%q]\n", school.Key.Fingerprint), "", 1)), 0o644))
	l.Daemon = pktest.Start(t, l.Helper)
	return l
}

// PackageKit is told the whole fingerprint and the name of a key that a source needs, and whoever may
// accepts it: then what was asked for goes on.
func TestKeyOfASource(t *testing.T) {
	l := unknowing(t)
	result := l.Run("RefreshCache", false)
	want := fmt.Sprint([]any{"presolve-source;0;;school", "School server", l.Proxy.URL + "/school-1-x86_64/keys/" + school.Key.Fingerprint + ".asc",
		"School <school@example.org>", school.Key.Fingerprint, school.Key.Fingerprint, school.Key.Created.UTC().Format("2006-01-02"), uint32(1)})
	if asked := result.All("RepoSignatureRequired"); len(asked) != 1 || fmt.Sprint(asked[0]) != want {
		t.Errorf("PackageKit was told %v, want %s", asked, want)
	}
	if code, text := result.Error(); code != 5 || result.Exit() != exitKeyRequired || !strings.Contains(text, school.Key.Fingerprint) {
		t.Errorf("it ended with %d, %d %s", result.Exit(), code, text)
	}

	// Another key than the one that signs is not accepted, whoever asks for it; nor is it by a user's no.
	if code, _ := l.Run("InstallSignature", uint32(1), strings.Repeat("0", 40), "presolve-source;0;;school").Error(); code != 5 {
		t.Errorf("another key: %d", code)
	}
	refresh := func(say string) string {
		t.Helper()
		said, err := atTerminal(t, l, say, "pkcon", "refresh")
		if (err == nil) != strings.HasPrefix(say, "y") {
			t.Errorf("%q: %v, %s", say, err, said)
		}
		return said
	}
	if said := refresh("n\n"); !strings.Contains(said, school.Key.Fingerprint) || !strings.Contains(said, "School <school@example.org>") {
		t.Errorf("pkcon shows %s", said)
	}
	if code, _ := l.Run("RefreshCache", false).Error(); code != 5 {
		t.Errorf("after a no: %d", code)
	}
	refresh("y\n")
	text, err := os.ReadFile(l.Config)
	check(t, err)
	if !strings.Contains(string(text), fmt.Sprintf("keys = [%q]", school.Key.Fingerprint)) {
		t.Errorf("the configuration is\n%s", text)
	}
	if out, err := testbed.RPMQuery(l.Root, "-qa", "gpg-pubkey*"); err != nil || out != "" {
		t.Errorf("RPM's keyring has %s, %v", out, err)
	}
	if out, err := l.Pkcon("--noninteractive", "install", "hello"); err != nil {
		t.Error(out, err)
	}
}

// Whoever knows an id installs it at once: the key is asked for on the way, and the install goes on.
func TestKeyOfASourceInAnInstall(t *testing.T) {
	l := unknowing(t)
	if exit := l.Run("InstallPackages", uint64(0), []string{"hello;1.0-1;noarch;school"}).Exit(); exit != exitKeyRequired {
		t.Errorf("it ended with %d", exit)
	}
	if code, text := l.Run("InstallSignature", uint32(1), school.Key.Fingerprint, "presolve-source;0;;school").Error(); code != 0 {
		t.Error(code, text)
	}
	if code, text := l.Run("InstallPackages", uint64(0), []string{"hello;1.0-1;noarch;school"}).Error(); code != 0 {
		t.Error(code, text)
	}
}

// atTerminal runs a program at a terminal, and answers its first question.
func atTerminal(t *testing.T, l *laptop, answer string, command ...string) (said string, err error) {
	t.Helper()
	cmd := l.Client("script", "--quiet", "--return", "--command", strings.Join(command, " "), "/dev/null")
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	asked, ended := make(chan struct{}), make(chan struct{})
	go func() { // pkcon throws away what is said before it listens, which nobody is told
		defer in.Close()
		<-asked
		again := time.NewTicker(100 * time.Millisecond)
		defer again.Stop()
		for {
			io.WriteString(in, answer)
			select {
			case <-again.C:
			case <-ended:
				return
			}
		}
	}()
	var text strings.Builder
	once := sync.OnceFunc(func() { close(asked) })
	for buffer := make([]byte, 4096); ; {
		n, err := out.Read(buffer)
		text.Write(buffer[:n])
		if strings.Contains(text.String(), "[N/y]") || err != nil {
			once()
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	close(ended)
	return text.String(), err
}

// exitKeyRequired is PackageKit's PK_EXIT_ENUM_KEY_REQUIRED.
const exitKeyRequired = 4
