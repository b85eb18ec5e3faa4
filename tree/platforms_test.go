// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"reflect"
	"strings"
	"testing"
)

func TestPlatforms(t *testing.T) {
	want := &Platforms{Format: Format, Platforms: []PlatformEntry{{"fedora-18-i686", "i686"}, {"fedora-19-i686", "i686"}}}
	data := mustEncode(t, want)
	if got, err := ParsePlatforms(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParsePlatforms: %+v, %v", got, err)
	}
	for name, text := range map[string]string{
		"no JSON":             "<html>",
		"a newer format":      `{"format":3,"platforms":[]}`,
		"a name with a path":  `{"format":2,"platforms":[{"platform":"../x","arch":"i686"}]}`,
		"a name with a tab":   `{"format":2,"platforms":[{"platform":"a\tb","arch":"i686"}]}`,
		"no architecture":     `{"format":2,"platforms":[{"platform":"a"}]}`,
		"larger than any is":  `{"format":2,"x":"` + strings.Repeat("x", MaxPlatform) + `"}`,
		"a list of something": `[]`,
	} {
		if p, err := ParsePlatforms([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func FuzzParsePlatforms(f *testing.F) {
	f.Add([]byte(`{"format":2,"platforms":[{"platform":"fedora-18-i686","arch":"i686"},{"platform":"fedora-20-i686","arch":"i686"}]}`))
	f.Add([]byte(`{"format":2,"platforms":[{"platform":"../x","arch":"i686"}]}`))
	f.Add([]byte(`{"format":2,"platforms":[` + strings.Repeat(`{},`, maxPlatforms) + `{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePlatforms(data)
		if err != nil {
			return
		}
		if len(p.Platforms) > maxPlatforms+64 {
			t.Errorf("%d platforms were taken", len(p.Platforms))
		}
		for _, e := range p.Platforms {
			if CheckName(e.Platform) != nil || e.Arch == "" {
				t.Errorf("%q was taken", e)
			}
		}
	})
}
