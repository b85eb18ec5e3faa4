// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// The characters that each part of a package's name may have: what rpm itself takes in a spec file
// (rpm's build/rpmbuild_internal.h, ALLOWED_CHARS_NAME and ALLOWED_CHARS_VERREL;
// build/parsePreamble.c checks them). None of them means anything in a path, a package id, a list
// of the protocol, a URL's path, a pattern, or to a terminal.
var (
	inName    = characters(letters + "-._+")
	inID      = characters(letters + "-._+:")
	inVersion = characters(letters + "._+~^")
	inArch    = characters(letters + "_")
)

func characters(all string) *[utf8.RuneSelf]bool {
	var is [utf8.RuneSelf]bool
	for _, r := range all {
		is[r] = true
	}
	return &is
}

// CheckName tells whether a text may be the name of a package, or of a platform: ASCII letters,
// digits and "-._+", of which the first is a letter, a digit or "_", as rpm wants it. So it is
// never an option, a hidden file or a folder above.
func CheckName(s string) error {
	if err := checkOnly("name", s, inName); err != nil {
		return err
	}
	if strings.IndexByte("-.+", s[0]) >= 0 {
		return fmt.Errorf("the name %.80q begins with %q and not with a letter, a digit or \"_\"", s, s[0])
	}
	return nil
}

// CheckID tells whether a text may be the id of a repository: what a name has, and ":", as in the
// ids that dnf makes.
func CheckID(s string) error {
	if err := checkOnly("id", s, inID); err != nil {
		return err
	}
	if strings.IndexByte("-.+:", s[0]) >= 0 {
		return fmt.Errorf("the id %.80q begins with %q and not with a letter, a digit or \"_\"", s, s[0])
	}
	return nil
}

// CheckArch tells whether a text may be the name of an architecture: ASCII letters, digits and "_".
func CheckArch(s string) error { return checkOnly("architecture", s, inArch) }

// Check tells whether the parts of a NEVRA are such as rpm takes. What passes is read from its
// String again.
func (p NEVRA) Check() error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	for _, f := range [...]struct {
		what, text string
		allowed    *[utf8.RuneSelf]bool
	}{{"version", p.Version, inVersion}, {"release", p.Release, inVersion}, {"architecture", p.Arch, inArch}} {
		if err := checkOnly(f.what, f.text, f.allowed); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if p.Epoch < 0 || int64(p.Epoch) > maxEpoch {
		return fmt.Errorf("%s: the epoch %d is not between 0 and %d", p.Name, p.Epoch, maxEpoch)
	}
	return nil
}

// checkOnly tells the first character of a text that isn't among the allowed ones.
func checkOnly(what, s string, allowed *[utf8.RuneSelf]bool) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("the %s %.40q has %d bytes: not between 1 and %d", what, s, len(s), maxName)
	}
	for i, r := range s {
		if r >= utf8.RuneSelf || !allowed[r] {
			return fmt.Errorf("the %s %.80q has the character %q (number %d), which rpm takes in none", what, s, r, 1+utf8.RuneCountInString(s[:i]))
		}
	}
	return nil
}

// CheckFile tells whether a text may be the path of a package's file in a FileList.
func CheckFile(s string) error {
	if len(s) > maxFilePath {
		return fmt.Errorf("the path %.80q has %d bytes, more than %d", s, len(s), maxFilePath)
	}
	return checkText("path", s)
}

// CheckProvided tells whether a text may be one of an Entry's Provides.
func CheckProvided(s string) error {
	if s == "" || len(s) > MaxProvided {
		return fmt.Errorf("the provides %.80q has %d bytes: not between 1 and %d", s, len(s), MaxProvided)
	}
	return checkText("provides", s)
}

// CheckObsoleted tells whether a text may be one of an Entry's or a Package's Obsoletes.
func CheckObsoleted(s string) error {
	if s == "" || len(s) > maxPath {
		return fmt.Errorf("what is obsoleted, %.80q, has %d bytes: not between 1 and %d", s, len(s), maxPath)
	}
	return checkText("obsoletes", s)
}

// checkText refuses what a text that decides something must not have: what isn't UTF-8, or was made
// U+FFFD when JSON was read, control characters, and what changes the direction of the text around
// it.
func checkText(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("the %s %.80q is not UTF-8", what, s)
	}
	for _, r := range s {
		if r == utf8.RuneError || unicode.IsControl(r) || turns(r) {
			return fmt.Errorf("the %s %.80q has the character %q", what, s, r)
		}
	}
	return nil
}

// turns tells whether a character changes in which direction the text around it is shown (Unicode's
// Bidi_Control).
func turns(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x200E || r == 0x200F || r == 0x061C
}
