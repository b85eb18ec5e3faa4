// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// nobody is the user who attacks.
const nobody = 65534

// asNobody starts the helper of a laptop as packagekitd does for the user nobody.
func asNobody(t *testing.T, l *testbed.Laptop) *laptoptest.Helper {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("acting for another user needs root")
		}
		t.Skip("NOT TESTED: acting for another user needs root")
	}
	return laptoptest.Start(t, school.Tools, l, []string{fmt.Sprintf("UID=%d", nobody)})
}

// theirs is a new folder of nobody's, which everybody can reach.
func theirs(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "presolve-theirs-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = os.Chown(dir, nobody, nobody)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// noCopies tells whether the cache has nothing of people's own files.
func noCopies(t *testing.T, l *testbed.Laptop) {
	t.Helper()
	for _, pattern := range []string{"local-*", "passing-*"} {
		if left, err := filepath.Glob(filepath.Join(l.Cache, "rpms", pattern)); err != nil || len(left) > 0 {
			t.Errorf("the cache has %q, %v", left, err)
		}
	}
}

// gate is a school whose RPMs come when they are let through; asked is closed when the first is
// asked for.
type gate struct {
	*httptest.Server
	asked, open chan struct{}
}

func newGate(t *testing.T) *gate {
	t.Helper()
	target, err := url.Parse(school.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{asked: make(chan struct{}), open: make(chan struct{})}
	var first sync.Once
	proxy := httputil.NewSingleHostReverseProxy(target)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".rpm") {
			first.Do(func() { close(g.asked) })
			select {
			case <-g.open:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// A person's signed RPM is exchanged for an unsigned one of the same name while what it needs is
// downloaded: what was verified is installed.
func TestSwapAfterTheCheck(t *testing.T) {
	dir := theirs(t)
	g := newGate(t)
	l := makeLaptop(t, g.URL, fmt.Sprintf("[trust]\nkeyring = %q\n", filepath.Join(t.TempDir(), "keys")))
	key := laptoptest.NewKey(t, t.TempDir())
	good, err := files["greeter"].Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	key.Sign(t, good)
	evil := files["greeter"]
	evil.Files = file("/usr/bin/greeter", "evil\n")
	bad, err := evil.Write(theirs(t))
	if err != nil {
		t.Fatal(err)
	}
	key.Export(t, filepath.Join(l.Root, "etc/pki/rpm-gpg/RPM-GPG-KEY-school"))
	h := asNobody(t, l)
	h.OK("install-signature", "gpg", key.ID(), "greeter;1.0-1;noarch;local")
	if e := h.Fails("missing-gpg-signature", "install-files", "only-trusted", bad); !strings.Contains(e, "not signed") {
		t.Error(e)
	}

	if err := h.Send("install-files", "only-trusted", good); err != nil {
		t.Fatal(err)
	}
	<-g.asked
	if err := os.Rename(bad, good); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	lines, err := h.Reply(func(string) {})
	if e := laptoptest.ErrorOf(lines); e != "" || err != nil {
		t.Fatalf("%q, %v", e, err)
	}
	if b, err := os.ReadFile(filepath.Join(l.Root, "usr/bin/greeter")); string(b) != "x\n" {
		t.Errorf("what was not verified is installed: %q, %v", b, err)
	}
	noCopies(t, l)
}

// What a person can't read isn't read for them, and nothing but a plain file is.
func TestLocalFilesAreTheCallers(t *testing.T) {
	dir := theirs(t)
	l := makeLaptop(t, "", "")
	h := asNobody(t, l)
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	secret, err := files["poem"].Write(private)
	if err != nil {
		t.Fatal(err)
	}
	name := func(s string) string { return filepath.Join(dir, s) }
	hard := name("hard.rpm") // a link to a file that is readable for root alone
	for _, err := range []error{os.Chmod(secret, 0o600), os.Symlink(secret, name("link.rpm")), os.Symlink(private, name("folder")), os.Link(secret, hard),
		syscall.Mkfifo(name("fifo.rpm"), 0o666), os.Mkdir(name("dir.rpm"), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		secret:                               "file-not-found\tyou may not read",
		hard:                                 "file-not-found\tyou may not read",
		name("link.rpm"):                     "invalid-package-file\t",
		name("folder/poem-1.0-1.noarch.rpm"): "file-not-found\tyou may not read",
		name("fifo.rpm"):                     "invalid-package-file\t",
		name("dir.rpm"):                      "invalid-package-file\t",
	} {
		for _, command := range [][]string{{"get-details-local", path}, {"get-files-local", path}, {"install-files", "simulate", path}, {"install-files", "none", path}} {
			lines := h.Answer(command...)
			if e := laptoptest.ErrorOf(lines); !strings.HasPrefix(e, want) || has(lines, "details\t") || has(lines, "files\t") {
				t.Errorf("%q: %q, want %q", command, lines, want)
			}
		}
	}
	noCopies(t, l)
}

// A copy goes when its command is over, whatever became of it.
func TestCopiesGo(t *testing.T) {
	dir := theirs(t)
	l := makeLaptop(t, "", "")
	h := asNobody(t, l)
	made := func(name string) string {
		path, err := files[name].Write(dir)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	poem := made("poem")
	h.OK("install-files", "simulate", poem)
	noCopies(t, l)
	h.Fails("dep-resolution-failed", "install-files", "simulate", made("needy"))
	h.Fails("dep-resolution-failed", "install-files", "none", poem+"|"+made("needy"))
	noCopies(t, l)
	short := made("poem2") // its header is whole
	if err := os.Truncate(short, 1<<10); err != nil {
		t.Fatal(err)
	}
	if e := laptoptest.ErrorOf(h.Answer("install-files", "none", short)); e == "" {
		t.Error("half an RPM is installed")
	}
	noCopies(t, l)
	left := filepath.Join(l.Cache, "rpms", "local-AAAAAAAAAAAAAAAA-poem-1.0-1.noarch.rpm") // of a helper that was killed
	for _, path := range []string{left, left + ".part"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.OK("install-files", "none", poem)
	noCopies(t, l)
	if mode := mustStat(t, filepath.Join(l.Cache, "rpms")).Mode().Perm(); mode != 0o700 {
		t.Errorf("the cache is %o", mode)
	}
}

func mustStat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// A helper is killed while rpm installs a person's own file: the next change ends it from the copy,
// which then goes.
func TestKilledWithACopy(t *testing.T) {
	dir := theirs(t)
	l := makeLaptop(t, "", "")
	poem, err := files["poem"].Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	rusty, err := files["rusty"].Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	killAt(t, l, "allow-cancel\tfalse", "install-files", "none", poem)
	h := start(t, l)
	h.OK("install-files", "none", rusty)
	noCopies(t, l)
	lines := h.OK("get-packages", "installed")
	laptoptest.Agrees(t, l, lines)
	if has(lines, "package\tinstalled\tpoem;") {
		verify(t, l, "poem")
	}
}

// Downloads go where the person could have put them.
func TestDownloadIsTheCallers(t *testing.T) {
	const hello = "hello;1.0-1;noarch;school"
	dir := theirs(t)
	g := newGate(t)
	l := makeLaptop(t, g.URL, "")
	h := asNobody(t, l)
	roots := t.TempDir()
	victim := filepath.Join(roots, "hello-1.0-1.noarch.rpm")
	if err := os.WriteFile(victim, []byte("root's"), 0o644); err != nil {
		t.Fatal(err)
	}
	if e := h.Fails("transaction-error", "download-packages", roots, hello); !strings.Contains(e, "you may not write") && !strings.Contains(e, "permission") {
		t.Error(e)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(folder, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(folder, filepath.Base(victim))); err != nil {
		t.Fatal(err)
	}
	if err := h.Send("download-packages", folder, hello); err != nil {
		t.Fatal(err)
	}
	<-g.asked
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(roots, folder); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	lines, err := h.Reply(func(string) {})
	if e := laptoptest.ErrorOf(lines); e != "" || err != nil {
		t.Fatalf("%q, %v", e, err)
	}
	if b, err := os.ReadFile(victim); string(b) != "root's" {
		t.Errorf("root's file is %q now, %v", b, err)
	}
	info, err := os.Lstat(filepath.Join(folder+".away", filepath.Base(victim)))
	if err != nil || !info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Uid != nobody {
		t.Errorf("the RPM is %v, %v", info, err)
	}
	noCopies(t, l)
}
