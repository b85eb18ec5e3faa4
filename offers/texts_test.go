// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"strings"
	"testing"
)

func TestLanguages(t *testing.T) {
	for locale, want := range map[string]string{
		"": "", "C": "", "POSIX": "", "C.UTF-8": "", "de": "de", "de_DE": "de_DE de", "pt_BR.UTF-8": "pt_BR pt", "pt-BR": "pt_BR pt",
		"sr_RS.UTF-8@latin": "sr_RS@latin sr@latin sr_RS sr", "ca@valencia": "ca@valencia ca", "../x": "", "de'; DROP": "", "quz_PE": "quz_PE quz",
	} {
		if got := strings.Join(Languages(locale), " "); got != want {
			t.Errorf("%q asks for %q, want %q", locale, got, want)
		}
	}
}
