// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/klauspost/compress/zstd"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// repository writes a repository as somebody may who needs no RPMs for it: the packages of its
// primary metadata.
func repository(t testing.TB, dir string, primary []byte, location string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Join(dir, "repodata"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "repodata/primary.xml"), primary, 0o644))
	write(t, filepath.Join(dir, "repodata/repomd.xml"), fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>
<data type="primary"><checksum type="sha256">%x</checksum><location href="%s"/><size>%d</size></data></repomd>
`, sha256.Sum256(primary), location, len(primary)), 0o644)
}

// primary is primary metadata of packages.
func primary(packages ...string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">
%s</metadata>
`, len(packages), strings.Join(packages, ""))
}

// pkg is one package in primary metadata. The words are XML already.
func pkg(name, summary, requires string) string {
	return fmt.Sprintf(`<package type="rpm"><name>%s</name><arch>noarch</arch><version epoch="0" ver="1.0" rel="1"/>
<checksum type="sha256" pkgid="YES">%x</checksum><summary>%s</summary><description>x</description><packager/><url/><time file="1" build="1"/>
<size package="1000" installed="1000" archive="1000"/><location href="x-1.0-1.noarch.rpm"/>
<format><rpm:license>x</rpm:license><rpm:group>x</rpm:group><rpm:provides><rpm:entry name="%s" flags="EQ" epoch="0" ver="1.0" rel="1"/></rpm:provides>
<rpm:requires>%s</rpm:requires></format></package>
`, name, sha256.Sum256([]byte(name)), summary, name, requires)
}

// presolverConfig writes a configuration of presolver and gives its path and the folder that it
// publishes.
func presolverConfig(t testing.TB, repository, rpms, toplevel string) (config, output string) {
	t.Helper()
	dir := folder(t)
	config, output = filepath.Join(dir, "presolver.toml"), filepath.Join(dir, "published")
	write(t, config, fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = %q\n[[repository]]\nid = \"main\"\nurl = %q\n[base]\npackages = [\"basesystem\"]\n[toplevel]\n%s\n",
		testbed.Platform, output, rpms, repository, toplevel), 0o644)
	return config, output
}

// presolve runs "presolver build", which is ended with an error where it takes too long.
func presolve(t testing.TB, config string, limit time.Duration) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	all, err := exec.CommandContext(ctx, school.Presolver, "build", "-c", config).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("presolver build hasn't ended in %v", limit)
	}
	return string(all), err
}

// A package that needs a million things that nobody has is reported like any other; and presolver
// ends when it's told to.
func TestMillionRequires(t *testing.T) {
	var requires strings.Builder
	for n := range 1_000_000 {
		fmt.Fprintf(&requires, `<rpm:entry name="r%d"/>`, n)
	}
	dir := folder(t)
	repository(t, dir, primary(pkg("basesystem", "The base", ""), pkg("million", "Needs much", requires.String()), pkg("modest", "Needs little", "")), "repodata/primary.xml")
	t.Run("finishes", func(t *testing.T) {
		t.Parallel()
		config, output := presolverConfig(t, "file://"+dir, "upstream", `packages = ["million", "modest"]`)
		out, err := presolve(t, config, 2*time.Minute)
		if err != nil {
			t.Errorf("%v: %.1000s", err, out)
		}
		if len(out) > 64<<10 {
			t.Errorf("it prints %d bytes", len(out))
		}
		report, err := os.ReadFile(filepath.Join(output, testbed.Platform, "report.json"))
		if err != nil || !strings.Contains(string(report), "million") {
			t.Errorf("the report doesn't tell: %v: %.300s", err, report)
		}
		if len(report) > 1<<20 {
			t.Errorf("the report has %d bytes", len(report))
		}
		if trees, _ := filepath.Glob(filepath.Join(output, testbed.Platform, "trees/modest@*")); len(trees) != 1 {
			t.Errorf("modest isn't published: %q", trees)
		}
	})
	t.Run("ends", func(t *testing.T) {
		t.Parallel()
		config, output := presolverConfig(t, "file://"+dir, "upstream", `packages = ["million", "modest"]`)
		cmd := exec.Command(school.Presolver, "build", "-c", config)
		said, err := cmd.StderrPipe()
		check(t, err)
		check(t, cmd.Start())
		giveUp := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		lines := bufio.NewScanner(said)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "solving 2 names") {
		}
		if !giveUp.Stop() {
			t.Fatal("presolver doesn't come to solving")
		}
		check(t, cmd.Process.Signal(syscall.SIGTERM))
		ended := make(chan error, 1)
		go func() {
			io.Copy(io.Discard, said)
			ended <- cmd.Wait()
		}()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it ends as if it had built")
			}
		case <-time.After(patience):
			cmd.Process.Kill()
			<-ended
			t.Errorf("presolver hasn't ended %v after SIGTERM", patience)
		}
		if _, err := os.Stat(filepath.Join(output, testbed.Platform, "platform.json")); err == nil {
			t.Error("it has published")
		}
	})
}

// What a repository calls things doesn't reach the terminal as commands to it, nor laptops.
func TestWordsOfRepositories(t *testing.T) {
	t.Parallel()
	const csi, rlo = "\u009b31m", "\u202e" // XML can't have \x1b
	for name, test := range map[string]struct {
		packages []string
		location string
	}{
		"a name":           {[]string{pkg("evil"+csi, "x", "")}, ""},
		"a name, reversed": {[]string{pkg("evil"+rlo+"x", "x", "")}, ""},
		"a missing thing":  {[]string{pkg("evil", "x", `<rpm:entry name="nobody`+csi+rlo+`"/>`)}, ""},
		"an option":        {[]string{pkg("-evil", "x", "")}, ""},
		"a macro":          {[]string{pkg("evil%{lua:x}", "x", "")}, ""},
		"a location":       {nil, "repodata/" + csi + rlo},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			location := "repodata/primary.xml"
			if test.location != "" {
				location = test.location
			}
			repository(t, dir, primary(append(test.packages, pkg("basesystem", "The base", ""), pkg("modest", "Needs little", ""))...), location)
			config, output := presolverConfig(t, "file://"+dir, "upstream", "all = true")
			out, err := presolve(t, config, patience)
			t.Logf("%v: %q", err, out)
			for _, r := range out {
				if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' || unicode.Is(unicode.Cf, r) {
					t.Errorf("it prints %q: %q", r, out)
				}
			}
			for _, path := range published(output) {
				if base := filepath.Base(path); strings.ContainsAny(base, "%"+rlo+"\u009b") || strings.HasPrefix(base, "-") {
					t.Errorf("it publishes %q", path)
				}
			}
		})
	}
}

// published are the files below a folder, if there is one.
func published(dir string) (paths []string) {
	filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

// leaks checks that a word is nowhere in what is published.
func leaks(t testing.TB, dir, word string) {
	t.Helper()
	for _, path := range published(dir) {
		data, err := os.ReadFile(path)
		check(t, err)
		if strings.HasSuffix(path, ".zst") {
			z, err := zstd.NewReader(bytes.NewReader(data))
			check(t, err)
			data, err = io.ReadAll(z)
			check(t, err)
			z.Close()
		}
		if bytes.Contains(data, []byte(word)) {
			t.Errorf("%s has %q", path, word)
		}
	}
}

// The password in a source's or a repository's URL is told to nobody.
func TestPasswordInURL(t *testing.T) {
	const password = "hunter2-secret"
	with := func(raw string) string {
		u, err := url.Parse(raw)
		check(t, err)
		u.User = url.UserPassword("laptop", password)
		return u.String()
	}
	silent := func(t *testing.T, l *testbed.Laptop, env ...string) {
		h := start(t, l, append(env, asNobody...)...)
		var told []string
		all := [][]string{
			{"get-repo-list", "none"}, {"refresh-cache", "yes"}, {"get-repo-list", "none"}, {"search-name", "none", "hello"}, {"get-details", helloID},
			{"get-update-detail", helloID}, {"install-packages", "none", helloID}, {"download-packages", home(t), helloID}, {"search-file", "none", "/usr/bin/hello"},
			{"install-signature", "gpg", "0123456789abcdef", helloID}, {"get-distro-upgrades"}, {"repo-set-data", "school", "url", "http://laptop:" + password + "@[::1"},
			{"repo-set-data", "school", "name", "A school"}, {"repo-set-data", "nobody", "url", "http://laptop:" + password + "@x/"}, {"repair-system", "none"},
		}
		if slices.Contains(env, "NETWORK=FALSE") { // each takes a while
			all = [][]string{{"get-repo-list", "none"}, {"refresh-cache", "yes"}, {"install-packages", "none", helloID}, {"get-repo-list", "none"}}
		}
		for _, words := range all {
			told = append(told, ask(t, h, words...)...)
		}
		h.Stop()
		told = append(told, h.Log.String())
		for _, l := range told {
			for l := range strings.Lines(l) {
				if strings.Contains(l, password) {
					t.Errorf("told: %.500q", l)
				}
			}
		}
	}
	const more = "log_level = \"trace\"\n[transport]\nretry_for = \"1s\"\n"
	for name, answer := range map[string]http.HandlerFunc{
		"all is well": nil,
		"no RPMs": func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".rpm") {
				http.NotFound(w, r)
				return
			}
			http.FileServer(http.Dir(school.Published())).ServeHTTP(w, r)
		},
		"who are you": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "who are you?", http.StatusUnauthorized) },
		"garbage":     func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"sent back": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, with("http://"+r.Host)+r.URL.Path, http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if answer == nil {
				answer = http.FileServer(http.Dir(school.Published())).ServeHTTP
			}
			server := httptest.NewServer(answer)
			defer server.Close()
			silent(t, newLaptop(t, with(server.URL), more))
		})
	}
	nothing, err := net.Listen("tcp", "127.0.0.1:0") // an address where nobody is
	check(t, err)
	nothing.Close()
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		silent(t, newLaptop(t, with("http://"+nothing.Addr().String()), more), "NETWORK=FALSE")
	})
	t.Run("the proxy", func(t *testing.T) {
		t.Parallel()
		l := newLaptop(t, "http://school.invalid", more)
		silent(t, l, "NETWORK=FALSE", "http_proxy="+with("http://"+nothing.Addr().String()), "all_proxy="+with("socks://"+nothing.Addr().String()))
	})
	for name, rpms := range map[string]string{"a repository": "upstream", "a repository that is copied": "copy"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(school.Dir, "repository"))))
			defer server.Close()
			config, output := presolverConfig(t, with(server.URL), rpms, `packages = ["hello", "orphan"]`)
			out, err := presolve(t, config, patience)
			t.Logf("%v: %q", err, out)
			if strings.Contains(out, password) {
				t.Errorf("presolver tells it: %s", out)
			}
			leaks(t, output, password)
			server.Close()
			if out, _ := presolve(t, config, patience); strings.Contains(out, password) {
				t.Errorf("presolver tells it where the repository isn't there: %s", out)
			}
		})
	}
}

// A FIFO, or a link out of it, in the folder that is served hangs no request and shows nothing.
func TestFIFOInServedFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	at := filepath.Join(dir, testbed.Platform)
	write(t, filepath.Join(at, "platform.json"), "{}\n", 0o644)
	check(t, syscall.Mkfifo(filepath.Join(at, "pipe"), 0o644))
	check(t, os.MkdirAll(filepath.Join(at, "folder"), 0o755))
	check(t, syscall.Mkfifo(filepath.Join(at, "folder/index.html"), 0o644))
	check(t, os.MkdirAll(filepath.Join(dir, "packages/presolve/"+testbed.Platform), 0o755))
	check(t, syscall.Mkfifo(filepath.Join(dir, "packages/presolve", testbed.Platform, "program"), 0o644))
	secret, words := secretOf(t, 100)
	check(t, os.Chmod(secret, 0o644))
	check(t, os.Symlink(secret, filepath.Join(at, "link")))
	server, err := school.Serve(dir)
	check(t, err)
	defer server.Stop()
	client := &http.Client{Timeout: patience}
	for _, path := range []string{"pipe", "folder/", "folder/index.html", "link", "../packages/presolve/" + testbed.Platform + "/program"} {
		resp, err := client.Get(server.URL + "/" + testbed.Platform + "/" + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode < 400 || strings.Contains(string(body), words[0]) {
			t.Errorf("%s: %s, %v, %.100q", path, resp.Status, err, body)
		}
	}
	resp, err := client.Get(server.URL + "/" + testbed.Platform + "/platform.json")
	check(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("what is right: %s", resp.Status)
	}
}
