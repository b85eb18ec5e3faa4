// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What another program does to the RPM database is noticed while the helper runs, and at its start.
func TestNoticed(t *testing.T) {
	laptop := makeLaptop(t, "", "")
	h := start(t, laptop)
	const libtext = "package\tinstalled\tlibtext;2:0.9-1;x86_64;installed\t"
	if lines := h.Answer("resolve", "installed", "libtext"); has(lines, libtext) {
		t.Fatal(lines)
	}
	rpm := filepath.Join(school.Dir, "repository", "libtext-0.9-1.x86_64.rpm")
	if out, err := testbed.RPMQuery(laptop.Root, "-i", rpm); err != nil {
		t.Fatal(err, out)
	}
	// The kernel's news may still be on its way.
	for deadline := time.Now().Add(30 * time.Second); !has(h.Answer("resolve", "installed", "libtext"), libtext); {
		if time.Now().After(deadline) {
			t.Fatal("what rpm installed isn't noticed")
		}
	}
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := testbed.RPMQuery(laptop.Root, "-e", "libtext"); err != nil {
		t.Fatal(err, out)
	}
	h = start(t, laptop)
	if lines := h.Answer("resolve", "installed", "libtext"); has(lines, libtext) {
		t.Error("what rpm removed while no helper ran isn't noticed:", lines)
	}
}
