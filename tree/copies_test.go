// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"reflect"
	"testing"
)

func TestCopies(t *testing.T) {
	want := &Copies{Format: Format, Platform: "school-1-x86_64", RPMs: true}
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseCopies(data, want.Platform); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "{}", `{"format":3,"platform":"school-1-x86_64"}`, `{"format":2,"platform":"other-1-x86_64"}`, `{"format":2,"platform":"school-1-x86_64","rpms":1}`} {
		if got, err := ParseCopies([]byte(text), want.Platform); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// Each RPM has one name in a copy, and those of other digests have others.
func TestCopyOf(t *testing.T) {
	const a, b = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
	for _, test := range []struct {
		of   Package
		want string
	}{
		{Package{Location: "rpms/x-1-1.noarch.rpm", SHA256: a}, "rpms/x-1-1.noarch.rpm"},
		{Package{Repository: 1, Location: "Packages/x-1-1.noarch.rpm", SHA256: a}, "rpms/0123456789abcdef.rpm"},
		{Package{Repository: 2, Location: "Packages/x-1-1.noarch.rpm", SHA256: b}, "rpms/fedcba9876543210.rpm"},
		{Package{URLs: []string{"http://a.invalid/x.rpm"}, Digest: Digest("sha512:" + a + b)}, "rpms/0123456789abcdef.rpm"},
		{Package{URLs: []string{"http://a.invalid/x.rpm"}}, ""},
	} {
		if got := CopyOf(&test.of); got != test.want {
			t.Errorf("%+v: %q, want %q", test.of, got, test.want)
		}
	}
}

func FuzzParseCopies(f *testing.F) {
	f.Add([]byte(`{"format":2,"platform":"school-1-x86_64","rpms":true,"chosen":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCopies(data, "school-1-x86_64")
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseCopies(again, c.Platform); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v, %v, of %+v", got, err, c)
		}
	})
}
