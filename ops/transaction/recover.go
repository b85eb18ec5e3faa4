// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// finishInstalling puts right what an rpm left that was killed, or may have been. What it had not
// registered yet are files with temporary names: they go, since a later rpm stumbles over them.
// What it had registered may lack the end of its scriptlets, which the RPM database doesn't tell:
// it is installed once more, from the cache.
func finishInstalling(ctx context.Context, s *ops.System, w *wire.Writer, lock *os.File, t *db.Transaction) error {
	w.Status(wire.StatusCleanup)
	files, err := filepath.Glob(filepath.Join(s.CacheFolder(), "*.rpm"))
	if err != nil {
		return err
	}
	var registered, beside []string // beside: install-only, whose older versions stay
	for _, path := range files {
		h, err := rpm.ReadFile(path)
		if err != nil {
			continue // not whole: it is downloaded anew
		}
		is := ops.NEVRA(h)
		i := slices.IndexFunc(t.Plan, func(p db.Planned) bool { return !p.Kept && !p.Removed && p.NEVRA == is })
		if i < 0 {
			continue
		}
		dropTemporary(s, h.Files())
		installed, err := s.Record.InstalledByName(is.Name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(installed, func(p db.Package) bool { return p.NEVRA == is }) {
			if t.Plan[i].InstallOnly || h.InstallOnly() {
				beside = append(beside, path)
			} else {
				registered = append(registered, path)
			}
		}
	}
	if len(registered)+len(beside) == 0 {
		return nil
	}
	w.AllowCancel(false)
	defer w.AllowCancel(true)
	err = nil
	if len(registered) > 0 {
		err = s.RPM.Upgrade(lock, registered, rpm.Again{Same: true}, s.SignedRPMs, func(rpm.Step) {})
	}
	if len(beside) > 0 {
		err = errors.Join(err, s.RPM.InstallAgain(lock, beside, s.SignedRPMs, func(rpm.Step) {}))
	}
	if err != nil {
		// Some scriptlets don't bear to run twice. The packages are as registered as before, and
		// all that can be known is that they are whole: a laptop that never installs anything again
		// would be worse.
		s.Log.Error("what a transaction that was cut off has left can't be installed once more", "command", t.Command, "error", err)
	}
	for _, path := range slices.Concat(registered, beside) {
		os.Remove(path)
	}
	return s.SyncInstalledNow(context.WithoutCancel(ctx)) // rpm ran
}

// temporary is how rpm calls a file, after its name, until it is whole.
var temporary = regexp.MustCompile(`^;[0-9a-f]{8}$`)

// dropTemporary removes what rpm had begun of these files.
func dropTemporary(s *ops.System, files []string) {
	known, folders := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		known[f], folders[filepath.Dir(f)] = true, true
	}
	for folder := range folders {
		entries, _ := os.ReadDir(filepath.Join(s.RPM.Root, folder))
		for _, e := range entries {
			i := strings.LastIndexByte(e.Name(), ';')
			if i > 0 && temporary.MatchString(e.Name()[i:]) && known[filepath.Join(folder, e.Name()[:i])] {
				os.Remove(filepath.Join(s.RPM.Root, folder, e.Name()))
			}
		}
	}
}
