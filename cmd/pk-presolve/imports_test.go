// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// What must not know of what: doc/architecture.md.
func TestImports(t *testing.T) {
	const module = "github.com/sugarlabs/packagekit-backend-presolve/"
	for _, rule := range []struct{ of, not string }{
		{"cmd/pk-presolve", "solve publish mirror pages serve bucket"},
		{"publish", "bucket mirror pages offers ops wire db"},
		{"serve", "solve publish mirror pages offers ops wire db"},
		{"pages", "serve mirror offers ops wire db"},
		{"mirror", "pages offers ops wire db"},
		{"doctor", "ops wire dispatcher config caller"},
		{"offers", "ops wire dispatcher rpm caller"},
		{"db", "offers ops wire transport rpm"},
		{"transport", "offers ops wire db rpm"},
		{"rpm", "offers ops wire db transport tree"},
		{"appstream", "offers ops wire db transport rpm catalogue"},
		{"rich", "offers ops wire db transport rpm tree"},
		{"tree", "offers ops wire db transport rpm"},
		{"wire", "offers ops db transport rpm"},
		{"config", "offers ops wire db transport rpm tree"},
	} {
		out, err := exec.Command("go", "list", "-deps", module+rule.of).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 10 {
			t.Fatalf("%s: only %q", rule.of, deps)
		}
		for _, dep := range deps {
			for not := range strings.FieldsSeq(rule.not) {
				if dep == module+not || strings.HasPrefix(dep, module+not+"/") {
					t.Errorf("%s reaches %s", rule.of, dep)
				}
			}
		}
	}
}
