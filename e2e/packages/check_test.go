// SPDX-License-Identifier: GPL-2.0-or-later

package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dist/check passes as packagers' machines run it: for a user without rights, with Go's modules as they
// are here, and no network but the loopback interface.
func TestCheck(t *testing.T) {
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("it compiles everything for a user who has nothing: PRESOLVE_LONG isn't set")
	}
	need(t, "unshare", "setpriv", "ip")
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: giving rights up needs root")
	}
	home := t.TempDir()
	for dir := home; dir != os.TempDir(); dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	for _, dir := range []string{"sources", "modules", "tmp"} {
		check(t, os.Mkdir(filepath.Join(home, dir), 0o755))
	}
	copySources(t, filepath.Join(home, "sources"))
	modules := strings.TrimSpace(script(t, nil, "go", "env", "GOMODCACHE"))
	script(t, []string{"HOME=" + home, "TMPDIR=" + home + "/tmp", "GOMODCACHE=" + home + "/modules", "GOCACHE=" + home + "/cache", "GOPROXY=off", "CI="},
		"unshare", "--mount", "--net", "sh", "-ec", fmt.Sprintf(`ip link set lo up
			mount --bind '%[1]s' '%[2]s/modules'
			chown -R 12345 '%[2]s/tmp' '%[2]s/sources' && chown 12345 '%[2]s'
			exec setpriv --reuid=12345 --regid=12345 --clear-groups '%[2]s/sources/dist/check' -count=1`, modules, home))
}
