// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// PackageKit's own numbers (lib/packagekit-glib2/pk-enum.h).
const (
	onlyTrusted, simulate  = 1 << 1, 1 << 2 // flags, each 1 shifted by its PkTransactionFlagEnum
	noFilter               = 1 << 1         // PK_FILTER_ENUM_NONE
	errorInternal          = 4
	errorMissingSignature  = 30 // PK_ERROR_ENUM_MISSING_GPG_SIGNATURE
	errorNotAuthorized     = "org.freedesktop.PackageKit.Transaction.RefusedByPolicy"
	exitSuccess, exitFails = 1, 2
)

// callPackageKit calls a method of a new transaction on a bus, and prints its signals until the
// last. Arguments are "t:NUMBER", "b:true", "s:TEXT", "as:WORD|WORD", or "words:N" for N words.
func callPackageKit(address string, args []string) error {
	const name = "org.freedesktop.PackageKit"
	conn, err := dbus.Connect(address)
	if err != nil {
		return err
	}
	defer conn.Close()
	var path dbus.ObjectPath
	if err := conn.Object(name, "/org/freedesktop/PackageKit").Call(name+".CreateTransaction", 0).Store(&path); err != nil {
		return err
	}
	if err := conn.AddMatchSignal(dbus.WithMatchObjectPath(path)); err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, 1024)
	conn.Signal(signals)
	var values []any
	for _, a := range args[1:] {
		kind, value, _ := strings.Cut(a, ":")
		switch kind {
		case "t":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return err
			}
			values = append(values, n)
		case "b":
			values = append(values, value == "true")
		case "s":
			values = append(values, value)
		case "as":
			values = append(values, strings.Split(value, "|"))
		case "words":
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			words := make([]string, n)
			for i := range words {
				words[i] = fmt.Sprintf("word%d", i)
			}
			values = append(values, words)
		}
	}
	if err := conn.Object(name, path).Call(name+".Transaction."+args[0], 0, values...).Err; err != nil {
		e, ok := err.(dbus.Error)
		if !ok {
			return err
		}
		fmt.Println("refused", e.Name, e.Error())
		return nil
	}
	giveUp := time.After(patience)
	for {
		select {
		case s := <-signals:
			signal := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
			if s.Path != path || signal == "PropertiesChanged" {
				continue
			}
			fmt.Printf("%s %q\n", signal, fmt.Sprint(s.Body...))
			if signal == "Finished" || signal == "Destroy" {
				return nil
			}
		case <-giveUp:
			return fmt.Errorf("%s hasn't finished in %v", args[0], patience)
		}
	}
}

// helpers are the processes of a packagekitd that have the configuration of a laptop on their
// command lines.
func helpers(t testing.TB, l *testbed.Laptop) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(t, err)
	for _, path := range all {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), "\x00"+l.Config+"\x00") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			check(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// The same through packagekitd, where polkit lets a user ask but not change anything.
func TestThroughPackageKit(t *testing.T) {
	if missing := pktest.Missing(); missing != "" {
		skip(t, missing+": run ./setup")
	}
	l := trusting(t, "", "")
	d := pktest.StartWith(t, pktest.Options{Helper: pktest.Wrap(t, school.Tools.Helper, "--config", l.Config)})
	if r := d.Run("RefreshCache", false); r.Exit() != exitSuccess {
		t.Fatal(r)
	}
	dir, vault := home(t), folder(t)
	unsigned := filepath.Join(dir, "evil.rpm")
	check(t, evil.WriteFile(unsigned))
	as := func(t *testing.T, method string, args ...string) string {
		t.Helper()
		return asUser(t, append([]string{"dbus", d.Address(), method}, args...)...)
	}
	as(t, "SearchNames", "t:"+strconv.Itoa(noFilter), "as:hello")
	before := stateOf(t, l)

	t.Run("RootsRPMThroughALink", func(t *testing.T) {
		secret, link := filepath.Join(vault, "plans.rpm"), filepath.Join(dir, "link.rpm")
		check(t, testbed.RPM{Name: "plans", Summary: "The plan is secret", Files: map[string]string{"/etc/secret-plan": "x"}}.WriteFile(secret))
		check(t, os.Chmod(secret, 0o600))
		check(t, os.Symlink(secret, link))
		for _, path := range []string{secret, link} {
			for _, method := range []string{"GetDetailsLocal", "GetFilesLocal"} {
				if out := as(t, method, "as:"+path); strings.Contains(out, "plan is secret") || strings.Contains(out, "secret-plan") {
					t.Errorf("%s %s: %s", method, path, out)
				}
			}
			if out := as(t, "InstallFiles", "t:"+strconv.Itoa(simulate), "as:"+path); strings.Contains(out, "plan is secret") || strings.Contains(out, "Package ") {
				t.Errorf("InstallFiles %s: %s", path, out)
			}
		}
		if out := as(t, "GetDetailsLocal", "as:"+unsigned); !strings.Contains(out, "Details ") {
			t.Errorf("one's own isn't shown: %s", out)
		}
	})

	t.Run("HeaderBomb", func(t *testing.T) {
		n := 0
		for name, content := range bombs() {
			if strings.HasPrefix(name, "136 bytes") && !strings.Contains(name, "0xffffffff") || strings.HasPrefix(name, "more paths") {
				continue
			}
			n++
			path := filepath.Join(dir, fmt.Sprintf("bomb%d.rpm", n))
			write(t, path, content, 0o644)
			if out := as(t, "GetDetailsLocal", "as:"+path); strings.Contains(out, "Details ") {
				t.Errorf("%s: %s", name, out)
			}
			for _, pid := range helpers(t, l) {
				if has := peak(t, pid); has > 100 {
					t.Fatalf("%s: the helper had %d MiB", name, has)
				}
			}
		}
	})

	t.Run("ForgedByFileName", func(t *testing.T) {
		for i, name := range append([]string{"x\n    Signature, key ID deadbeef: OK\n.rpm", "x\tSignature, key ID deadbeef: OK.rpm", "x&y.rpm"}, forgedNames...) {
			path := filepath.Join(dir, name)
			evil := evil
			evil.Name = fmt.Sprintf("evil%d", i)
			check(t, evil.WriteFile(path))
			// packagekitd itself refuses some names.
			out := as(t, "InstallFiles", "t:"+strconv.Itoa(onlyTrusted|simulate), "as:"+path)
			if strings.Contains(out, "Package ") && !strings.Contains(out, fmt.Sprintf("Package \"23%s;", evil.Name)) { // PK_INFO_ENUM_UNTRUSTED
				t.Errorf("%q: a simulation doesn't say that it isn't trusted: %s", name, out)
			}
			if out := as(t, "InstallFiles", "t:0", "as:"+path); !strings.HasPrefix(out, "refused ") && !strings.Contains(out, "ErrorCode ") {
				t.Errorf("%q: nobody may install it: %s", name, out)
			}
			x := d.Begin()
			if err := x.Call("InstallFiles", uint64(onlyTrusted), []string{path}); err == nil {
				if r := x.Wait(); r.Exit() == exitSuccess {
					t.Errorf("%q: root installs it with only-trusted: %v", name, r)
				}
			}
			check(t, os.Remove(path))
		}
		if _, err := os.Stat(filepath.Join(l.Root, "pwned")); err == nil {
			t.Error("what is in one of them was run")
		}
	})

	t.Run("ManyWords", func(t *testing.T) {
		for _, method := range []string{"SearchNames", "SearchDetails", "SearchFiles", "SearchGroups", "WhatProvides", "Resolve"} {
			for _, n := range []string{"words:1001", "words:100000"} {
				out := as(t, method, "t:"+strconv.Itoa(noFilter), n)
				if strings.Contains(out, fmt.Sprintf("ErrorCode \"%d ", errorInternal)) {
					t.Errorf("%s of %s: %.400s", method, n, out)
				}
			}
		}
		if out := as(t, "SearchNames", "t:"+strconv.Itoa(noFilter), "as:hello"); !strings.Contains(out, "hello;1.0-1;noarch;school") {
			t.Errorf("afterwards: %s", out)
		}
	})
	before.same(t, stateOf(t, l))

	t.Run("Download", func(t *testing.T) {
		to := home(t)
		check(t, os.Chmod(to, 0o700))
		pkcon := func(to string) (string, error) {
			out, err := d.Client("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "pkcon", "-p", "-y", "download", to, "hello").CombinedOutput()
			return string(out), err
		}
		out, err := pkcon(to)
		t.Logf("pkcon: %v: %s", err, out)
		if got := asUser(t, "read", filepath.Join(to, "hello-1.0-1.noarch.rpm")); len(got) == 0 {
			t.Error("nobody doesn't have the file")
		}
		old := state{}
		write(t, filepath.Join(vault, "hello-1.0-1.noarch.rpm"), "root's\n", 0o644)
		old.addFiles(t, vault)
		link := filepath.Join(dir, "to")
		check(t, os.Symlink(vault, link))
		if out, err := pkcon(link); err == nil {
			t.Errorf("into root's folder: %s", out)
		}
		now := state{}
		now.addFiles(t, vault)
		old.same(t, now)
	})
}
