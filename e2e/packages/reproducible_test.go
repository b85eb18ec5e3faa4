// SPDX-License-Identifier: GPL-2.0-or-later

package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two builds in two folders give the same bytes, with a packager's flags and with symbols, too. In
// the long tier Go's cache isn't shared.
func TestReproducible(t *testing.T) {
	need(t, "git", "gcc", "pkg-config")
	for _, flags := range [][]string{
		nil,
		{"CFLAGS=-O2 -g -fstack-protector-strong", "LDFLAGS=-Wl,-z,relro,-z,now", "GOFLAGS=-buildmode=pie"},
	} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			var built [2]map[string][]byte
			for i := range built {
				sources := filepath.Join(t.TempDir(), strings.Repeat("deep/", i)+"sources")
				copySources(t, sources)
				env := append([]string{"VERSION=1.2.3", "BUILD=" + filepath.Join(sources, "build")}, flags...)
				if os.Getenv("PRESOLVE_LONG") != "" {
					env = append(env, "GOCACHE="+t.TempDir())
				}
				names := []string{"pk-presolve", "presolver", "libpk_backend_presolve.so"}
				if flags == nil || os.Getenv("PRESOLVE_LONG") != "" {
					script(t, env, filepath.Join(sources, "dist/build"))
				} else { // with other flags Go would compile all libraries anew
					names = names[2:]
					check(t, os.Mkdir(filepath.Join(sources, "build"), 0o755))
					script(t, env, filepath.Join(sources, "backend/build"), filepath.Join(sources, "build", names[0]))
				}
				built[i] = make(map[string][]byte)
				for _, name := range names {
					data, err := os.ReadFile(filepath.Join(sources, "build", name))
					check(t, err)
					built[i][name] = data
					if bytes.Contains(data, []byte(sources)) {
						t.Errorf("%s has the name of the folder that it was built in", name)
					}
					looksHardened(t, filepath.Join(sources, "build", name), flags != nil)
				}
				for _, name := range names[:len(names)-1] {
					if out := script(t, nil, filepath.Join(sources, "build", name), "--version"); !strings.HasPrefix(out, name+" 1.2.3, format ") {
						t.Errorf("the version is %q", out)
					}
				}
			}
			for name, data := range built[0] {
				if !bytes.Equal(data, built[1][name]) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

// looksHardened tells whether a program has no symbols, and, what is linked with libraries,
// BIND_NOW; pie: whether it is position independent.
func looksHardened(t *testing.T, path string, pie bool) {
	t.Helper()
	dynamic := script(t, []string{"LC_ALL=C"}, "readelf", "-hd", path)
	if strings.Contains(dynamic, "(NEEDED)") && !strings.Contains(dynamic, "BIND_NOW") {
		t.Errorf("%s has no BIND_NOW", path)
	}
	if pie && !strings.Contains(dynamic, "DYN (") {
		t.Errorf("%s isn't position independent", path)
	}
	if sections := script(t, []string{"LC_ALL=C"}, "readelf", "-SW", path); !strings.HasSuffix(path, ".so") && strings.Contains(sections, ".symtab") {
		t.Errorf("%s has symbols", path)
	}
}

// copySources copies what git knows, as it is in the working folder, to a new folder, without the
// repository.
func copySources(t *testing.T, dir string) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	script(t, nil, "sh", "-c", fmt.Sprintf("cd ../.. && git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C '%s'", dir))
}

// script runs a program, and returns what it prints on stdout.
func script(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, &out, &said)
	}
	return out.String()
}

// need skips the test where a program is missing, and fails it in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%v: run ./setup", err)
			}
			t.Skipf("NOT TESTED: %v: run ./setup", err)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
