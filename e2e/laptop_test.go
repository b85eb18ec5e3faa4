// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// makeLaptop makes a laptop whose source has a URL; empty: the school's server.
func makeLaptop(t *testing.T, url, more string) *testbed.Laptop {
	t.Helper()
	l, err := school.Laptop(url, "presolve", more)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start starts the helper of a laptop.
func start(t *testing.T, l *testbed.Laptop, args ...string) *laptoptest.Helper {
	t.Helper()
	return laptoptest.Start(t, school.Tools, l, nil, args...)
}

func has(lines []string, prefix string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, prefix) })
}
