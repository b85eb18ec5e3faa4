// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bytes"
	"os"
	"testing"
)

// change changes the first letter of a text in a file.
func change(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte(text))
	if i < 0 {
		t.Fatalf("%s has no %q", path, text)
	}
	data[i] ^= 0x20
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
