// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// PackageKit's names for the numbers on D-Bus.
const (
	exitSuccess, exitFailed, exitCancelled = 1, 2, 3

	infoInstalled, infoAvailable, infoDownloading, infoUpdating, infoInstalling, infoRemoving = 1, 2, 10, 11, 12, 13
	infoCleanup, infoObsoleting, infoFinished                                                 = 14, 15, 18

	restartNone, restartSecuritySystem = 1, 6

	stateUnknown, stateStable = 0, 1 // of an update

	errorNoNetwork, errorInternal, errorAlreadyInstalled, errorCancelled, errorLock, errorAllThere = 2, 4, 9, 17, 26, 41
	errorDependencies, errorSystemPackage                                                          = 13, 20

	networkOffline, networkOnline = 1, 2

	statusRequest, statusWaitingForLock = 17, 30

	roleCancel, roleDownloadPackages, roleGetOldTransactions = 1, 25, 28

	flagSimulate, flagOnlyDownload, flagsNone = 1 << 2, 1 << 3, 0
)

const none = uint64(1 << 1) // the filter

const (
	hello   = "hello;1.0-1;noarch;school"
	libtext = "libtext;2:0.9-1;x86_64;school"
	paint   = "paint;3.1-1;x86_64;school"
)

// answer sums up what a role has answered.
func answer(l *laptop, r pktest.Result) string {
	if code, text := r.Error(); code != 0 {
		return fmt.Sprintf("error %d %s", code, text)
	}
	for _, signal := range []string{"RepoDetail", "UpdateDetail", "Category", "DistroUpgrade"} {
		if all := r.All(signal); len(all) > 0 {
			return fmt.Sprint(all)
		}
	}
	if details := r.All("Details"); len(details) > 0 {
		return details[0][0].(map[string]dbus.Variant)["summary"].Value().(string)
	}
	if files := r.All("Files"); len(files) > 0 {
		path := files[0][1].([]string)[0]
		if r.Property("Role")[0] == uint32(roleDownloadPackages) {
			if _, err := os.Stat(l.Path(path)); err != nil {
				return err.Error()
			}
			return filepath.Base(path)
		}
		return path
	}
	if len(r.All("Package")) == 0 {
		return "done"
	}
	return packages(r)
}

var infos = map[uint32]string{infoInstalled: "installed", infoAvailable: "available", infoInstalling: "installing", infoRemoving: "removing",
	infoUpdating: "updating", infoCleanup: "cleanup", infoObsoleting: "obsoleting"}

// packages are the packages that were reported, but for those being downloaded and those that are
// done, sorted.
func packages(r pktest.Result) string {
	var all []string
	for _, p := range r.All("Package") {
		info, id := p[0].(uint32), p[1].(string)
		if info != infoDownloading && info != infoFinished {
			all = append(all, infos[info]+" "+id[:strings.IndexByte(id, ';')])
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// grows checks that the percentages of a transaction, and of each package within what is done to
// it, only grow.
func grows(t *testing.T, r pktest.Result) {
	t.Helper()
	last := uint32(0)
	for _, v := range r.Property("Percentage") {
		if p := v.(uint32); p <= 100 { // 101: not known yet
			if p < last {
				t.Errorf("percentage %d after %d", p, last)
			}
			last = p
		}
	}
	if last != 100 {
		t.Errorf("the last percentage is %d", last)
	}
	items := map[string]uint32{}
	for _, body := range r.All("ItemProgress") {
		item, p := fmt.Sprint(body[0], body[1]), body[2].(uint32)
		if p < items[item] || p > 100 {
			t.Errorf("%s: %d after %d", item, p, items[item])
		}
		items[item] = p
	}
	for item, p := range items {
		if p != 100 {
			t.Errorf("%s ends at %d", item, p)
		}
	}
}
