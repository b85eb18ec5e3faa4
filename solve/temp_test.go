// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Presolvers that start together don't take each other's folders for left ones, nor stumble over
// each other's looking.
func TestTempsMadeTogether(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			for range 50 {
				dir, remove, err := makeTemp()
				if err != nil {
					t.Error(err)
					return
				}
				file := filepath.Join(dir, "file")
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Error(err)
				}
				removeOldTemps()
				if _, err := os.Stat(file); err != nil {
					t.Error(err)
				}
				remove()
			}
		})
	}
	together.Wait()
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("%v: left are %v", err, left)
	}
}

// What a presolver left that was killed goes.
func TestOldTempsGo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	left := filepath.Join(os.Getenv("TMPDIR"), "presolver-left")
	if err := os.MkdirAll(filepath.Join(left, "metadata"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, remove, err := makeTemp()
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s: %v", left, err)
	}
}
