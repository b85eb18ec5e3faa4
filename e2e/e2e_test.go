// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// school is made once, and only read.
var school *testbed.School

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for _, program := range []string{"rpm", "createrepo_c"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %v: run ./setup\n", err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "presolve-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	tools, err := testbed.Build(dir)
	if err == nil {
		school, err = testbed.NewSchool(dir, tools, testbed.Patient)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer school.Close()
	defer func() {
		if made.school != nil {
			made.school.Close()
		}
	}()
	return m.Run()
}
