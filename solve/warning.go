// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"errors"
	"fmt"
)

// A Warning is what is wrong with a repository and keeps no tree from being made. Its texts are fit
// for people and for publishing: they have no passwords.
type Warning struct {
	Repository string `json:"repository"`     // its id
	File       string `json:"file,omitempty"` // of the repository, as repomd.xml names it
	Line       int    `json:"line,omitempty"` // of the file, unpacked; 0: not known
	Problem    string `json:"problem"`
}

func (w Warning) String() string {
	at := "repository " + w.Repository
	if w.File != "" {
		at += ", " + w.File
	}
	if w.Line > 0 {
		at += fmt.Sprintf(", line %d", w.Line)
	}
	return at + ": " + w.Problem
}

// maxWarning is the bytes of a warning's texts.
const maxWarning = 500

// A fault is what is wrong in a line of a file.
type fault struct {
	line int
	err  error
}

func (f *fault) Error() string { return fmt.Sprintf("line %d: %v", f.line, f.err) }
func (f *fault) Unwrap() error { return f.err }

// newWarning tells of an error. The line of a fault is told as such.
func newWarning(repository, file string, err error) Warning {
	w := Warning{Repository: repository, File: Visible(cut(file, maxWarning))}
	var f *fault
	if errors.As(err, &f) {
		w.Line, err = f.line, f.err
	}
	w.Problem = Visible(cut(err.Error(), maxWarning))
	return w
}
