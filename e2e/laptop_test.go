package e2e

import (
	"strings"
	"testing"

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

// A talking is a running helper whose failures are the test's.
type talking struct {
	*testbed.Helper
	t *testing.T
}

// start starts the helper of a laptop, which is killed when the test ends.
func start(t *testing.T, l *testbed.Laptop, args ...string) *talking {
	t.Helper()
	h, err := school.Start(l.Config, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	return &talking{h, t}
}

// do carries out a command.
func (h *talking) do(words ...string) []string {
	h.t.Helper()
	lines, err := h.Do(words...)
	if err != nil {
		h.t.Fatal(err)
	}
	return lines
}

// ok carries out a command that must work.
func (h *talking) ok(words ...string) []string {
	h.t.Helper()
	lines := h.do(words...)
	if e := isError(lines); e != "" {
		h.t.Fatalf("%q failed: %s", words, e)
	}
	return lines
}

// isError is the code and text of the error in a reply, "" where there is none.
func isError(lines []string) string {
	for _, l := range lines {
		if e, ok := strings.CutPrefix(l, "error\t"); ok {
			return e
		}
	}
	return ""
}
