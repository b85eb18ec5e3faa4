// SPDX-License-Identifier: GPL-2.0-or-later

package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// said is what a look says.
func said(c Computer, look func(*examination)) (all []Finding) {
	look(&examination{Computer: &c, tell: func(f Finding) { all = append(all, f) }})
	return all
}

// packagekitd takes the backend where its configuration names it, it is there, and it fits. The files are
// compiled: what they export and need is read as of real ones.
func TestPackageKit(t *testing.T) {
	compile := func(path, source string, args ...string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("gcc", append(args, "-x", "c", "-o", path, "-")...)
		cmd.Stdin = strings.NewReader(source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s: run ./setup", err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const on = "[Daemon]\n#DefaultBackend=apt\nDefaultBackend = presolve\n"
	stub := `extern void pk_backend_job_finished (void); const char *helper = "` + self + `"; void start (void) { pk_backend_job_finished (); }`
	for _, tt := range []struct {
		name, conf, stub string // stub: C; empty: it isn't there
		verdict          Verdict
		says             string
	}{
		{"as it should be", on, stub, OK, "its backend is presolve"},
		{"another", "[Daemon]\nDefaultBackend=apt\n", stub, Warning, "the backend is apt by"},
		{"none is named", "[Daemon]\n#DefaultBackend=presolve\n", "", Warning, "whichever packagekitd finds"},
		{"named elsewhere", "[Other]\nDefaultBackend=presolve\n", stub, Warning, "whichever packagekitd finds"},
		{"it isn't there", on, "", Wrong, "has no libpk_backend_presolve.so"},
		{"it needs what isn't there", on, strings.ReplaceAll(stub, "job_finished", "job_unknown"), Wrong, "packagekitd has no pk_backend_job_unknown"},
		{"it starts another program", on, strings.ReplaceAll(stub, self, "/opt/pk-presolve"), Warning, "starts another program"},
		{"it is no library", on, "-", Wrong, "can't load"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			compile(filepath.Join(dir, "usr/libexec/packagekitd"), "void pk_backend_job_finished (void) {} int main (void) { return 0; }", "-rdynamic")
			lib := filepath.Join(dir, "usr/lib64/packagekit-backend/libpk_backend_presolve.so")
			switch tt.stub {
			case "":
			case "-":
				if err := os.MkdirAll(filepath.Dir(lib), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(lib, []byte("no library"), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				compile(lib, tt.stub, "-shared", "-fPIC")
			}
			if err := os.MkdirAll(filepath.Join(dir, "etc/PackageKit"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "etc/PackageKit/PackageKit.conf"), []byte(tt.conf), 0o644); err != nil {
				t.Fatal(err)
			}
			all := said(Computer{System: dir}, func(e *examination) { e.packagekit(t.Context()) })
			if len(all) != 1 || all[0].Verdict != tt.verdict || !strings.Contains(all[0].Text, tt.says) || (all[0].Next == "") != (tt.verdict == OK) {
				t.Errorf("%+v, want %v %q", all, tt.verdict, tt.says)
			}
		})
	}
	if all := said(Computer{System: t.TempDir()}, func(e *examination) { e.packagekit(t.Context()) }); len(all) != 1 || all[0].Verdict != Warning {
		t.Errorf("no packagekitd: %+v", all)
	}
}

// What is published for how long decides the verdict.
func TestPublished(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name           string
		expires, until time.Time
		want           Verdict
	}{
		{"long enough", now.Add(soon + time.Hour), time.Time{}, OK},
		{"not for long", now.Add(soon - time.Hour), time.Time{}, Warning},
		{"its keys for long", now.Add(2 * soon), now.Add(2 * soon), OK},
		{"its keys not for long", now.Add(2 * soon), now.Add(soon - time.Hour), Warning},
	} {
		p := &tree.Platform{Created: now, Expires: tt.expires}
		all := said(Computer{}, func(e *examination) {
			e.published("source a", "http://a", offers.Look{Platform: p, Accepted: &trust.Accepted{Platform: p, Until: tt.until}})
		})
		if len(all) != 1 || all[0].Verdict != tt.want {
			t.Errorf("%s: %+v", tt.name, all)
		}
	}
}

func TestClock(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offset time.Duration
		timed  string
		built  time.Time
		want   Verdict
	}{
		{"right", time.Hour, "school", time.Time{}, OK},
		{"ahead", 2 * slack, "school", time.Time{}, Wrong},
		{"behind", -2 * slack, "school", time.Time{}, Warning},
		{"nobody tells", 0, "", time.Time{}, OK},
		{"before the program was built", 0, "", time.Now().Add(2 * slack), Warning},
	} {
		all := said(Computer{Built: tt.built}, func(e *examination) {
			e.offset, e.timed = tt.offset, tt.timed
			e.clock(t.Context())
		})
		if len(all) != 1 || all[0].Verdict != tt.want {
			t.Errorf("%s: %+v", tt.name, all)
		}
	}
}

// Keys that can't be read, or have expired, are told, each by its file.
func TestKeyring(t *testing.T) {
	dir := t.TempDir()
	if all := said(Computer{Keyring: filepath.Join(dir, "missing")}, func(e *examination) { e.keyring(t.Context()) }); len(all) != 1 || all[0].Verdict != OK {
		t.Errorf("no folder: %+v", all)
	}
	named := ""
	for name, key := range map[string]struct{ validFor, age time.Duration }{"good": {24 * time.Hour, 0}, "expired": {time.Hour, 2 * time.Hour}} {
		s, err := pgp.Generate("School <school@example.org>", key.validFor, time.Now().Add(-key.age))
		if err != nil {
			t.Fatal(err)
		}
		if expires := s.Expires(); expires.Sub(s.Created) != key.validFor {
			t.Errorf("%s: it expires at %v, and was made at %v", name, expires, s.Created)
		}
		if err := os.WriteFile(filepath.Join(dir, name), s.Armoured, 0o644); err != nil {
			t.Fatal(err)
		}
		named += s.Fingerprint + " "
	}
	if err := os.WriteFile(filepath.Join(dir, "odd"), []byte("no key"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := Computer{Keyring: dir, Offers: offers.Config{Sources: []offers.Source{{Keys: named}}}}
	all := said(c, func(e *examination) { e.keyring(t.Context()) })
	if len(all) != 3 || !strings.Contains(all[0].Text, "expired") || !strings.Contains(all[1].Text, "odd: ") || all[2] != (Finding{OK, "keys", dir + " has 1", ""}) {
		t.Errorf("%+v", all)
	}
}

func FuzzOSRelease(f *testing.F) {
	f.Add([]byte("NAME=School\nID=school\nVERSION_ID=\"1\"\nPRETTY_NAME='School 1'\n"))
	f.Add([]byte("ID=\"a\x1b[2J\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := parseOSRelease(data)
		for _, s := range []string{o.id, o.version, o.name} {
			if strings.ContainsAny(s, "\n\r\t\x1b") {
				t.Errorf("%q", s)
			}
		}
	})
}
