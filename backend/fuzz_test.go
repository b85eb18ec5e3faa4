// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The stub bears whatever a helper writes: its lines, changed at random, under the sanitizers.
// Long: ten minutes.
func TestFuzzReplies(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "fuzz")
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "packagekit-glib2", "gio-unix-2.0").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-o", program, "testdata/fuzz/fuzz.c", "stub/replies.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	amount := "20000x"
	if os.Getenv("PRESOLVE_LONG") != "" {
		amount = "600"
	}
	run := exec.Command(program, amount)
	for i, r := range replies {
		seed := filepath.Join(dir, strings.Split(r.line, "\t")[0]+string(rune('a'+i)))
		if err := os.WriteFile(seed, []byte(r.line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run.Args = append(run.Args, seed)
	}
	// GLib keeps some memory for ever, which is no leak.
	run.Env = append(os.Environ(), "ASAN_OPTIONS=detect_leaks=1", "G_SLICE=always-malloc")
	if out, err := run.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), " inputs\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
