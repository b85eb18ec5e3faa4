package rpm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Step is how far rpm is.
type Step struct {
	Stage   Stage
	Package string  // while installing: "name-[epoch:]version-release", as rpm prints it, with an epoch of 0 where it has one
	Percent float64 // of the stage, or of the package while installing
}

// A Stage is one of the three parts of an rpm run, in this order.
type Stage int

// The stages: digests and signatures are verified, the transaction is prepared and tested, packages are installed and
// removed: rpm names both in the same words.
const (
	Verifying Stage = iota
	Preparing
	Installing
)

// A Kind is what rpm failed for, as far as its words tell.
type Kind int

// What rpm fails for.
const (
	Other        Kind = iota
	Dependencies      // a package needs what is not there
	Conflicts         // files or packages that exclude each other
	Corrupt           // an RPM file that is damaged or not signed as it must be
	NoSpace           // the disk is full
	Killed            // rpm was killed
	NotFound          // there is no rpm program
	Locked            // another rpm is changing the database: rpm only waits for it at a terminal
	Denied            // the database or a folder can't be written: not permitted, or a file system that is read-only
)

// An Error is a failed run of rpm. Its text is rpm's own words.
type Error struct {
	Kind   Kind
	Output string // what rpm wrote to stderr, without Debian's advice; lines end with "\n"
	Err    error  // the exit status or signal
}

func (e *Error) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("rpm failed: %v", e.Err)
	}
	return "rpm says: " + strings.TrimSpace(e.Output)
}

func (e *Error) Unwrap() error { return e.Err }

// Install installs RPM files in one transaction with one run of "rpm -i": what is installed already stays as it is. It can't
// be cancelled: a half-done transaction is worse than a late one. The child has a process group of its own, so that a Ctrl-C
// at the terminal does not reach it. progress is called from the calling goroutine. An *Error says why rpm failed; what it had
// installed until then stays installed, and the database tells. lock is open in rpm too: what it locks stays locked until
// rpm has ended, even where this process is killed before.
func (d Database) Install(lock *os.File, files []string, progress func(Step)) error {
	return d.change(lock, append([]string{"-i", "--"}, files...), progress)
}

// Again says what Upgrade may put in the place of an installed package beside a newer version.
type Again struct {
	Same  bool // the same version once more
	Older bool // an older version
}

// Upgrade is Install with "rpm -U": each file takes the place of all other versions of its package, and of what it
// obsoletes. Files of packages that are not installed are installed.
func (d Database) Upgrade(lock *os.File, files []string, again Again, progress func(Step)) error {
	args := []string{"-U"}
	if again.Same {
		args = append(args, "--replacepkgs")
	}
	if again.Older {
		args = append(args, "--oldpackage")
	}
	return d.change(lock, append(append(args, "--"), files...), progress)
}

// Erase removes installed packages, each "name-version-release.arch", in one transaction with one run of "rpm -e". All
// else is as with Install.
func (d Database) Erase(lock *os.File, packages []string, progress func(Step)) error {
	return d.change(lock, append([]string{"-e", "--"}, packages...), progress)
}

// change runs rpm and reads its steps.
func (d Database) change(lock *os.File, args []string, progress func(Step)) error {
	// Without -h: with it rpm cuts names off, at 38 characters today, at 23 in its version 4.8. A file's name is no pattern,
	// and a file that is no RPM is no list of RPMs.
	options := []string{"-v", "--percent"}
	if args[0] != "-e" {
		options = append(options, "--noglob", "--nomanifest")
	}
	return d.run(lock, append(append([]string{args[0]}, options...), args[1:]...), func(stdout io.Reader) { readSteps(stdout, progress) })
}

// run runs rpm on the database, in English, and has its output read.
func (d Database) run(lock *os.File, args []string, read func(stdout io.Reader)) error {
	cmd := exec.Command("rpm", append([]string{"--root", d.Root, "--dbpath", d.Path}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
	var stderr limitedBuffer
	cmd.Stderr = &stderr
	stdout, out, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("running rpm: %w", err)
	}
	defer stdout.Close()
	cmd.Stdout = out
	cmd.WaitDelay = lingering
	err = cmd.Start()
	out.Close()
	if errors.Is(err, exec.ErrNotFound) {
		return &Error{Kind: NotFound, Output: "the program rpm is not installed", Err: err}
	}
	if err != nil {
		return fmt.Errorf("running rpm: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		stdout.SetReadDeadline(time.Now().Add(lingering))
		ended <- err
	}()
	read(stdout)
	err = <-ended
	output := withoutAdvice(stderr.String())
	if err == nil && strings.Contains(output, fullDatabase) { // it says so, and that all is well
		err = errors.New("its database could not be written")
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return &Error{Kind: kindOf(output, err), Output: output, Err: err}
	}
	return nil
}

// fullDatabase is what SQLite says, which newer rpms have their database in.
const fullDatabase = "database or disk is full"

// lingering is how long rpm's output is read on after its end: a daemon that a scriptlet started may hold it open for ever.
const lingering = time.Second

// packageLine is "name-[epoch:]version-release.arch", a line of its own when rpm begins with a package. What scriptlets
// print comes between the lines.
var packageLine = regexp.MustCompile(`^(\S+-\S+-\S+)\.[^\s.]+$`)

// readSteps reads what "rpm -iv --percent" prints: headings ("Preparing packages...", a package) and "%% 12.345678", each in a line.
func readSteps(r io.Reader, progress func(Step)) {
	var step Step
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimSpace(line)
		if percent, ok := strings.CutPrefix(line, "%% "); ok {
			if p, err := strconv.ParseFloat(percent, 64); err == nil && p >= 0 && p <= 100 {
				step.Percent = p
				progress(step)
			}
		} else if strings.HasPrefix(line, "Preparing packages") { // old ones: "Preparing packages for installation..."
			step = Step{Stage: Preparing}
		} else if m := packageLine.FindStringSubmatch(line); m != nil {
			step = Step{Stage: Installing, Package: m[1]}
		}
		if err != nil {
			return
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

func kindOf(output string, err error) Kind {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return Killed
		}
	}
	for _, k := range []struct {
		words string
		kind  Kind
	}{
		{"(Permission denied)", Denied}, // "can't create transaction lock on …"
		{"(Read-only file system)", Denied},
		{"can't create transaction lock on", Locked}, // "(Resource temporarily unavailable)"
		{" is needed by ", Dependencies},
		{" conflicts with ", Conflicts}, // packages, "… conflicts with file …" too
		{" conflicts between attempted installs", Conflicts},
		{" is obsoleted by ", Conflicts},
		{"Failed dependencies", Dependencies},
		{" more space on the ", NoSpace}, // "installing package … needs 12MB more space on the / filesystem"
		{" more inodes on the ", NoSpace},
		{"B on the ", NoSpace}, // the same up to rpm 4.13: "needs 12MB on the / filesystem"
		{" inodes on the ", NoSpace},
		{"No space left on device", NoSpace},
		{fullDatabase, NoSpace},
		{" - Permission denied", Denied}, // "unpacking of archive failed on file …: cpio: open failed - …"
		{" - Read-only file system", Denied},
		{": BAD", Corrupt}, // "Payload SHA256 digest: BAD (Expected …"
		{"DIGESTS NOT OK", Corrupt},
		{"cannot be installed", Corrupt},
		{"not an rpm package", Corrupt},
		{"does not verify", Corrupt},
		{"Digest mismatch", Corrupt},
		{"unpacking of archive failed", Corrupt},
	} {
		if strings.Contains(output, k.words) {
			return k.kind
		}
	}
	return Other
}

// limitedBuffer keeps the first 64 KiB that are written to it.
type limitedBuffer struct{ strings.Builder }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 64<<10 - b.Len(); room > 0 {
		b.Builder.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
