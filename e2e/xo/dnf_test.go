// SPDX-License-Identifier: GPL-2.0-or-later

package xo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// TestDNFMemory finds out with how much memory dnf installs a program of 36 packages from a
// repository of 63,440, with and without file lists (2.4 million paths), and prints it. dnf is this
// computer's, knows nothing at first, and has no swap.
func TestDNFMemory(t *testing.T) {
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("in the long tier: PRESOLVE_LONG=1")
	}
	need(t, "dnf", "createrepo_c", "rpm")
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	check(t, testbed.Repository(program, testbed.Atlas()...))
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "paths in file lists\tlimit\twhat became of it\twall\tCPU\tthe most in memory")
	for _, files := range []int{0, 38} {
		multitude := filepath.Join(dir, fmt.Sprint("multitude", files))
		base, err := testbed.Multitude(multitude, *packages, files)
		check(t, err)
		for _, mb := range []int{128, 256, 512, 1024, 2048} {
			if files == 0 && mb > 512 {
				continue
			}
			root := filepath.Join(dir, fmt.Sprintf("root-%d-%d", files, mb))
			check(t, testbed.Root(root, base))
			check(t, os.WriteFile(filepath.Join(root, ".rpmmacros"), []byte("%_dbpath "+testbed.DBPath+"\n"), 0o644))
			config := filepath.Join(root, "dnf.conf")
			check(t, os.WriteFile(config, fmt.Appendf(nil, "[main]\ncachedir=%[1]s/cache\npersistdir=%[1]s/persist\nlogdir=%[1]s/log\nreposdir=/none\nvarsdir=/none\npluginpath=/none\nplugins=0\ngpgcheck=0\n"+
				"install_weak_deps=0\nmodule_platform_id=platform:none\n[program]\nname=program\nbaseurl=file://%s\n[multitude]\nname=multitude\nbaseurl=file://%s\n", root, program, multitude), 0o644))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			cmd := exec.CommandContext(ctx, "dnf", "--quiet", "--config", config, "--installroot", root, "--releasever=1", "--forcearch=x86_64", "--assumeyes", "install", "atlas")
			cmd.Env = append(os.Environ(), "HOME="+root, "LC_ALL=C.UTF-8")
			start := time.Now()
			out, err := limited(t, cmd, mb)
			cancel()
			what := "installed"
			if err != nil {
				what = err.Error()
				t.Logf("%d files, %d MB: %v: %s", files, mb, err, out)
			}
			usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			fmt.Fprintf(w, "%d\t%d MB\t%s\t%.1f s\t%.1f s\t%s\n", files**packages, mb, what, time.Since(start).Seconds(),
				(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), mib(usage.Maxrss<<10))
		}
	}
	w.Flush()
	fmt.Printf("\n%s\n", table.String())
}

// limited runs a program that has so many MB of memory, its files' pages included.
func limited(t *testing.T, cmd *exec.Cmd, mb int) ([]byte, error) {
	t.Helper()
	group, file := "/sys/fs/cgroup/memory/presolve-dnf", "memory.limit_in_bytes"
	if _, err := os.Stat(filepath.Dir(group)); err != nil {
		group, file = "/sys/fs/cgroup/presolve-dnf", "memory.max"
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("NOT TESTED: no control group can be made: %v", err)
	}
	defer os.Remove(group)
	check(t, os.WriteFile(filepath.Join(group, file), fmt.Append(nil, mb<<20), 0o644))
	cmd.Args = append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs"; exec "$@"`, group}, cmd.Args...)
	cmd.Path = "/bin/sh"
	return cmd.CombinedOutput()
}
