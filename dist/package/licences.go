// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// notices are the files of a module whose text has to go where its code goes.
var notices = regexp.MustCompile(`^(?i)(licen[cs]e|copying|notice|patents)`)

// linked is the text about copyright and licences of all that is linked into a part's program: this
// project, each module, and Go itself. Modules without a licence are an error.
func linked(p part, env []string) ([]byte, error) {
	env = append(env, "CGO_ENABLED=1")
	out, err := output(env, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", p.program)
	if err != nil {
		return nil, err
	}
	goroot, err := output(env, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	goversion, err := output(env, "go", "env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "packagekit-backend-presolve: https://github.com/sugarlabs/packagekit-backend-presolve\n\n"+
		"Copyright 2026 the authors of packagekit-backend-presolve.\n\n"+
		"This program is free software; you can redistribute it and/or modify it under the terms of the GNU\n"+
		"General Public License as published by the Free Software Foundation; either version 2 of the\n"+
		"License, or (at your option) any later version. On Debian systems the text of version 2 is in\n"+
		"/usr/share/common-licenses/GPL-2; it is https://www.gnu.org/licenses/old-licenses/gpl-2.0.txt.\n\n"+
		"Linked into %s are these libraries, under their own licences:\n", filepath.Base(p.program))
	modules := []string{"Go " + goversion + " " + goroot}
	seen := map[string]bool{}
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && !seen[line] {
			seen[line] = true
			modules = append(modules, line)
		}
	}
	for _, m := range modules {
		words := strings.SplitN(m, " ", 3)
		entries, err := os.ReadDir(words[2])
		if err != nil {
			return nil, err
		}
		found := false
		for _, e := range entries {
			if e.IsDir() || !notices.MatchString(e.Name()) || strings.Contains(e.Name(), "LOGO") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(words[2], e.Name()))
			if err != nil {
				return nil, err
			}
			found = true
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("-", 100), words[0], words[1], e.Name(), bytes.TrimSpace(text))
		}
		if !found {
			return nil, fmt.Errorf("%s has no licence", words[0])
		}
	}
	return b.Bytes(), nil
}
