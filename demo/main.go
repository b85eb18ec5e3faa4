// SPDX-License-Identifier: GPL-2.0-or-later

// Command demo shows the main job from end to end, with real programs, in a temporary folder that
// it removes: it makes a repository of RPMs, presolves it, serves it, and installs a program with
// its dependencies on a laptop, whose helper it talks to as PackageKit does.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	dir, err := os.MkdirTemp("", "presolve-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	say("Building the two programs, pk-presolve for laptops and presolver for the server.")
	tools, err := testbed.Build(dir)
	if err != nil {
		return err
	}
	say("On the server: a repository of %d RPMs is presolved and served.", len(testbed.Base)+len(testbed.Programs))
	school, err := testbed.NewSchool(dir, tools)
	if err != nil {
		return err
	}
	defer school.Close()
	err = filepath.WalkDir(school.Published(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Printf("    %8d  %s\n", info.Size(), strings.TrimPrefix(path, school.Published()+"/"))
		}
		return err
	})
	if err != nil {
		return err
	}
	say("On a laptop with the standard installation, PackageKit starts the helper and asks.")
	laptop, err := school.Laptop("", "presolve", "")
	if err != nil {
		return err
	}
	helper, err := tools.Start(laptop.Config, nil)
	if err != nil {
		return err
	}
	defer helper.Kill()
	for _, command := range [][]string{
		{"search-details", "none", "hello"},
		{"resolve", "none", "hello"},
		{"install-packages", "simulate", "hello;1.0-1;noarch;school"},
		{"install-packages", "none", "hello;1.0-1;noarch;school"},
	} {
		fmt.Printf("\n    > %s\n", strings.Join(command, " "))
		if err := helper.Send(command...); err != nil {
			return err
		}
		lines, err := helper.Reply(func(line string) { fmt.Printf("    < %s\n", strings.ReplaceAll(line, "\t", "  ")) })
		if err != nil {
			return err
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "error\t") {
				return fmt.Errorf("the helper answered %q", line)
			}
		}
	}
	if err := helper.Stop(); err != nil {
		return err
	}
	say("rpm itself says of the laptop:")
	for _, query := range [][]string{{"-qa"}, {"-V", "hello", "libgreet", "libtext"}} {
		out, err := testbed.RPMQuery(laptop.Root, query...)
		fmt.Printf("    $ rpm %s\n", strings.Join(query, " "))
		for line := range strings.Lines(out) {
			fmt.Print("    ", line)
		}
		if err != nil {
			return fmt.Errorf("rpm %s: %w", strings.Join(query, " "), err)
		}
	}
	say("Done: everything was in %s, which is removed.", dir)
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n"+format+"\n\n", args...) }
