// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/dispatcher"
)

// emptyDatabase makes a root for a helper: with an RPM database that has nothing in it.
func emptyDatabase(t *testing.T, root string) {
	t.Helper()
	if out, err := exec.Command("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--initdb").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// oneCommand carries out a command in a helper with this configuration, and gives its replies.
func oneCommand(t *testing.T, config string, words ...string) (status int, replies string) {
	t.Helper()
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	var out, log bytes.Buffer
	status = run(append([]string{"pk-presolve", "--config", config, "--one-shot"}, words...), stdin, &out, &log)
	return status, out.String() + log.String()
}

// A source whose URL has a password fails in each way that there is: no reply, error or line of the
// log has the password. Whoever may ask PackageKit sees the replies, and logs are sent to those who
// help.
func TestNoPasswordIsTold(t *testing.T) {
	const platform = "school-1-x86_64"
	answers := func(body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(body)) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "gopher://me:Secret@h/", http.StatusFound)
	}))
	defer redirecting.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	const id = "0123456789abcdef"
	commands := [][]string{
		{"refresh-cache", "true"}, {"resolve", "none", "hello"}, {"get-updates", "none"}, {"get-repo-list", "none"}, {"search-details", "none", "x"},
		{"install-packages", "none", "hello;1-1;noarch;school"}, {"download-packages", "", "hello;1-1;noarch;school"},
		{"get-distro-upgrades"}, {"install-signature", "gpg", id, "hello;1-1;noarch;school"}, {"repair-system", "none"},
		{"repo-set-data", "school", "url", "http://me:Secret@h:port/"}, {"repo-set-data", "school", "url", "gopher://me:Secret@h/"}, {"repo-set-data", "school", "name", "x"},
	}
	told := 0
	for _, test := range []struct{ name, url, layout, user string }{
		{"nobody", gone.URL, "presolve", "me:Secret"},
		{"404", missing.URL, "presolve", "me:Secret"},
		{"nonsense", answers("<html>"), "presolve", "me:Secret"},
		{"odd characters", answers("<html>"), "presolve", "me:Secret%20%0A%25%09%ff"},
		{"a token", answers("<html>"), "presolve", "Secret"},
		{"other platform", answers(`{"format": 1, "platform": "other"}`), "presolve", "me:Secret"},
		{"other format", answers(`{"format": 99}`), "presolve", "me:Secret"},
		{"redirects", redirecting.URL, "presolve", "me:Secret"},
		{"no node", answers("<html>"), "sugar-network", "me:Secret"},
		{"node's odd names", answers(`["a/b"]`), "sugar-network", "me:Secret"},
		{"node's odd tree", answers(`["a"]`), "sugar-network", "me:Secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			emptyDatabase(t, dir)
			config, log := filepath.Join(dir, "presolve.toml"), filepath.Join(dir, "log")
			text := fmt.Sprintf("platform = %q\nroot = %q\nstate = %q\ncache = %q\nlog_level = \"trace\"\nlog_file = %q\n[mounts]\nfolders = []\n[[source]]\nid = \"school\"\nurl = %q\nlayout = %q\nsignatures = \"none\"\n",
				platform, dir, dir+"/state", dir+"/cache", log, strings.Replace(test.url, "//", "//"+test.user+"@", 1), test.layout)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("NETWORK", "FALSE") // nobody is waited for
			all := ""
			for _, words := range commands {
				_, replies := oneCommand(t, config, words...)
				if !strings.Contains(replies, "finished") {
					t.Fatalf("%q answered %q", words, replies)
				}
				all += replies
			}
			logged, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(all + string(logged)) {
				if strings.Contains(line, "Secret") {
					t.Errorf("the password is told: %q", line)
				}
				if strings.Contains(line, strings.TrimPrefix(test.url, "http://")) {
					told++
				}
			}
		})
	}
	if told == 0 {
		t.Error("no error names the place")
	}
}

// State and cache are closed to others before anything in them is opened.
func TestFoldersAreClosed(t *testing.T) {
	dir := t.TempDir()
	emptyDatabase(t, dir)
	config := filepath.Join(dir, "presolve.toml")
	text := fmt.Sprintf("platform = \"school-1-x86_64\"\nroot = %q\nstate = %q\ncache = %q\n[mounts]\nfolders = []\n[[source]]\nid = \"school\"\nurl = \"file:///nonexistent\"\nsignatures = \"none\"\n",
		dir, dir+"/state", dir+"/cache")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "cache"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	oneCommand(t, config, "get-repo-list", "none")
	for _, name := range []string{"state", "cache"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
	if err := os.Rename(dir+"/state", dir+"/other"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other", dir+"/state"); err != nil {
		t.Fatal(err)
	}
	status, replies := oneCommand(t, config, "get-repo-list", "none")
	if status != dispatcher.GaveUp || !strings.HasPrefix(replies, "error\tfailed-initialization\t") || !strings.Contains(replies, "is a link") {
		t.Errorf("%d, %q", status, replies)
	}
}

// A signal that comes before the dispatcher runs ends what waits, and is the dispatcher's then.
func TestSignalBeforeTheDispatcher(t *testing.T) {
	signals := make(chan os.Signal, 2)
	ctx, started := starting(signals)
	signals <- syscall.SIGTERM
	<-ctx.Done()
	signals <- syscall.SIGQUIT
	started()
	started()
	for range 2 {
		select {
		case <-signals:
		default:
			t.Error("a signal is lost")
		}
	}
	ctx, started = starting(signals)
	if ctx.Err() != nil {
		t.Error("ended by nothing")
	}
	started()
	signals <- syscall.SIGINT
	if s := <-signals; s != syscall.SIGINT {
		t.Error(s)
	}
}
