// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/wire/wiretest"
)

var anID = PackageID{"gbrainy", "1:2.4-1", "noarch", "school"}

func TestReplies(t *testing.T) {
	big := Details{ID: anID, Size: 1<<30 + 1}
	full := Details{ID: anID, Summary: "Brain\tteaser", License: "GPL-2.0 & MIT", Group: "games", Description: "\nOne\n\nTwo\r\n", URL: "http://x/", Size: 1 << 30}
	tests := []struct {
		name  string
		reply func(*Writer)
		want  string
	}{
		{"package", func(w *Writer) { w.Package(InfoAvailable, anID, "Brain") }, "package\tavailable\tgbrainy;1:2.4-1;noarch;school\tBrain\n"},
		{"package without a summary", func(w *Writer) { w.Package(InfoInstalled, PackageID{Name: "a"}, "") }, "package\tinstalled\ta;;;\t\n"},
		{"package with a bad summary", func(w *Writer) { w.Package(InfoInstalling, anID, "a\tb\nc\rd\x00e\x7ff\xffg\u0085h") }, "package\tinstalling\t" + anID.String() + "\ta b;c d e f\uFFFDg h\n"},
		{"package with a bad id", func(w *Writer) { w.Package(InfoInstalling, PackageID{"a\nfinished", "1\t1", "\xff", ""}, "") }, "package\tinstalling\ta;finished;1 1;\uFFFD;\t\n"},
		{"details", func(w *Writer) { w.Details(full) }, "details\tgbrainy;1:2.4-1;noarch;school\tBrain teaser\tGPL-2.0 & MIT\tgames\tOne;;Two \thttp://x/\t1073741824\n"},
		{"details, little known", func(w *Writer) { w.Details(Details{ID: anID}) }, "details\t" + anID.String() + "\t\tunknown\tunknown\t\t\t0\n"},
		{"details, too large", func(w *Writer) { w.Details(big) }, "details\t" + anID.String() + "\t\tunknown\tunknown\t\t\t1073741824\n"},
		{"details, negative", func(w *Writer) { w.Details(Details{ID: anID, Size: -1}) }, "details\t" + anID.String() + "\t\tunknown\tunknown\t\t\t0\n"},
		{"files", func(w *Writer) { w.Files(anID, []string{"/a", "/Ü b"}) }, "files\t" + anID.String() + "\t/a;/Ü b\n"},
		{"no files", func(w *Writer) { w.Files(anID, nil) }, "files\t" + anID.String() + "\t\n"},
		{"odd files", func(w *Writer) { w.Files(anID, []string{"/a;b", "/c\td", "/e\nf", "/g\xff", "/h;"}) }, "files\t" + anID.String() + "\t/c d;/g\uFFFD\n"},
		{"status", func(w *Writer) {
			w.Status(StatusQuery)
			w.Status(StatusQuery)
			w.Status(StatusInstall)
			w.Status(StatusQuery)
		}, "status\tquery\nstatus\tinstall\nstatus\tquery\n"},
		{"percentage", func(w *Writer) {
			for _, p := range []int{-3, 0, 0, 40, 39, 40, 41, 250, 99} {
				w.Percentage(p)
			}
		}, "percentage\t0\npercentage\t40\npercentage\t41\npercentage\t100\n"},
		{"item-progress", func(w *Writer) {
			for _, p := range []int{-3, 9, 50, 59, 40, 61, 100, 101} {
				w.ItemProgress(anID, StatusDownload, p)
			}
			w.ItemProgress(anID, StatusInstall, 100)
			w.ItemProgress(PackageID{Name: "b"}, StatusInstall, 100)
		}, "item-progress\tX\tdownload\t50\nitem-progress\tX\tdownload\t61\nitem-progress\tX\tdownload\t100\nitem-progress\tX\tinstall\t100\nitem-progress\tb;;;\tinstall\t100\n"},
		{"speed", func(w *Writer) { w.Speed(0); w.Speed(0); w.Speed(5e9); w.Speed(-1) }, "speed\t0\nspeed\t5000000000\nspeed\t0\n"},
		{"remaining", func(w *Writer) { w.Remaining(9e9); w.Remaining(9e9); w.Remaining(-1) }, "download-size-remaining\t9000000000\ndownload-size-remaining\t0\n"},
		{"allow-cancel", func(w *Writer) { w.AllowCancel(true); w.AllowCancel(false); w.AllowCancel(false); w.AllowCancel(true) }, "allow-cancel\tfalse\nallow-cancel\ttrue\n"},
		{"nothing", func(w *Writer) {}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			w := NewWriter(&out, V1_2, nil)
			w.now = hours()
			tt.reply(w) // nothing is written before a command begins
			w.Begin()
			tt.reply(w)
			w.Finish(nil)
			tt.reply(w) // nor after it ended
			w.Finish(Errorf(InternalError, "late"))
			want := strings.ReplaceAll(tt.want, "\tX\t", "\t"+anID.String()+"\t") + "finished\n"
			if out.String() != want {
				t.Errorf("got  %q\nwant %q", out.String(), want)
			}
			w.Begin() // what one command wrote doesn't count in the next
			tt.reply(w)
			w.Finish(Errorf(PackageNotFound, "no %s; y:\n%w", "x", errors.New("why\tnot")))
			want += strings.TrimSuffix(want, "finished\n") + "error\tpackage-not-found\tno x, y:;why not\nfinished\n"
			if out.String() != want {
				t.Errorf("with the next command: got  %q\nwant %q", out.String(), want)
			}
		})
	}
}

// hours is a clock that is an hour later each time that somebody looks at it.
func hours() func() time.Time {
	now := time.Now()
	return func() time.Time { now = now.Add(time.Hour); return now }
}

func TestItemsInTenths(t *testing.T) {
	var out bytes.Buffer
	w, now := NewWriter(&out, V1_2, nil), time.Now()
	w.now = func() time.Time { return now }
	w.Begin()
	for _, status := range []Status{StatusDownload, StatusInstall} { // 250 ms; at once
		for p := range 101 {
			w.ItemProgress(PackageID{Name: "a"}, status, p)
			if status == StatusDownload {
				now = now.Add(2500 * time.Microsecond)
			}
		}
	}
	w.Finish(nil)
	const line = "item-progress\ta;;;\t"
	if want := line + "download\t10\n" + line + "download\t50\n" + line + "download\t90\n" + line + "download\t100\n" + line + "install\t10\n" + line + "install\t100\nfinished\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

func TestFiguresTwiceASecond(t *testing.T) {
	var out bytes.Buffer
	w, now := NewWriter(&out, V1_2, nil), time.Now()
	w.now = func() time.Time { return now }
	w.Begin()
	for i := range int64(12) {
		w.Speed(1000 + i)
		w.Remaining(2000 - i)
		now = now.Add(100 * time.Millisecond)
	}
	w.Remaining(0) // at once
	w.Speed(0)
	w.Speed(7)
	w.Finish(nil)
	want := ""
	for _, i := range []int64{0, 5, 10} {
		want += fmt.Sprintf("speed\t%d\ndownload-size-remaining\t%d\n", 1000+i, 2000-i)
	}
	if want += "download-size-remaining\t0\nspeed\t0\nspeed\t7\nfinished\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

// writes are what was written, each Write one of them.
type writes chan string

func (w writes) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

func TestLinesAreWrittenTogether(t *testing.T) {
	out := make(writes, 9)
	w := NewWriter(out, V1_2, nil)
	w.hold = time.Hour
	a, b := PackageID{Name: "a"}, PackageID{Name: "b"}
	const la, lb = "package\tavailable\ta;;;\t\n", "package\tavailable\tb;;;\t\n"
	w.Begin()
	w.Status(StatusQuery)
	w.Package(InfoAvailable, a, "")
	w.Status(StatusDownload) // may take long
	w.Package(InfoAvailable, b, "")
	w.AllowCancel(false) // has to be known
	w.Percentage(100)
	w.Finish(nil)
	w.Begin()
	w.Package(InfoAvailable, a, strings.Repeat("x", together))
	w.Package(InfoAvailable, b, "")
	w.Finish(Errorf(InternalError, "x"))
	close(out)
	var got []string
	for text := range out {
		got = append(got, text)
	}
	want := []string{
		"status\tquery\n" + la + "status\tdownload\n", lb + "allow-cancel\tfalse\n", "percentage\t100\nfinished\n",
		strings.Replace(la, "\t\n", "\t"+strings.Repeat("x", together)+"\n", 1), lb + "error\tinternal-error\tx\nfinished\n",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What an op has to say while it goes on isn't kept back, each time.
func TestLinesAreWrittenSoon(t *testing.T) {
	out := make(writes)
	w := NewWriter(out, V1_2, nil)
	w.Begin()
	for i := range 3 {
		w.Percentage(i)
		if got, want := <-out, fmt.Sprintf("percentage\t%d\n", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// onStderr marks what was written.
type onStderr chan string

func (w onStderr) Write(b []byte) (int, error) {
	w <- "! " + string(b)
	return len(b), nil
}

// Where some lines are read on stderr, the order of all is kept.
func TestOrderOfBothOutputs(t *testing.T) {
	out := make(writes, 9)
	w := NewSplitWriter(out, onStderr(out), V0_1, nil)
	w.hold = time.Hour
	w.Begin()
	w.Package(InfoAvailable, PackageID{Name: "a"}, "")
	w.Percentage(1)
	w.Percentage(2)
	w.Package(InfoAvailable, PackageID{Name: "b"}, "")
	w.Finish(nil)
	close(out)
	var got []string
	for text := range out {
		got = append(got, text)
	}
	want := []string{"package\tavailable\ta;;;\t\n", "! percentage\t1\npercentage\t2\n", "package\tavailable\tb;;;\t\n"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// lines fails a test that writes anything but whole lines.
type lines struct {
	t     *testing.T
	mu    sync.Mutex
	lines []string
}

func (l *lines) Write(b []byte) (int, error) {
	if len(b) == 0 || b[len(b)-1] != '\n' {
		l.t.Errorf("one Write has %q", b)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(b)) {
		l.lines = append(l.lines, strings.TrimSuffix(line, "\n"))
	}
	return len(b), nil
}

func TestWriterByManyGoroutines(t *testing.T) {
	out := &lines{t: t}
	w := NewWriter(out, V1_2, nil)
	w.Begin()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				w.Percentage(i / 2)
				w.ItemProgress(PackageID{Name: fmt.Sprint(g)}, StatusDownload, i/2)
				w.Speed(int64(i))
				w.Remaining(int64(i))
				w.Status([]Status{StatusQuery, StatusInstall}[i%2])
				w.Package(InfoAvailable, anID, "x")
				w.Files(anID, []string{"/a"})
				w.AllowCancel(i%2 == 0)
				w.Details(Details{ID: anID})
			}
		})
	}
	all.Go(func() { w.Finish(Errorf(InternalError, "x")) })
	all.Go(func() { w.Finish(Errorf(InternalError, "y")) })
	all.Wait()
	reader, status, errs := wiretest.New("1.2"), "", 0
	for _, line := range out.lines {
		reply, err := reader.Read(line, false)
		if err != nil {
			t.Error(err)
		}
		switch reply.Word {
		case "status":
			if reply.Fields["status"] == status {
				t.Errorf("status %s twice", status)
			}
			status = reply.Fields["status"]
		case "error":
			errs++
		}
	}
	if err := reader.End(); err != nil || errs != 1 {
		t.Errorf("%d errors; %v", errs, err)
	}
}

type brokenAfter struct{ left, writes int }

func (b *brokenAfter) Write(p []byte) (int, error) {
	b.writes++
	if b.left--; b.left < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

// A command that is carried out once more, after a part of it, tells the rest.
func TestRepliesAreNotRepeated(t *testing.T) {
	var out strings.Builder
	w := NewWriter(&out, V1_2, nil)
	a, b := PackageID{Name: "a", Version: "1-1", Arch: "noarch", Data: "s"}, PackageID{Name: "b", Version: "1-1", Arch: "noarch", Data: "s"}
	for range 2 {
		w.Begin()
		w.Package(InfoAvailable, a, "A")
		w.Package(InfoAvailable, a, "A")
		w.Package(InfoInstalled, a, "A")
		w.Package(InfoAvailable, b, "B")
		w.Finish(nil)
	}
	want := strings.Repeat("package\tavailable\ta;1-1;noarch;s\tA\npackage\tinstalled\ta;1-1;noarch;s\tA\npackage\tavailable\tb;1-1;noarch;s\tB\nfinished\n", 2)
	if out.String() != want {
		t.Errorf("wrote %q", out.String())
	}
}

func TestBroken(t *testing.T) {
	out, calls := &brokenAfter{left: 2}, 0
	w := NewWriter(out, V1_2, func() { calls++ })
	w.hold = time.Hour
	for range 5 {
		w.Begin()
		w.Status(StatusQuery)
		w.Percentage(1)
		w.Finish(nil)
	}
	broken := make(chan bool, 1)
	w = NewWriter(&brokenAfter{}, V1_2, func() { broken <- true })
	w.Begin()
	w.Percentage(1)
	<-broken // in the middle of a command too
	if calls != 1 || out.writes != 3 {
		t.Errorf("broken was called %d times after %d writes, want once after the third", calls, out.writes)
	}
}

// No text turns what stands beside it around, and Arabic and Hebrew keep the marks that they need.
func TestPlainDirections(t *testing.T) {
	if got, want := plain("evil\u202egpj\u2066.\u2069exe \u200fשלום\u200e"), "evilgpj.exe \u200fשלום\u200e"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
