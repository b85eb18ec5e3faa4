// SPDX-License-Identifier: GPL-2.0-or-later

package platform

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

func TestRelease(t *testing.T) {
	for _, tt := range []struct{ platform, arch, family, version string }{
		{"fedora-18-i686", "i686", "fedora", "18"}, {"opensuse-leap-15.6-x86_64", "x86_64", "opensuse-leap", "15.6"},
		{"olpc", "i686", "olpc", ""}, {"debian-12", "x86_64", "debian", "12"},
	} {
		if family, version := release(tt.platform, tt.arch); family != tt.family || version != tt.version {
			t.Errorf("release(%s) = %q, %q", tt.platform, family, version)
		}
	}
}

func TestUpgrades(t *testing.T) {
	served := map[string]string{
		"school": `{"format":2,"platforms":[{"platform":"fedora-17-i686","arch":"i686"},{"platform":"fedora-18-i686","arch":"i686"},{"platform":"fedora-20-i686","arch":"i686"},` +
			`{"platform":"fedora-20-x86_64","arch":"x86_64"},{"platform":"debian-19-i686","arch":"i686"}]}`,
		"city":   `{"format":2,"platforms":[{"platform":"fedora-20-i686","arch":"i686"},{"platform":"fedora-101-i686","arch":"i686"}]}`,
		"portal": "<html>log in</html>",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, ok := served[strings.Split(r.URL.Path, "/")[1]]; ok && strings.HasSuffix(r.URL.Path, "/platforms.json") {
			w.Write([]byte(text))
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	for _, tt := range []struct{ sources, command, want string }{
		{"school city", "get-distro-upgrades", "distro-upgrade\tstable\tfedora-101-i686\tfedora-101-i686, published by the city\ndistro-upgrade\tstable\tfedora-20-i686\tfedora-20-i686, published by school\n"},
		{"portal school", "get-distro-upgrades", "distro-upgrade\tstable\tfedora-20-i686\tfedora-20-i686, published by school\n"},
		{"old", "get-distro-upgrades", ""},
		{"", "get-distro-upgrades", ""},
		{"portal", "get-distro-upgrades", "error\trepo-not-available\tthe source portal ("},
		{"school", "upgrade-system fedora-20-i686", "error\tnot-supported\tthis computer has fedora-18-i686, and its system comes as an image"},
		{"school", "upgrade-system fedora-20", "error\tnot-supported\t"},
		{"school", "upgrade-system fedora-17-i686", "error\tno-distro-upgrade-data\t"},
		{"old", "upgrade-system fedora-20-i686", "error\tno-distro-upgrade-data\tno source publishes \"fedora-20-i686\" as a later release of fedora-18-i686"},
	} {
		t.Run(tt.sources+" "+tt.command, func(t *testing.T) {
			record, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "record.sqlite"))
			if err != nil {
				t.Fatal(err)
			}
			defer record.Close()
			net := transport.New(transport.Options{SmallRetryFor: time.Second})
			defer net.Close()
			o := offers.Config{Platform: "fedora-18-i686"}
			for id := range strings.FieldsSeq(tt.sources) {
				name := ""
				if id == "city" {
					name = "the city"
				}
				o.Sources = append(o.Sources, offers.Source{ID: id, Name: name, URL: server.URL + "/" + id, Layout: offers.Presolve})
			}
			s, err := ops.NewSystem(t.Context(), ops.Config{Record: record, Net: net, RPM: rpm.Database{Root: t.TempDir(), Path: "/"}, Log: hclog.NewNullLogger()}, o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			m := make(ops.Mux)
			Register(m, s)
			var out bytes.Buffer
			w := wire.NewWriter(&out, wire.V1_2, nil)
			w.Begin()
			r, err := wire.V1_2.Parse(strings.Fields(tt.command))
			if err != nil {
				t.Fatal(err)
			}
			w.Finish(ops.AsError(m[r.Command].Do(t.Context(), w, r)))
			got, ok := strings.CutPrefix(out.String(), "status\tquery\n")
			if !ok || !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "finished\n" {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
