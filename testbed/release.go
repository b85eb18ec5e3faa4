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
		path := filepath.Join(s.Dir, "updateinfo.xml")
		if err := os.WriteFile(path, []byte(updateinfo), 0o644); err != nil {
			return err
		}
		if err := run(exec.Command("modifyrepo_c", "--mdtype=updateinfo", path, filepath.Join(repository, "repodata"))); err != nil {
			return err
		}
	}
	_, err := s.Build(filepath.Join(s.Dir, "presolver.toml"))
	return err
}
