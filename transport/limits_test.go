// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestHours(t *testing.T) {
	const never = ""
	at := func(text string) time.Time {
		day, err := time.ParseInLocation("2 15:04", text, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return day
	}
	night, day := &Hours{From: 22 * 60, To: 6 * 60}, &Hours{From: 9*60 + 30, To: 17 * 60}
	for _, tt := range []struct {
		hours     *Hours
		now, next string
	}{
		{night, "3 21:59", "3 22:00"}, {night, "3 22:00", never}, {night, "3 23:59", never}, {night, "4 00:00", never},
		{night, "4 05:59", never}, {night, "4 06:00", "4 22:00"},
		{day, "3 00:00", "3 09:30"}, {day, "3 09:30", never}, {day, "3 16:59", never}, {day, "3 17:00", "4 09:30"},
		{&Hours{}, "3 12:00", never},
	} {
		next, closed := tt.hours.Next(at(tt.now))
		if closed != (tt.next != never) || closed && !next.Equal(at(tt.next)) {
			t.Errorf("%v-%v at %s: until %v, %v", tt.hours.From, tt.hours.To, tt.now, next, closed)
		}
	}
}

// Outside of the hours nothing is asked; what is on its way when they end goes on with them, and no
// byte comes twice.
func TestOnlyWithinHours(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	var c *Client
	var k *clock
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, closed := c.Hours.Next(k.now()); closed {
			t.Errorf("asked at %v", k.now())
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
	var told []time.Time
	c, k = newTestClient(t, Options{Hours: &Hours{From: 22 * 60, To: 6 * 60, Waiting: func(until time.Time) { told = append(told, until) }}})
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	k.t = noon
	path := filepath.Join(t.TempDir(), "a.rpm")
	f := File{URLs: []string{o.URL}, Path: path, Size: int64(len(content)), Digest: promise(content)}
	ended := false
	err := c.Fetch(t.Context(), []File{f}, func(p Progress) {
		if p.FileDone > 0 && !p.Finished && !ended {
			ended = true
			k.mu.Lock()
			k.t = time.Date(2026, 11, 26, 6, 0, 0, 0, time.Local)
			k.mu.Unlock()
		}
	})
	if err != nil || !ended {
		t.Fatal(err, ended)
	}
	if want := []time.Time{noon.Add(10 * time.Hour), noon.Add(34 * time.Hour)}; len(told) != 2 || !told[0].Equal(want[0]) || !told[1].Equal(want[1]) {
		t.Errorf("waited until %v and should have until %v", told, want)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if asked := o.requests(); len(asked) != 2 || asked[1] == "GET " {
		t.Errorf("asked for %q", asked)
	}
	// Whoever waits can be interrupted.
	k.t = noon
	ctx, cancel := context.WithCancel(t.Context())
	c.Hours.Waiting = func(time.Time) { cancel() }
	if _, err := c.Revalidate(ctx, o.URL, "", 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// No more comes than the rate allows, and a link that is slow by that isn't taken for a dead one.
func TestRate(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
	c, k := newTestClient(t, Options{Rate: 8 << 10})
	dir := t.TempDir()
	var files []File
	for _, name := range []string{"a", "b"} {
		files = append(files, File{URLs: []string{o.URL + "/" + name}, Path: filepath.Join(dir, name), Size: int64(len(content)), Digest: promise(content)})
	}
	began := k.now()
	if err := c.Fetch(t.Context(), files, nil); err != nil {
		t.Fatal(err)
	}
	if took, least := k.now().Sub(began), time.Duration(2*len(content)/(8<<10))*time.Second; took < least-time.Millisecond {
		t.Errorf("took %v and should have taken %v", took, least)
	}
	if got := o.requests(); len(got) != 2 {
		t.Errorf("asked for %q", got)
	}
}
