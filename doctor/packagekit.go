// SPDX-License-Identifier: GPL-2.0-or-later

package doctor

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Where distributions have packagekitd, and its backends.
var (
	daemons  = []string{"usr/libexec/packagekitd", "usr/lib/packagekit/packagekitd", "usr/lib/packagekitd", "usr/sbin/packagekitd"}
	backends = []string{"usr/lib/packagekit-backend", "usr/lib64/packagekit-backend", "usr/lib/*/packagekit-backend"}
)

// packagekit looks whether packagekitd takes the backend, and whether that fits it.
func (e *examination) packagekit(context.Context) {
	const about = "packagekit"
	var daemon, stub string
	for _, name := range daemons {
		if path := filepath.Join(e.System, name); daemon == "" && isFile(path) {
			daemon = path
		}
	}
	if daemon == "" {
		e.warn(about, "packagekitd isn't installed", "install PackageKit (packagekit, PackageKit); this program works by hand without it")
		return
	}
	for _, pattern := range backends {
		found, _ := filepath.Glob(filepath.Join(e.System, pattern, "libpk_backend_presolve.so"))
		for _, path := range found {
			if isFile(path) {
				stub = path
			}
		}
	}
	conf := filepath.Join(e.System, "etc/PackageKit/PackageKit.conf")
	text, err := os.ReadFile(conf)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.warn(about, err.Error(), "let packagekitd read it")
		return
	}
	const on = "presolve-backend on"
	switch name := defaultBackend(text); {
	case name == "presolve" && stub == "":
		e.wrong(about, conf+" names the backend presolve, and packagekitd has no libpk_backend_presolve.so: it doesn't start", "install packagekit-backend-presolve, then "+on)
		return
	case name != "presolve":
		e.warn(about, fmt.Sprintf("the backend is %s by %s, and not presolve", cmp.Or(name, "whichever packagekitd finds"), conf), on)
		return
	}
	if err := fits(stub, daemon); err != nil {
		e.wrong(about, fmt.Sprintf("packagekitd can't load %s: %v", stub, err), "install the package of this computer's architecture and release again")
		return
	}
	if self, err := os.Executable(); err == nil && !starts(stub, self) {
		e.warn(about, fmt.Sprintf("%s starts another program than %s", stub, self), "look into that one: /usr/sbin/pk-presolve doctor")
		return
	}
	e.ok(about, "its backend is presolve, %s", stub)
}

// defaultBackend is the backend that a PackageKit.conf names; "" where it names none.
func defaultBackend(conf []byte) (name string) {
	group := ""
	for line := range bytes.Lines(conf) {
		text := strings.TrimSpace(string(line))
		key, value, ok := strings.Cut(text, "=")
		switch {
		case strings.HasPrefix(text, "["):
			group = text
		case ok && group == "[Daemon]" && strings.TrimSpace(key) == "DefaultBackend":
			name = strings.TrimSpace(value)
		}
	}
	return name
}

// fits tells whether packagekitd can load a backend: both are for the same kind of computer, and what
// the backend needs of it is there.
func fits(backend, daemon string) error {
	b, err := elf.Open(backend)
	if err != nil {
		return err
	}
	defer b.Close()
	d, err := elf.Open(daemon)
	if err != nil {
		return err
	}
	defer d.Close()
	if b.Class != d.Class || b.Machine != d.Machine {
		return fmt.Errorf("it is for %v, and packagekitd is for %v", b.Machine, d.Machine)
	}
	exported := make(map[string]bool)
	symbols, err := d.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		exported[s.Name] = s.Section != elf.SHN_UNDEF
	}
	if symbols, err = b.DynamicSymbols(); err != nil {
		return err
	}
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF && elf.ST_BIND(s.Info) == elf.STB_GLOBAL && strings.HasPrefix(s.Name, "pk_backend_") && !exported[s.Name] {
			return fmt.Errorf("packagekitd has no %s", s.Name)
		}
	}
	return nil
}

// starts tells whether a backend starts the program of this path, which is compiled in.
func starts(backend, program string) bool {
	text, err := os.ReadFile(backend)
	return err != nil || bytes.Contains(text, append([]byte(program), 0))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
