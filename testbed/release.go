// SPDX-License-Identifier: GPL-2.0-or-later

package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Release adds packages to the school's repository and publishes what comes of it, as a
// distribution does with updates. updateinfo is the repository's updateinfo.xml; empty: it has
// none.
func (s *School) Release(updateinfo string, packages ...RPM) error {
	repository := filepath.Join(s.Dir, "repository")
	if err := Repository(repository, packages...); err != nil {
		return err
	}
	if updateinfo != "" {
		return s.Metadata("updateinfo", updateinfo)
	}
	_, err := s.Build(filepath.Join(s.Dir, "presolver.toml"))
	return err
}

// Metadata adds a file to the metadata of the school's repository, by its type in repomd.xml, until
// the next Release, and publishes what comes of it.
func (s *School) Metadata(kind, text string) error {
	path := filepath.Join(s.Dir, kind+".xml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	if err := run(exec.Command("modifyrepo_c", "--mdtype="+kind, path, filepath.Join(s.Dir, "repository", "repodata"))); err != nil {
		return err
	}
	_, err := s.Build(filepath.Join(s.Dir, "presolver.toml"))
	return err
}
