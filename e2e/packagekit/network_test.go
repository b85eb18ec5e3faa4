// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What a laptop has heard of it answers without its server.
func TestServerDown(t *testing.T) {
	l := start(t)
	l.Run("Resolve", none, []string{"hello"})
	l.Run("RefreshCache", false)
	l.Fault(testbed.Down)
	for _, r := range roles {
		if !slices.Contains([]string{"Resolve", "SearchNames", "SearchDetails", "GetPackages", "GetDetails"}, r.method) {
			continue
		}
		if result := l.Run(r.method, r.args...); answer(l, result) != r.want {
			t.Errorf("%s without a server: %v", r.method, result)
		}
	}
}

// The helper hears of the network's state. Without one it says so, and a stick is as good.
func TestNetwork(t *testing.T) {
	for state, want := range map[uint32]string{networkOffline: "NETWORK=FALSE", networkOnline: "NETWORK=TRUE"} {
		t.Run(want, func(t *testing.T) {
			l := newLaptop(t, "")
			environment := filepath.Join(t.TempDir(), "environment")
			script := environment + ".sh"
			check(t, os.WriteFile(script, []byte("env >"+environment+"\nexec "+l.Helper+` "$@"`+"\n"), 0o644))
			l.Daemon = pktest.StartWith(t, pktest.Options{Helper: pktest.Wrap(t, "/bin/sh", script), Offline: state == networkOffline})
			if got := l.Property("NetworkState"); got != state {
				t.Skipf("PackageKit finds this computer's network in the state %v", got)
			}
			result := l.Run("Resolve", none, []string{"hello"})
			if code, _ := result.Error(); state == networkOffline && code != errorNoNetwork {
				t.Errorf("resolve offline: %v", result)
			} else if state == networkOnline && packages(result) != "available hello" {
				t.Errorf("resolve: %v", result)
			}
			env, err := os.ReadFile(environment)
			check(t, err)
			if !slices.Contains(strings.Split(string(env), "\n"), want) {
				t.Errorf("the helper's environment:\n%s", env)
			}
		})
	}
	l := newLaptop(t, "")
	stick, err := school.Laptop("file://"+school.Published(), "presolve", "")
	check(t, err)
	l.Laptop, l.Helper = stick, pktest.Wrap(t, school.Helper, "--config", stick.Config)
	l.Daemon = pktest.StartWith(t, pktest.Options{Helper: l.Helper, Offline: true})
	l.installs(t, hello)
}
