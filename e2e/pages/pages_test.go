// SPDX-License-Identifier: GPL-2.0-or-later

// Package pages looks at the pages for people with a browser. It is of the long tier: it needs
// Debian's chromium and tidy.
//
//	PRESOLVE_LONG=1 go test -v ./e2e/pages [-args -screenshots FOLDER]
package pages

import (
	"flag"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

var screenshots = flag.String("screenshots", "", "a folder for pictures of the pages")

var leads = regexp.MustCompile(`<a href="([^"]*)"`)

// A browser is headless Chromium; or one without JavaScript, which sees what the server sends.
// Chromium itself tells what a page has become only by a script.
type browser struct {
	t       *testing.T
	profile string
	plain   bool
}

// look gives a page as it is when it has been loaded and its scripts have run, and what the console said.
func (b *browser) look(at string) (dom, console string) {
	b.t.Helper()
	if b.plain {
		resp, err := http.Get(at)
		if err != nil {
			b.t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.t.Errorf("%s: %s, %v", at, resp.Status, err)
		}
		return string(data), ""
	}
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + b.profile, "--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=5000", "--dump-dom", at}
	cmd := exec.Command("chromium", args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("chromium %s: %v: %s", at, err, &said)
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return string(out), console
}

func TestPages(t *testing.T) {
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("of the long tier: PRESOLVE_LONG=1")
	}
	for _, program := range []string{"chromium", "tidy"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: apt-get install chromium tidy", err)
		}
	}
	dir := t.TempDir()
	tools, err := testbed.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	var more []testbed.RPM
	for i := range 300 {
		more = append(more, testbed.RPM{Name: fmt.Sprintf("lesson%03d", i), Summary: fmt.Sprintf("Lesson %d & <more>", i)})
	}
	school, err := testbed.NewSchool(filepath.Join(dir, "school"), tools, more...)
	if err != nil {
		t.Fatal(err)
	}
	defer school.Close()
	if out, err := exec.Command(tools.Presolver, "pages", school.Published()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("JavaScript %v", scripts), func(t *testing.T) {
			b := &browser{t: t, profile: t.TempDir(), plain: !scripts}
			// Follow all links, but those to other programs of the same kind.
			seen, queue := map[string]bool{}, []string{school.Server.URL + "/"}
			for len(queue) > 0 && len(seen) < 40 {
				at := queue[0]
				queue = queue[1:]
				if seen[at] {
					continue
				}
				seen[at] = true
				dom, console := b.look(at)
				if console != "" {
					t.Errorf("%s: the console says %s", at, console)
				}
				if !strings.Contains(dom, "<h1>") {
					t.Errorf("%s has no heading: %s", at, dom)
				}
				base, _ := url.Parse(at)
				for _, m := range leads.FindAllStringSubmatch(dom, -1) {
					u, err := base.Parse(html.UnescapeString(m[1]))
					if err != nil {
						t.Errorf("%s leads to %q: %v", at, m[1], err)
					} else if u.Host == base.Host && !strings.Contains(u.Path, "/p/lesson") {
						queue = append(queue, u.String())
					}
				}
			}
			if len(seen) < 8 {
				t.Errorf("only %d pages were found: %v", len(seen), seen)
			}
			dom, _ := b.look(school.Server.URL + "/" + testbed.Platform + "/#q=Lesson%20299")
			if has := strings.Contains(dom, `<a href="pages/p/lesson299.html">lesson299</a>`); has != scripts {
				t.Errorf("the search finds lesson299: %v; %s", has, dom)
			}
		})
	}
	pages, err := filepath.Glob(filepath.Join(school.Published(), testbed.Platform, "pages/p/*.html"))
	if err != nil || len(pages) < 300 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	lists, _ := filepath.Glob(filepath.Join(school.Published(), testbed.Platform, "pages/*.html"))
	for _, page := range append(append(lists, pages[:20]...), filepath.Join(school.Published(), "index.html"), filepath.Join(school.Published(), testbed.Platform, "index.html")) {
		if out, err := exec.Command("tidy", "-e", "-q", page).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", page, out)
		}
	}
	if *screenshots != "" {
		for _, size := range []string{"1200,900", "400,900"} {
			for name, at := range map[string]string{"top": "/", "platform": "/" + testbed.Platform + "/", "found": "/" + testbed.Platform + "/#q=lesson29", "program": "/" + testbed.Platform + "/pages/p/hello.html"} {
				cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000", "--user-data-dir="+t.TempDir(),
					"--window-size="+size, "--screenshot="+filepath.Join(*screenshots, name+"-"+size+".png"), school.Server.URL+at)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", name, err, out)
				}
			}
		}
	}
}
