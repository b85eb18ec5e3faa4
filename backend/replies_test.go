// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// Each reply word becomes the right signal, with the right values.
var replies = []struct {
	line   string
	signal string // "Property X" where the value is that of a property
	body   []any
}{
	{"package\tavailable\t" + foo + "\tA foo & more", "Package", []any{uint32(infoAvailable), foo, "A foo & more"}},
	{"package\tinstalled\t" + bar + "\t", "Package", []any{uint32(infoInstalled), bar, ""}},
	{"details\t" + foo + "\tA foo\tGPL\tgames\tone;two\thttp://x\t4294967296", "Details", []any{map[string]dbus.Variant{
		"package-id": dbus.MakeVariant(foo), "summary": dbus.MakeVariant("A foo"), "license": dbus.MakeVariant("GPL"),
		"group": dbus.MakeVariant(uint32(11)), "description": dbus.MakeVariant("one\ntwo"),
		"url": dbus.MakeVariant("http://x"), "size": dbus.MakeVariant(uint64(1 << 32))}}},
	{"details\t" + foo + "\tA foo\tGPL\tno-such-group\td\t\t7\t9", "Details", []any{map[string]dbus.Variant{
		"package-id": dbus.MakeVariant(foo), "summary": dbus.MakeVariant("A foo"), "license": dbus.MakeVariant("GPL"),
		"description": dbus.MakeVariant("d"), "url": dbus.MakeVariant(""), "size": dbus.MakeVariant(uint64(7)),
		"download-size": dbus.MakeVariant(uint64(9))}}},
	{"files\t" + foo + "\t/usr/bin/foo;/usr/share/foo", "Files", []any{foo, []string{"/usr/bin/foo", "/usr/share/foo"}}},
	{"updatedetail\t" + foo + "\t" + bar + "&" + bar + "\t\thttp://v;http://w\thttp://b\thttp://c\tsession\tfixes;all\tlog\tstable\t2026-01-02T03:04:05\t",
		"UpdateDetail", []any{foo, []string{bar, bar}, []string{}, []string{"http://v", "http://w"}, []string{"http://b"},
			[]string{"http://c"}, uint32(3), "fixes\nall", "log", uint32(1), "2026-01-02T03:04:05", ""}},
	{"repo-detail\tschool\tThe school's server\ttrue", "RepoDetail", []any{"school", "The school's server", true}},
	{"repo-detail\tusb\tA stick\tfalse", "RepoDetail", []any{"usb", "A stick", false}},
	{"category\t\tgames\tGames\tTo play\tapplications-games", "Category", []any{"", "games", "Games", "To play", "applications-games"}},
	{"distro-upgrade\tstable\tf19\tFedora 19", "DistroUpgrade", []any{uint32(1), "f19", "Fedora 19"}},
	{"repo-signature-required\t" + foo + "\tschool\thttp://k\tTeacher\tabcd\tef01\t2026-01-02\tgpg",
		"RepoSignatureRequired", []any{foo, "school", "http://k", "Teacher", "abcd", "ef01", "2026-01-02", uint32(1)}},
	{"eula-required\teula1\t" + foo + "\tVendor\tAgree;please", "EulaRequired", []any{"eula1", foo, "Vendor", "Agree\nplease"}},
	{"media-change-required\tdvd\tdisc-2\tThe second", "MediaChangeRequired", []any{uint32(2), "disc-2", "The second"}},
	{"requirerestart\tsystem\t" + foo, "RequireRestart", []any{uint32(4), foo}},
	{"item-progress\t" + foo + "\tdownload\t42", "ItemProgress", []any{foo, uint32(statusDownload), uint32(42)}},
	{"status\tdownload", "Property Status", []any{uint32(statusDownload)}},
	{"percentage\t42", "Property Percentage", []any{uint32(42)}},
	{"speed\t123456", "Property Speed", []any{uint32(123456)}},
	{"download-size-remaining\t3000000000", "Property DownloadSizeRemaining", []any{uint64(3000000000)}}, // 1.2.6 has 32 bits for it
	{"allow-cancel\tfalse", "Property AllowCancel", []any{false}},
	{"error\tpackage-not-found\tNo foo: 100%;none at all", "ErrorCode", []any{uint32(errorPackageNotFound), "No foo: 100%\nnone at all"}},
	{"error\tno-such-code\tStill a failure", "ErrorCode", []any{uint32(errorInternal), "Still a failure"}},
}

func TestReplies(t *testing.T) {
	d, th := start(t)
	var p *puppet
	for _, r := range replies {
		x := d.Begin()
		if err := x.Call("GetPackages", none); err != nil {
			t.Fatal(err)
		}
		if p == nil {
			p = th.Enter()
		}
		p.Command("get-packages", "none")
		p.Write("status\tquery", r.line, "finished")
		result := x.Wait()
		if name, ok := strings.CutPrefix(r.signal, "Property "); ok {
			if values := result.Property(name); !contains(values, r.body[0]) {
				t.Errorf("%q: %s was %v, want %v", r.line, name, values, r.body[0])
			}
			continue
		}
		if got := result.All(r.signal); len(got) != 1 || !reflect.DeepEqual(got[0], r.body) {
			t.Errorf("%q:\n got %v\nwant %v", r.line, got, r.body)
		}
	}
}

func contains(values []any, want any) bool {
	for _, v := range values {
		if reflect.DeepEqual(v, want) {
			return true
		}
	}
	return false
}

// Every word that is in the table of the stub is tested above, or has no signal.
var quiet = []string{"no-percentage-updates", "message\tconfig-files-changed\tx", "subpercentage\t7"}

// A line may arrive in any pieces, and any number of lines in one.
func TestSplitAnywhere(t *testing.T) {
	d, th := start(t)
	transcript := "status\tquery\npackage\tavailable\t" + foo + "\tgrößer\n" + strings.Join(quiet, "\n") +
		"\npackage\tavailable\t" + bar + "\t\npercentage\t50\nfinished\n"
	var p *puppet
	for i := 0; i <= len(transcript); i++ {
		x := d.Begin()
		x.Call("GetPackages", none)
		if p == nil {
			p = th.Enter()
		}
		p.Expect("command")
		if i == len(transcript) { // byte by byte
			for _, b := range []byte(transcript) {
				p.WriteRaw(string([]byte{b}))
			}
		} else {
			p.WriteRaw(transcript[:i])
			p.WriteRaw(transcript[i:])
		}
		result := x.Wait()
		if got := fmt.Sprint(result.All("Package")); got != fmt.Sprintf("[[2 %s größer] [2 %s ]]", foo, bar) || result.Exit() != exitSuccess {
			t.Fatalf("split at %d: %v, exit %d", i, got, result.Exit())
		}
	}
	if strings.Contains(d.Log(), "left out a line") {
		t.Error("a line was left out")
	}
}

// Clients that know the signal "Packages" get many in one; in the right order with what is between
// them.
func TestManyPackages(t *testing.T) {
	d, th := start(t)
	for _, plural := range []bool{false, true} {
		x := d.Begin()
		if plural {
			x = d.Begin("supports-plural-signals=true")
		}
		x.Call("GetPackages", none)
		p := th.Enter()
		p.Expect("command")
		var lines []string
		const n = 20000
		for i := range n {
			lines = append(lines, fmt.Sprintf("package\tavailable\tp%d;1-1;noarch;school\tSummary of %d", i, i))
		}
		lines = append(lines, "item-progress\t"+foo+"\tdownload\t1", "package\tavailable\tlast;1-1;noarch;school\t", "finished")
		p.Write(lines...)
		result := x.Wait()
		var ids, order []string
		for _, s := range result {
			switch s.Name {
			case "Package":
				ids = append(ids, s.Body[1].(string))
			case "Packages":
				for _, row := range s.Body[0].([][]any) {
					ids = append(ids, row[1].(string))
				}
			}
			if len(order) == 0 || order[len(order)-1] != s.Name {
				order = append(order, s.Name)
			}
		}
		if len(ids) != n+1 || ids[n-1] != fmt.Sprintf("p%d;1-1;noarch;school", n-1) || ids[n] != "last;1-1;noarch;school" {
			t.Errorf("plural %v: %d packages", plural, len(ids))
		}
		name := map[bool]string{false: "Package", true: "Packages"}[plural]
		if got := strings.Join(order, " "); !strings.Contains(got, name+" ItemProgress "+name) {
			t.Errorf("plural %v: order of signals %s", plural, got)
		}
		p.Exit(0)
		p.Ends()
	}
}

// What many packages took goes back to the system some time after the last of them.
func TestMemoryIsGivenBack(t *testing.T) {
	flags := []string{"-DTRIM_SECONDS=1"} // the results are still there then
	long := os.Getenv("PRESOLVE_LONG") != ""
	if long {
		flags = nil
	}
	d, th := start(t, flags...)
	var p *puppet
	for _, n := range []int{20000, 20000, 20000, 1} {
		x := d.Begin()
		x.Call("GetPackages", none)
		if p == nil {
			p = th.Enter()
		}
		p.Expect("command")
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("package\tavailable\tp%d;1-1;noarch;school\tSummary of %d", i, i))
		}
		p.Write(append(lines, "finished")...)
		if exit := x.Wait().Exit(); exit != exitSuccess {
			t.Fatalf("exit %d", exit)
		}
	}
	d.WaitLog("free memory was given back")
	memory := func(field string) (kib int) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(status), field+":")
		fmt.Sscan(after, &kib)
		return kib
	}
	if now, most := memory("VmRSS"), memory("VmHWM"); long && now > most*2/3 {
		t.Errorf("packagekitd has %d KiB, and had %d", now, most)
	}
}

// A line that makes no sense is left out, and the rest counts.
func TestBadLines(t *testing.T) {
	d, th := start(t)
	bad := []string{
		"", "\t", "no-such-word", "package", "package\tavailable\t" + foo, "package\tno-such-info\t" + foo + "\tx",
		"package\tavailable\tfoo\tx", "package\tavailable\t" + foo + "\tnot UTF-8 \xff", "package\tavailable\t" + foo + "\tNUL \x00",
		"percentage\t101", "percentage\t-1", "percentage\tx", "percentage\t", "speed\t1.5", "allow-cancel\tmaybe",
		"status\tno-such-status", "finished\tnow", "details\t" + foo + "\ts\tl\tgames\td\tu\thuge",
		"files\tfoo\t/x", "repo-detail\tx\ty\tyes", "category\tx\tx\tn\ts\ti", "category\t\tx\tn\ts\t",
		"distro-upgrade\tbeta\tx\ty", "requirerestart\tnever\t" + foo, "requirerestart\tsystem\tfoo",
		"item-progress\t" + foo + "\tdownload\t101", "item-progress\tfoo\tdownload\t1", "eula-required\t\t" + foo + "\tv\tt",
		"media-change-required\ttape\tx\ty", "repo-signature-required\t" + foo + "\ts\tu\tu\ti\tf\tt\tpgp",
		"updatedetail\t" + foo + "\t\t\t\t\t\tmaybe\t\t\tstable\t\t", strings.Repeat("x", 1<<20),
	}
	x := d.Begin()
	x.Call("GetPackages", none)
	p := th.Enter()
	p.Write("status\tquery")
	for _, line := range bad {
		p.Write(line)
	}
	p.Write("package\tavailable\t"+foo+"\tgood\tone field too many", "package\tavailable\t"+foo+"\tbell \a escape \x1b[2J", "finished")
	result := x.Wait()
	if got := fmt.Sprint(result.All("Package")); got != fmt.Sprintf("[[2 %s bell   escape  [2J]]", foo) || result.Exit() != exitSuccess {
		t.Errorf("packages %v, exit %d", got, result.Exit())
	}
	d.WaitLog("one field too many")
	if got, want := strings.Count(d.Log(), "left out a line of the helper"), len(bad)+1; got != want {
		t.Errorf("%d lines were left out, want %d", got, want)
	}
}

// How urgent an update is, clients find beside its info; of nothing else is it told.
func TestSeverity(t *testing.T) {
	d, th := start(t)
	if !slices.Contains(symbols(t, "--defined-only", "/usr/libexec/packagekitd"), "pk_backend_job_package_full") {
		t.Skip("packagekitd has no severities")
	}
	var p *puppet
	for _, method := range []string{"GetUpdates", "GetPackages"} {
		x := d.Begin()
		x.Call(method, none)
		if p == nil {
			p = th.Enter()
		}
		p.Expect("command")
		p.Write("package\tsecurity\t"+foo+"\tA foo", "package\tblocked\t"+bar+"\tA bar", "finished")
		severity := uint32(7) // important
		if method == "GetPackages" {
			severity = 0
		}
		want := fmt.Sprintf("[[%d %s A foo] [%d %s A bar]]", 8|severity<<16, foo, 9, bar)
		if got := fmt.Sprint(x.Wait().All("Package")); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

// The list of a package's files may be long.
func TestManyFiles(t *testing.T) {
	th := newTheatre(t)
	d := pktest.Start(t, th.Helper)
	x := d.Begin()
	x.Call("GetFiles", []string{foo})
	const n = 100000
	p := th.Enter()
	p.Write("files\t"+foo+"\t"+strings.TrimSuffix(strings.Repeat("/usr/share/icons/hicolor/scalable/apps/icon.svg;", n), ";"), "finished")
	files := x.Wait().All("Files")
	if len(files) != 1 || len(files[0][1].([]string)) != n {
		t.Errorf("%d lists of files", len(files))
	}
}

// After an error only the end counts; what else a helper says isn't packagekitd's business any
// more.
func TestAfterError(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("GetPackages", none)
	p := th.Enter()
	p.Write("status\tquery", "error\tpackage-not-found\tfirst", "error\tinternal-error\tsecond", "percentage\t5",
		"package\tavailable\t"+foo+"\t", "finished")
	result := x.Wait()
	if code, text := result.Error(); code != errorPackageNotFound || text != "first" || len(result.All("ErrorCode")) != 1 {
		t.Errorf("error %d %q", code, text)
	}
	if len(result.All("Package")) != 0 || strings.Contains(d.Log(), "already set error") {
		t.Error("something was signalled after the error")
	}
}
