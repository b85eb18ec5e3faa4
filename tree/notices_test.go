// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestMeets(t *testing.T) {
	p := NEVRA{Name: "hello", Epoch: 1, Version: "2.0", Release: "3", Arch: "noarch"}
	for dependency, want := range map[string]bool{
		"hello": true, "hell": false, "": false, "hello <": false, "hello < 1:2.0-4": true, "hello < 1:2.0-3": false, "hello <= 1:2.0-3": true,
		"hello = 1:2.0": true, "hello = 2.0": false, "hello >= 1.9": true, "hello > 1:2.0": false, "hello > 1:1.9": true, "hello = 1:2.0-3": true,
		"hello < 2": false, "hello < 2:0": true,
	} {
		if got := p.Meets(dependency); got != want {
			t.Errorf("%s meets %q: %v, want %v", p, dependency, got, want)
		}
	}
}

func notices() *Notices {
	return &Notices{Format: Format, Platform: "p", Name: "hello", Notices: []Notice{{
		ID: "N-1", Type: "security", Title: "hello", Text: "Why.", Restart: "system", Issued: time.Unix(1e9, 0).UTC(),
		References: []Link{{"cve", "http://cve.example.org/1"}}, Packages: []NEVRA{{Name: "hello", Version: "2", Release: "1", Arch: "noarch"}},
	}}}
}

func TestNoticesRoundTrip(t *testing.T) {
	body, err := notices().Encode()
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseNotices(body, "p", "hello")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := n.Encode(); err != nil || string(again) != string(body) {
		t.Errorf("%v:\n%s%s", err, body, again)
	}
}

func TestNoticesRefused(t *testing.T) {
	for want, change := range map[string]func(*Notices){
		"format 3":                    func(n *Notices) { n.Format = 3 },
		"not of \"hello\"":            func(n *Notices) { n.Name = "other" },
		"has the id":                  func(n *Notices) { n.Notices[0].ID = "a\nb" },
		"a restart of \"everything\"": func(n *Notices) { n.Notices[0].Restart = "everything" },
		"too much":                    func(n *Notices) { n.Notices[0].Text = strings.Repeat("x", MaxNoticeText+1) },
		"not an absolute http":        func(n *Notices) { n.Notices[0].References[0].URL = "javascript:alert(1)" },
		"the version":                 func(n *Notices) { n.Notices[0].Packages[0].Version = "1/2" },
	} {
		n := notices()
		change(n)
		body, err := n.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseNotices(body, "p", "hello"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzParseNotices(f *testing.F) {
	body, _ := notices().Encode()
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := ParseNotices(body, "p", "hello")
		if err != nil {
			return
		}
		again, err := n.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseNotices(again, "p", "hello"); err != nil {
			t.Errorf("%s is read and written as %s, which is refused: %v", body, again, err)
		}
		if !json.Valid(again) {
			t.Errorf("%s is written", again)
		}
	})
}
