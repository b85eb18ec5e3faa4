// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"hash/maphash"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Info says what a package line means.
type Info string

// The infos that this backend sends.
const (
	InfoInstalled    Info = "installed"
	InfoAvailable    Info = "available"
	InfoUnavailable  Info = "unavailable" // installed, and nowhere to be had
	InfoDownloading  Info = "downloading"
	InfoInstalling   Info = "installing"
	InfoUpdating     Info = "updating"
	InfoRemoving     Info = "removing"
	InfoObsoleting   Info = "obsoleting"
	InfoCleanup      Info = "cleanup"
	InfoReinstalling Info = "reinstalling"
	InfoDowngrading  Info = "downgrading"
	// Of updates: how urgent they are.
	InfoLow         Info = "low"
	InfoEnhancement Info = "enhancement"
	InfoNormal      Info = "normal"
	InfoBugfix      Info = "bugfix"
	InfoImportant   Info = "important"
	InfoSecurity    Info = "security"
	InfoBlocked     Info = "blocked"
	InfoCritical    Info = "critical"
)

// A Status is what a command is busy with.
type Status string

// The states that this backend sends.
const (
	StatusSetup               Status = "setup"
	StatusQuery               Status = "query"
	StatusRefreshCache        Status = "refresh-cache"
	StatusDownloadPackagelist Status = "download-packagelist"
	StatusDepResolve          Status = "dep-resolve"
	StatusDownload            Status = "download"
	StatusSigCheck            Status = "sig-check"
	StatusTestCommit          Status = "test-commit"
	StatusInstall             Status = "install"
	StatusUpdate              Status = "update"
	StatusRemove              Status = "remove"
	StatusWaitingForLock      Status = "waiting-for-lock"
	StatusRequest             Status = "request"
	StatusInfo                Status = "info"
	StatusDownloadRepository  Status = "download-repository"
	StatusDownloadFilelist    Status = "download-filelist"
	StatusDownloadUpdateinfo  Status = "download-updateinfo"
	StatusLoadingCache        Status = "loading-cache"
	StatusCommit              Status = "commit"
	StatusCleanup             Status = "cleanup"
	StatusRunning             Status = "running"
)

// A Writer writes the replies of one command after another. Lines are gathered, and written
// together when the command ends, 10 ms after the first of them at the latest, and at once where
// what comes next may take long (Status) or mustn't be cut off (AllowCancel).
//
// It keeps the promises of the protocol, whatever its caller does: percentages never go back within
// a command (those of an item within a status), a status isn't repeated, nor is what was told of a
// package or a source, there is one error at most, nothing comes after "finished", and fields are
// UTF-8 without tabs and newlines. Of progress it tells what a person can see: a whole percent of
// the command, a tenth of a package ten times a second, twice a second how much there is to come,
// and how fast. It may be used by several goroutines.
type Writer struct {
	out, stderr io.Writer
	encoder     *encoder
	now         func() time.Time
	hold        time.Duration // that a line is kept back, at most

	mu               sync.Mutex
	err              error // of the first Write that failed; nothing is written after it
	broken           func()
	open             bool // between Begin and Finish
	percent          int
	status           string
	items            map[PackageID]item
	shown            PackageID // whose progress is shown where a line doesn't say whose it is
	speed, remaining figure
	cancel           bool
	hash             maphash.Hash
	told             map[uint64]bool // hashes of the replies that aren't repeated within a command

	gathered []byte      // lines that aren't written yet, whole ones
	onStderr bool        // that is where they go
	timer    *time.Timer // writes them; it isn't stopped where something else has done so before it
	ticking  bool
}

const (
	holdBack    = 10 * time.Millisecond
	together    = 16 << 10               // bytes that are written together, about
	figureEvery = 500 * time.Millisecond // but for 0, which is told at once
	itemEvery   = 100 * time.Millisecond // but for 100
)

// A figure is a number that changes all the time.
type figure struct {
	value int64 // that was told; -1: none
	at    time.Time
}

// An item is how far one package is.
type item struct {
	status  Status
	percent int       // that was told
	at      time.Time // when
}

// NewWriter writes to out. When writing fails, because nobody reads any more, broken is called
// once; it must not call the Writer.
func NewWriter(out io.Writer, d Dialect, broken func()) *Writer {
	return NewSplitWriter(out, out, d, broken)
}

// NewSplitWriter writes to out, and to stderr the replies that the dialect has there.
func NewSplitWriter(out, stderr io.Writer, d Dialect, broken func()) *Writer {
	return &Writer{out: out, stderr: stderr, encoder: newEncoder(d), now: time.Now, hold: holdBack, broken: broken}
}

// Begin starts the replies to a command.
func (w *Writer) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open, w.percent, w.status, w.items, w.shown, w.cancel = true, -1, "", nil, PackageID{}, true
	w.speed, w.remaining = figure{value: -1}, figure{value: -1}
	w.told = make(map[uint64]bool)
}

// Answer says which command the replies are to, as the dialect calls it.
func (w *Writer) Answer(command string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.encoder.own = w.encoder.command[command]
}

// Finish ends the replies to a command, with an error where there is one. PackageKit takes each ";"
// of an error's text for a newline: those that the text has become ",".
func (w *Writer) Finish(err *Error) { w.end(err, true) }

// GiveUp is Finish where the program ends and that is the end of the command: nothing says "finished".
func (w *Writer) GiveUp(err *Error) { w.end(err, false) }

func (w *Writer) end(err *Error, finished bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.line("error", string(err.Code), strings.ReplaceAll(err.Text, ";", ","))
	}
	if finished {
		w.line("finished")
	}
	w.encoder.own = nil
	w.open = false
	w.flush()
}

// Package reports a package.
func (w *Writer) Package(info Info, id PackageID, summary string) {
	reply := "package"
	if info.working() {
		reply = "working"
	}
	w.send(reply, string(info), id.String(), summary)
}

// Changed reports that a package that was worked on is done: was installed, updated or removed.
func (w *Writer) Changed(id PackageID, summary string) { w.send("changed", id.String(), summary) }

// working tells whether a package is being changed, as opposed to what it is.
func (i Info) working() bool {
	switch i {
	case InfoDownloading, InfoInstalling, InfoUpdating, InfoRemoving, InfoObsoleting, InfoReinstalling, InfoDowngrading, InfoCleanup, "preparing", "decompressing":
		return true
	}
	return false
}

// Details are what is known of one package.
type Details struct {
	ID          PackageID
	Summary     string
	License     string
	Group       string // PackageKit's; empty: unknown
	Description string
	URL         string
	Size        int64 // bytes that it has, or will have, on disk
	Download    int64 // bytes that must still come; negative: unknown
}

// Details reports what is known of one package.
func (w *Writer) Details(d Details) {
	if d.Group == "" {
		d.Group = "unknown"
	}
	if d.License == "" {
		d.License = "unknown"
	}
	if w.encoder.sizeToCome && !d.ID.Installed() && d.Download >= 0 {
		d.Size = d.Download
	}
	w.send("details", d.ID.String(), d.Summary, d.License, d.Group, d.Description, d.URL, w.encoder.size(d.Size), w.encoder.download(d.Download))
}

// Files reports the files of a package. A path that has a ";" or a newline can't be told and is
// left out.
func (w *Writer) Files(id PackageID, paths []string) {
	var b strings.Builder
	for _, p := range paths {
		if strings.ContainsAny(p, ";\n") {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(p)
	}
	w.send("files", id.String(), b.String())
}

// Status reports what the command is busy with now, and whether that wasn't said already.
func (w *Writer) Status(s Status) (said bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if word := w.encoder.word("status", string(s)); w.status != word && word != "" {
		w.status = word
		w.line("status", string(s))
		if s != StatusQuery {
			w.flush()
		}
		return true
	}
	return false
}

// Percentage reports how much of the command is done, 0 to 100.
func (w *Writer) Percentage(p int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p = min(p, 100); p > w.percent {
		w.percent = p
		w.line("percentage", strconv.Itoa(p))
	}
}

// ItemProgress reports how much of one package is done, 0 to 100.
func (w *Writer) ItemProgress(id PackageID, s Status, p int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p = min(p, 100)
	was, now := w.items[id], w.now()
	if was.status != s {
		was = item{status: s}
	}
	if p/10 <= was.percent/10 || p < 100 && now.Sub(was.at) < itemEvery {
		return
	}
	if w.items == nil {
		w.items = make(map[PackageID]item)
	}
	w.items[id] = item{s, p, now}
	if !w.shows(id, s) {
		return
	}
	w.line("item-progress", id.String(), string(s), strconv.Itoa(p))
}

// shows tells whether the progress of a package is to be told. Where the line doesn't say whose it
// is, several that go on at once would make it jump: there one is followed until it is done, or
// busy with something else than the one at hand.
func (w *Writer) shows(id PackageID, s Status) bool {
	if w.encoder.itemised {
		return true
	}
	followed := w.items[w.shown]
	if w.shown != (PackageID{}) && w.shown != id && followed.percent < 100 && followed.status == s {
		return false
	}
	w.shown = id
	return true
}

// Speed reports how fast a download goes, in bytes a second.
func (w *Writer) Speed(n int64) { w.figure(&w.speed, "speed", n) }

// Remaining reports how many bytes are still to be downloaded.
func (w *Writer) Remaining(n int64) { w.figure(&w.remaining, "download-size-remaining", n) }

func (w *Writer) figure(f *figure, reply string, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n = max(n, 0)
	if f.value == n {
		return
	}
	now := w.now()
	if n > 0 && f.value > 0 && now.Sub(f.at) < figureEvery {
		return
	}
	*f = figure{n, now}
	w.line(reply, strconv.FormatInt(n, 10))
}

// AllowCancel reports whether the command can be cancelled from here on.
func (w *Writer) AllowCancel(allow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != allow {
		w.cancel = allow
		w.line("allow-cancel", strconv.FormatBool(allow))
		w.flush()
	}
}

// send writes the line of a reply unless it was told already, as by a command that is carried out
// once more.
func (w *Writer) send(reply string, values ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gather(reply, values, true)
}

// line gathers the line of a reply, if the dialect has it; w.mu is held.
func (w *Writer) line(reply string, values ...string) { w.gather(reply, values, false) }

func (w *Writer) gather(reply string, values []string, once bool) {
	if !w.open || w.err != nil {
		return
	}
	before := len(w.gathered)
	all, stderr := w.encoder.append(w.gathered, reply, values)
	w.gathered = all
	if len(all) == before {
		return
	}
	if once && w.isTold(reply, values, all[before:]) {
		w.gathered = all[:before]
		return
	}
	if before > 0 && stderr != w.onStderr { // the order is kept, for who reads both
		w.write(all[:before])
		w.gathered = append(all[:0], all[before:]...)
	}
	w.onStderr = stderr
	switch {
	case len(w.gathered) >= together:
		w.flush()
	case !w.ticking:
		w.ticking = true
		if w.timer == nil {
			w.timer = time.AfterFunc(w.hold, w.late)
		} else {
			w.timer.Reset(w.hold)
		}
	}
}

// isTold tells whether a line was told within the command, and remembers it.
func (w *Writer) isTold(reply string, values []string, line []byte) bool {
	w.hash.Reset()
	if reply == "working" { // what is done to the package may not be in the line
		w.hash.WriteString(values[0])
	}
	w.hash.Write(line)
	key := w.hash.Sum64()
	was := w.told[key]
	w.told[key] = true
	return was
}

// late writes what was gathered for long enough.
func (w *Writer) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ticking = false
	w.flush()
}

// flush writes what was gathered; w.mu is held.
func (w *Writer) flush() {
	if len(w.gathered) > 0 {
		w.write(w.gathered)
		w.gathered = w.gathered[:0]
	}
	if cap(w.gathered) > 4*together { // a list of files
		w.gathered = nil
	}
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	to := w.out
	if w.onStderr {
		to = w.stderr
	}
	if _, w.err = to.Write(b); w.err != nil && w.broken != nil {
		w.broken()
	}
}

// plain makes a text fit for a field: a newline becomes ";", as PackageKit wants it, unless it is
// at an end, other control characters become spaces, what is not UTF-8 becomes U+FFFD, and what
// would show the text around it in another order goes.
func plain(s string) string {
	ok := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ';'
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return ' '
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			// Unicode's explicit directional formatting. Arabic and Hebrew texts need none of it
			// here: their letters have a direction, and the marks U+200E, U+200F and U+061C stay.
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.Trim(s, "\n"), "\uFFFD"))
}
