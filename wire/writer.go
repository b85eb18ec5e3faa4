package wire

import (
	"io"
	"strconv"
	"strings"
	"sync"
)

// An Info says what a package line means.
type Info string

// The infos that this backend sends.
const (
	InfoInstalled   Info = "installed"
	InfoAvailable   Info = "available"
	InfoDownloading Info = "downloading"
	InfoInstalling  Info = "installing"
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
)

// maxSize is the largest size in a details line that PackageKit 1.0 to 1.2 take (pk-backend-spawn.c): they drop the
// whole line over it.
const maxSize = 1 << 30

// A Writer writes the replies of one command after another. Each line is written at once, in one Write. It keeps the
// promises of the protocol, whatever its caller does: percentages never go back within a command (those of an item within a
// status), a status isn't repeated, there is one error at most, nothing comes after "finished", and fields are UTF-8 without
// tabs and newlines.
// It may be used by several goroutines.
type Writer struct {
	out     io.Writer
	dialect Dialect

	mu               sync.Mutex
	err              error // of the first Write that failed; nothing is written after it
	broken           func()
	open             bool // between Begin and Finish
	percent          int
	status           Status
	items            map[PackageID]item
	speed, remaining int64
	cancel           bool
	buffer           []byte
}

// An item is how far one package is.
type item struct {
	status  Status
	percent int
}

// NewWriter writes to out. When writing fails, because nobody reads any more, broken is called once; it must not call the
// Writer.
func NewWriter(out io.Writer, d Dialect, broken func()) *Writer {
	return &Writer{out: out, dialect: d, broken: broken}
}

// Begin starts the replies to a command.
func (w *Writer) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open, w.percent, w.status, w.items, w.speed, w.remaining, w.cancel = true, -1, "", nil, -1, -1, true
}

// Finish ends the replies to a command, with an error where there is one.
func (w *Writer) Finish(err *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.line("error", string(err.Code), err.Text)
	}
	w.line("finished")
	w.open = false
}

// Package reports a package.
func (w *Writer) Package(info Info, id PackageID, summary string) {
	w.send("package", string(info), id.String(), summary)
}

// Details are what is known of one package.
type Details struct {
	ID          PackageID
	Summary     string
	License     string
	Group       string // PackageKit's; empty: unknown
	Description string
	URL         string
	Size        int64 // bytes: to download where it is not installed, on disk where it is
}

// Details reports what is known of one package.
func (w *Writer) Details(d Details) {
	if d.Group == "" {
		d.Group = "unknown"
	}
	if d.License == "" {
		d.License = "unknown"
	}
	w.send("details", d.ID.String(), d.Summary, d.License, d.Group, d.Description, d.URL,
		strconv.FormatInt(min(max(d.Size, 0), maxSize), 10))
}

// Files reports the files of a package. A path that has a ";" or a newline can't be told and is left out.
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

// Status reports what the command is busy with now.
func (w *Writer) Status(s Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status != s {
		w.status = s
		w.line("status", string(s))
	}
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
	p = min(max(p, 0), 100)
	if was, ok := w.items[id]; ok && was.status == s && was.percent >= p {
		return
	}
	if w.items == nil {
		w.items = make(map[PackageID]item)
	}
	w.items[id] = item{s, p}
	w.line("item-progress", id.String(), string(s), strconv.Itoa(p))
}

// Speed reports how fast a download goes, in bytes a second.
func (w *Writer) Speed(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n = max(n, 0); w.speed != n {
		w.speed = n
		w.line("speed", strconv.FormatInt(n, 10))
	}
}

// Remaining reports how many bytes are still to be downloaded.
func (w *Writer) Remaining(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n = max(n, 0); w.remaining != n {
		w.remaining = n
		w.line("download-size-remaining", strconv.FormatInt(n, 10))
	}
}

// AllowCancel reports whether the command can be cancelled from here on.
func (w *Writer) AllowCancel(allow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != allow {
		w.cancel = allow
		w.line("allow-cancel", strconv.FormatBool(allow))
	}
}

func (w *Writer) send(fields ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line(fields...)
}

// line writes one line; w.mu is held.
func (w *Writer) line(fields ...string) {
	if !w.open || w.err != nil {
		return
	}
	b := w.buffer[:0]
	for i, f := range fields {
		if i > 0 {
			b = append(b, '\t')
		}
		b = append(b, plain(f)...)
	}
	b = append(b, '\n')
	w.buffer = b
	if _, w.err = w.out.Write(b); w.err != nil && w.broken != nil {
		w.broken()
	}
}

// plain makes a text fit for a field: a newline becomes ";", as PackageKit wants it, unless it is at an end, other control
// characters become spaces, and what is not UTF-8 becomes U+FFFD.
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
		}
		return r
	}, strings.ToValidUTF8(strings.Trim(s, "\n"), "\uFFFD"))
}
