// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// groupsFile is where the backend stub finds which groups have packages: packagekitd asks it when it
// starts, and waits for no helper (backend/stub/roles.c).
const groupsFile = "groups"

// FilledGroups are the groups that packages on offer are in; it tells the stub of them. The
// catalogue must be Ready for all names.
func (s *System) FilledGroups(ctx context.Context) ([]string, error) {
	groups, err := s.Offers.Groups()
	if err != nil || len(groups) == 0 {
		return groups, err
	}
	path := filepath.Join(s.State, groupsFile)
	text := []byte(strings.Join(groups, "\n") + "\n")
	if was, _ := os.ReadFile(path); bytes.Equal(was, text) {
		return groups, nil
	}
	err = os.WriteFile(path+".new", text, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil { // nothing but a menu depends on it
		s.Log.Warn("the groups that have packages can't be written down", "error", fmt.Errorf("writing %s: %w", path, err))
	}
	return groups, nil
}
