package rpm

import (
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
)

// Trust is what RPM's keyring says of a file.
type Trust int

// What a signature can be.
const (
	Unsigned Trust = iota
	Signed         // by a key in the keyring
	NoKey          // by a key that is not in the keyring
	Bad            // the file is not what was signed
)

// signatureLine is a line of "rpm -K -v" (lib/rpmvs.c, and before lib/signature.c).
var signatureLine = regexp.MustCompile(`(?i)signature(?:, key id ([0-9a-f]+))?: ([A-Z]+)(?:, key id ([0-9a-f]+))?`)

// CheckSignature asks rpm what its keyring says of an RPM file. key is the id of the key that the file is signed with,
// in as many hexadecimal digits as this rpm prints, where it is signed. The error is for a file that can't be read or is no RPM.
func (d Database) CheckSignature(file string) (trust Trust, key string, err error) {
	var out strings.Builder
	// A file's name is no option: it is absolute.
	err = d.run(nil, []string{"-K", "-v", file}, func(stdout io.Reader) { io.Copy(&out, io.LimitReader(stdout, 64<<10)) })
	var failed *Error
	if err != nil && !errors.As(err, &failed) {
		return Unsigned, "", err
	}
	if failed != nil && (failed.Kind == Killed || failed.Kind == NotFound) {
		return Unsigned, "", err
	}
	// A file may have several signatures: of its header, and of all of it. Each must be good.
	for line := range strings.Lines(out.String()) {
		_, said, ok := strings.Cut(line, "    ") // what follows the file's own name is indented
		m := signatureLine.FindStringSubmatch(said)
		if !ok || m == nil {
			continue
		}
		is := Bad
		switch m[2] {
		case "OK":
			is = Signed
		case "NOKEY", "NOTTRUSTED":
			is = NoKey
		case "NOTFOUND":
			continue
		}
		if is >= trust {
			trust, key = is, m[1]+m[3]
		}
	}
	if trust == Unsigned && err != nil {
		return Unsigned, "", err
	}
	return trust, key, nil
}

// Damaged tells whether an RPM file is found not to be what was built, by the digests that it has itself. Who signed it doesn't matter.
func (d Database) Damaged(file string) bool {
	err := d.run(nil, []string{"-K", "--nosignature", file}, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
	var failed *Error
	return errors.As(err, &failed) && failed.Kind != Killed && failed.Kind != NotFound
}

// ImportKey puts the OpenPGP key in a file, ASCII-armoured, into RPM's keyring. lock is as with Install.
func (d Database) ImportKey(lock *os.File, file string) error {
	return d.run(lock, []string{"--import", file}, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
}

// Rebuild has rpm write the database anew from the headers that can still be read. lock is as with Install.
func (d Database) Rebuild(lock *os.File) error {
	return d.run(lock, []string{"--rebuilddb"}, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
}
