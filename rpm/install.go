// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// A Step is how far rpm is.
type Step struct {
	Stage   Stage
	Package string  // while installing: "name-[epoch:]version-release", as rpm prints it, with an epoch of 0 where it has one
	Arch    string  // of the Package
	Percent float64 // of the stage, or of the package while installing: as far as is known, which is when rpm prints something, and twice a second
	Said    string  // once Ended: what rpm complained of all the same, as people may be shown it
}

// A Stage is one of the parts of an rpm run, in this order.
type Stage int

// The stages: digests and signatures are verified, the transaction is prepared and tested, packages
// are installed and removed: rpm names both in the same words. Where rpm says that all is well and
// complains all the same, as of a scriptlet at a package's end that failed, or of a configuration
// file that it didn't replace, that is told at last.
const (
	Verifying Stage = iota
	Preparing
	Installing
	Ended
)

// A Kind is what rpm failed for, as far as its words tell.
type Kind int

// What rpm fails for.
const (
	Other        Kind = iota
	Dependencies      // a package needs what is not there
	Conflicts         // files or packages that exclude each other
	Corrupt           // an RPM file that is damaged or not signed as it must be, or can't be unpacked: Damaged tells whether it is the file
	NoSpace           // the disk is full
	Killed            // rpm was killed
	NotFound          // there is no rpm program
	Locked            // another rpm is changing the database: rpm only waits for it at a terminal
	Denied            // the database or a folder can't be written: not permitted, or a file system that is read-only
)

// An Error is a failed run of rpm. Its text is rpm's own words, as people may be shown them.
type Error struct {
	Kind   Kind
	Output string // what rpm wrote to stderr, without Debian's advice; lines end with "\n"
	Err    error  // the exit status or signal
	Holder string // of Locked: who has the lock, as Holder tells; "" where it isn't known

	chat string // what scriptlets printed last
}

func (e *Error) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("rpm failed: %v", e.Err)
	}
	text := "rpm says: " + words(e.Output, e.chat)
	if e.Holder != "" {
		text += "; " + e.Holder + " has it locked: try again when that is done"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Install installs RPM files in one transaction with one run of "rpm -i": what is installed already
// stays as it is. It can't be cancelled: a half-done transaction is worse than a late one. The
// child has a process group of its own, so that a Ctrl-C at the terminal does not reach it.
// progress is called from the calling goroutine. An *Error says why rpm failed; what it had
// installed until then stays installed, and the database tells. lock is open in rpm too: what it
// locks stays locked until rpm has ended, even where this process is killed before.
//
// Where signed is said, rpm installs nothing unless each file has a good signature of a key in its
// keyring: the run that installs looks itself. An rpm before 4.14.2 doesn't; for that one
// CheckSignature must have said so before, of files that nobody could exchange since.
func (d Database) Install(lock *os.File, files []string, signed bool, progress func(Step)) error {
	return d.change(lock, append([]string{"-i"}, enforced(signed)...), files, progress)
}

// InstallAgain is Install that installs once more what is installed in the same version.
func (d Database) InstallAgain(lock *os.File, files []string, signed bool, progress func(Step)) error {
	return d.change(lock, append([]string{"-i", "--replacepkgs"}, enforced(signed)...), files, progress)
}

// enforced are the options for a run that verifies signatures.
func enforced(signed bool) []string {
	if signed {
		return required
	}
	return nil
}

// Again says what Upgrade may put in the place of an installed package beside a newer version.
type Again struct {
	Same  bool // the same version once more
	Older bool // an older version
}

// Upgrade is Install with "rpm -U": each file takes the place of all other versions of its package,
// and of what it obsoletes. Files of packages that are not installed are installed.
func (d Database) Upgrade(lock *os.File, files []string, again Again, signed bool, progress func(Step)) error {
	args := append([]string{"-U"}, enforced(signed)...)
	if again.Same {
		args = append(args, "--replacepkgs")
	}
	if again.Older {
		args = append(args, "--oldpackage")
	}
	return d.change(lock, args, files, progress)
}

// Erase removes installed packages, each "name-version-release.arch", in one transaction with one
// run of "rpm -e". All else is as with Install.
func (d Database) Erase(lock *os.File, packages []string, progress func(Step)) error {
	return d.change(lock, []string{"-e"}, packages, progress)
}

// change runs rpm on files or packages and reads its steps. Nothing ends it before its time.
func (d Database) change(lock *os.File, args, what []string, progress func(Step)) error {
	// Without -h: with it rpm cuts names off, at 38 characters today, at 23 in its version 4.8. Without
	// --percent: it prints a line for each few kilobytes, and waits until it is written. On an XO that
	// takes a quarter of an install's time. A file's name is no pattern, and a file that is no RPM is no
	// list of RPMs.
	options := []string{"-v"}
	f := follower{progress: progress}
	if args[0] != "-e" {
		options = append(options, "--noglob", "--nomanifest")
		f.reads = stat(what)
	}
	all := slices.Concat(args, options, []string{"--"}, what)
	var chat string
	said, err := d.listen(context.Background(), lock, all, func(o *output) {
		o.idle = func() { f.look(o.pid) }
		chat = readSteps(o, f.step)
	})
	var failed *Error
	switch {
	case errors.As(err, &failed):
		failed.chat = chat
	case err == nil:
		f.done()
		if said != "" {
			progress(Step{Stage: Ended, Percent: 100, Said: words(said, chat)})
		}
	}
	return err
}

// run runs rpm on the database, in English, and has its output read. Cancelling ctx ends rpm, and
// the error is ctx's then: what changes the system has one that can't be cancelled.
func (d Database) run(ctx context.Context, lock *os.File, args []string, read func(stdout io.Reader)) error {
	_, err := d.listen(ctx, lock, args, func(o *output) { read(o) })
	return err
}

// listen is run, and tells what rpm wrote to stderr, without Debian's advice.
func (d Database) listen(ctx context.Context, lock *os.File, args []string, read func(*output)) (said string, err error) {
	cmd := exec.CommandContext(ctx, "rpm", append([]string{"--root", d.Root, "--dbpath", d.Path}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// An rpm that only reads gives its locks back when it is told to end; after a while it is
	// killed.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
	var stderr limitedBuffer
	cmd.Stderr = &stderr
	stdout, out, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("running rpm: %w", err)
	}
	defer stdout.Close()
	cmd.Stdout = out
	cmd.WaitDelay = lingering
	err = cmd.Start()
	out.Close()
	if errors.Is(err, exec.ErrNotFound) {
		return "", &Error{Kind: NotFound, Output: "the program rpm is not installed", Err: err}
	}
	if err != nil {
		return "", fmt.Errorf("running rpm: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		err = cmd.Wait()
		close(ended)
	}()
	read(&output{File: stdout, pid: cmd.Process.Pid, ended: ended})
	<-ended
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("running rpm: %w", ctx.Err())
	}
	output := withoutAdvice(stderr.String())
	if err == nil && says(output, fullDatabase) { // it says so, and that all is well
		err = errors.New("its database could not be written")
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		e := &Error{Kind: kindOf(output, err), Output: output, Err: err}
		if e.Kind == Locked {
			e.Holder, _ = Holder("/proc", d.LockFile()) // rpm has said the rest
		}
		return output, e
	}
	return output, nil
}

// fullDatabase is what SQLite says, which newer rpms have their database in (lib/backend/sqlite.c).
// A scriptlet can say it too, whose package then counts as one that failed, and is installed all
// the same: the database tells.
const fullDatabase = `^error: sqlite failure: .*: database or disk is full$`

// packageLine is "name-[epoch:]version-release.arch", a line of its own when rpm begins with a
// package. What scriptlets print comes between the lines, and looks like what it wants to. All that
// follows from a line is which Step is told: what is shown while rpm works. What was installed is
// asked of the database.
const packageLine = `^(\S+-\S+-\S+)\.([^\s.]+)$`

// maxLine is the length in bytes from which on a line of rpm's output is none: the names in it are
// shorter.
const maxLine = 16 << 10

// readSteps reads what "rpm -iv" prints: headings ("Preparing packages...", a package), each in a line.
// chat are the last lines of what scriptlets print between.
func readSteps(r io.Reader, progress func(Step)) (chat string) {
	var said tail
	lines, pattern := bufio.NewReaderSize(r, maxLine), regexp.MustCompile(packageLine)
	for {
		b, more, err := lines.ReadLine()
		for part := more; part && err == nil; {
			_, part, err = lines.ReadLine()
		}
		line := strings.TrimSpace(string(b))
		if more {
			line = ""
		}
		if strings.HasPrefix(line, "Verifying packages") {
			progress(Step{Stage: Verifying})
		} else if strings.HasPrefix(line, "Preparing packages") { // old ones: "Preparing packages for installation..."
			progress(Step{Stage: Preparing})
		} else if m := pattern.FindStringSubmatch(line); m != nil {
			progress(Step{Stage: Installing, Package: m[1], Arch: m[2]})
		} else {
			said.add(line)
		}
		if err != nil {
			return string(said)
		}
	}
}

// withoutAdvice takes away what Debian's rpm says before each install.
func withoutAdvice(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "rpm: RPM should not be used directly") && !strings.HasPrefix(line, "rpm: However assuming you know") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// kindOf is what rpm failed for. That it was killed, its exit status tells; all else its words,
// whole lines of them. They choose the code that a person is told, and nothing is done because of
// them: a scriptlet can write each of them.
func kindOf(output string, err error) Kind {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return Killed
		}
	}
	for _, p := range problems {
		if says(output, p.line) {
			return p.kind
		}
	}
	return Other
}

// A problem is a line of rpm's, from its beginning to its end. Names from outside are in the middle
// of it. It is compiled where rpm has said something: all of them together would be a third of what
// the helper's start takes.
type problem struct {
	line string
	kind Kind
}

// problems are what rpm writes of what a person may be able to put right (lib/rpmprob.c, psm.c,
// rpmlock.c, depends.c, package.c, rpminstall.c). The first that is there counts.
var problems = []problem{
	{`^error: can't create transaction lock on .* \((Permission denied|Read-only file system)\)$`, Denied},
	{`^error: can't create transaction lock on .* \(.*\)$`, Locked}, // "Resource temporarily unavailable"
	{`^\t.* is needed by (\(installed\) )?\S+$`, Dependencies},
	{`^\tfile .* conflicts between attempted installs of \S+ and \S+$`, Conflicts},
	{`^\tfile .* from install of \S+ conflicts with file from package \S+$`, Conflicts},
	{`^\t.* (conflicts with|is obsoleted by) (\(installed\) )?\S+$`, Conflicts},
	{`^error: Failed dependencies:$`, Dependencies},
	{`^\tinstalling package \S+ needs [0-9]+([KMG]?B| inodes| more inodes|[KMG]?B more space) on the .* filesystem$`, NoSpace},
	{`^error: unpacking of archive failed(| on file .*): .* - (No space left on device|Disk quota exceeded)$`, NoSpace},
	{fullDatabase, NoSpace},
	{`^error: unpacking of archive failed(| on file .*): .* - (Permission denied|Read-only file system)$`, Denied},
	{`^error: unpacking of archive failed(| on file .*): .*$`, Corrupt},
	{`^\tpackage \S+ does not verify: .*$`, Corrupt},
	{`^error: .* cannot be installed$`, Corrupt},
	{`^error: .*: not an rpm package( \(or package manifest\))?(: .*)?$`, Corrupt},
}

// says tells whether a line of rpm's output is as a pattern says.
func says(output, line string) bool {
	pattern := regexp.MustCompile(line)
	for l := range strings.Lines(output) {
		if pattern.MatchString(strings.TrimSuffix(l, "\n")) {
			return true
		}
	}
	return false
}

// limitedBuffer keeps the first 64 KiB that are written to it.
type limitedBuffer struct{ strings.Builder }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 64<<10 - b.Len(); room > 0 {
		b.Builder.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
