// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// Where there is no terminal plain lines tell how far it is; where it is to be quiet nothing does.
func TestPlainProgress(t *testing.T) {
	for quiet, want := range map[bool]string{
		true: "",
		false: "reading\n" +
			"downloaded 2 files, 1.5 MiB, at 500.0 KiB a second\n" +
			"3 of 10 names; downloaded 3 files, 2.0 GiB, and waiting: the link or the server is down, and is tried again\n",
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := newProgress(f, quiet)
		p.note("reading")
		p.note("reading")
		if !quiet {
			p.tick() // nothing to tell yet
		}
		p.downloaded(solve.Progress{Files: 2, Bytes: 3 << 19, Speed: 500 << 10, File: "primary.xml.gz"})
		if !quiet {
			p.tick()
		}
		p.step(3, 10)
		p.step(2, 10) // from another goroutine, late
		p.downloaded(solve.Progress{Files: 3, Bytes: 2 << 30, Waiting: true})
		if !quiet {
			p.tick()
		}
		p.close()
		p.close()
		if got, err := os.ReadFile(f.Name()); err != nil || string(got) != want {
			t.Errorf("quiet %v: %q, %v", quiet, got, err)
		}
	}
}
