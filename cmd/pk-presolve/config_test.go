package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMounts(t *testing.T) {
	const rest = "\n[[source]]\nid = \"school\"\nurl = \"http://schoolserver\"\nsignatures = \"none\"\n"
	for _, tt := range []struct {
		table, signatures string
		folders           []string
		problem           string
	}{
		{"", "required", []string{"/run/media", "/media", "/mnt"}, ""},
		{"[mounts]\nfolders = []\n", "required", nil, ""},
		{"[mounts]\nfolders = [\"/usb\"]\nsignatures = \"none\"\n", "none", []string{"/usb"}, ""},
		{"[mounts]\nfolders = [\"usb\"]\n", "", nil, "2: mounts: folders should be absolute paths"},
		{"[mounts]\nfolders = [\"/\"]\n", "", nil, "2: mounts: folders should be absolute paths"},
		{"[mounts]\nsignatures = \"optional\"\n", "", nil, `2: mounts: signatures = "optional" should be "required" or "none"`},
		{"[mounts]\nfolder = [\"/usb\"]\n", "", nil, `3: there is no key "mounts.folder"`},
	} {
		c, err := parseConfig([]byte("platform = \"school-1-x86_64\"\n" + tt.table + rest))
		switch {
		case tt.problem != "":
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%q: %v", tt.table, err)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.table, err)
		case c.Mounts.Signatures != tt.signatures || !slices.Equal(c.Mounts.Folders, tt.folders):
			t.Errorf("%q: %+v", tt.table, c.Mounts)
		}
	}
}
