// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/wire/wiretest"
)

// both is a stdout and a stderr in one; the lines of stderr begin with NUL, which no line has.
type both struct{ bytes.Buffer }

func (b *both) stderr() *marked { return &marked{b} }

type marked struct{ to *both }

func (m *marked) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		m.to.WriteByte(0)
		m.to.Write(line)
	}
	return len(p), nil
}

// Every reply in every dialect, byte for byte. A text stands for the dialects before it; a dialect
// that has none doesn't have the reply. A line that begins with "!" is on stderr.
func TestRepliesOfEveryDialect(t *testing.T) {
	b := PackageID{"b", "1-1", "i686", "installed"}
	issued := time.Date(2013, 1, 15, 12, 0, 0, 0, time.UTC)
	update := UpdateDetail{
		ID: anID, Updates: []PackageID{b, b}, Obsoletes: []PackageID{b}, VendorURLs: []string{"http://v/1", "http://v/2"}, BugURLs: []string{"http://b/"}, CVEURLs: []string{"http://c/"},
		Restart: "security-session", Text: "Two\nlines", Changelog: "all", State: "stable", Issued: issued, Updated: issued.Add(time.Hour),
	}
	big := Details{ID: anID, Summary: "Brain teaser", License: "GPL", Group: "documentation", Description: "One\ttwo\nthree", URL: "http://x/", Size: 5 << 30, Download: 6 << 30}
	const released = "1.3 1.2 0.9 0.8 0.6 0.3 0.2 0.1"
	tests := []struct {
		name  string
		reply func(*Writer)
		want  map[string]string
	}{
		{"package", func(w *Writer) { w.Package(InfoInstalled, anID, "Brain"); w.Package(InfoAvailable, anID, "") }, map[string]string{
			released:   "package|installed|ID|Brain\npackage|available|ID|\n",
			"0.0":      "package_id|installed|ID|Brain\npackage_id|available|ID|\n",
			"external": "yes|gbrainy|Brain\nno|gbrainy|\n",
		}},
		{"package of get-deps", func(w *Writer) { w.Answer("get-deps"); w.Package(InfoAvailable, anID, "Brain") }, map[string]string{
			released:   "package|available|ID|Brain\n",
			"0.0":      "package_id|available|ID|Brain\n",
			"external": "yes|gbrainy|Brain\n",
		}},
		{"changed", func(w *Writer) {
			w.Changed(anID, "Brain")
			w.Package(InfoInstalled, PackageID{"gbrainy", "1", "noarch", "installed"}, "Brain")
		}, map[string]string{
			released:   "package|installed|gbrainy;1;noarch;installed|Brain\n",
			"0.0":      "package_id|installed|gbrainy;1;noarch;installed|Brain\n",
			"external": "yes|gbrainy|Brain\n", // once
		}},
		{"package that is worked on", func(w *Writer) { w.Package(InfoInstalling, anID, "Brain"); w.Package(InfoRemoving, anID, "") }, map[string]string{
			released:   "package|installing|ID|Brain\npackage|removing|ID|\n",
			"0.0":      "package_id|installing|ID|Brain\npackage_id|removing|ID|\n",
			"external": "!data:gbrainy\n!data:gbrainy\n",
		}},
		{"infos that came later", func(w *Writer) { w.Package(InfoCritical, anID, ""); w.Package(InfoReinstalling, anID, "") }, map[string]string{
			"1.3":             "package|critical|ID|\npackage|reinstalling|ID|\n",
			"1.2 0.9 0.8 0.6": "package|security|ID|\npackage|reinstalling|ID|\n",
			"0.3 0.2 0.1":     "package|security|ID|\npackage|installing|ID|\n",
			"0.0":             "package_id|security|ID|\npackage_id|installing|ID|\n",
			"external":        "no|gbrainy|\n!data:gbrainy\n",
		}},
		{"details", func(w *Writer) { w.Details(big) }, map[string]string{
			"1.3":         "details|ID|Brain teaser|GPL|documentation|One two;three|http://x/|5368709120|6442450944\n",
			"1.2":         "details|ID|Brain teaser|GPL|documentation|One two;three|http://x/|1073741824\n",
			"0.9":         "details|ID|GPL|documentation|One two;three|http://x/|1073741824|Brain teaser\n",
			"0.8 0.6 0.3": "details|ID|GPL|documentation|One two;three|http://x/|1073741824\n",
			"0.2":         "details|ID|GPL|other|One two;three|http://x/|1073741824\n",
			"0.1":         "description|ID|GPL|other|One two;three|http://x/|1073741824\n",
			"0.0":         "description|ID|other|One two;three|http://x/\n",
			"external":    "gbrainy|1:2.4-1|One two\nthree|http://x/\n",
		}},
		{"details, little known", func(w *Writer) {
			w.Details(Details{ID: b, Size: 7})
			w.Details(Details{ID: anID, Size: 7, Download: -1})
		}, map[string]string{
			"1.3":             "details|OTHER||unknown|unknown|||7|0\ndetails|ID||unknown|unknown|||7|18446744073709551615\n",
			"1.2":             "details|OTHER||unknown|unknown|||7\ndetails|ID||unknown|unknown|||7\n",
			"0.9":             "details|OTHER|unknown|unknown|||7|\ndetails|ID|unknown|unknown|||7|\n",
			"0.8 0.6 0.3 0.2": "details|OTHER|unknown|unknown|||7\ndetails|ID|unknown|unknown|||7\n",
			"0.1":             "description|OTHER|unknown|unknown|||7\ndescription|ID|unknown|unknown|||7\n",
			"0.0":             "description|OTHER|unknown||\ndescription|ID|unknown||\n",
			"external":        "b|1-1||\ngbrainy|1:2.4-1||\n",
		}},
		{"details, half of it here", func(w *Writer) {
			w.Details(Details{ID: anID, Size: 7, Download: 3})
			w.Details(Details{ID: b, Size: 7})
		}, map[string]string{
			"1.3":             "details|ID||unknown|unknown|||7|3\ndetails|OTHER||unknown|unknown|||7|0\n",
			"1.2":             "details|ID||unknown|unknown|||7\ndetails|OTHER||unknown|unknown|||7\n",
			"0.9":             "details|ID|unknown|unknown|||3|\ndetails|OTHER|unknown|unknown|||7|\n",
			"0.8 0.6 0.3 0.2": "details|ID|unknown|unknown|||3\ndetails|OTHER|unknown|unknown|||7\n",
			"0.1":             "description|ID|unknown|unknown|||3\ndescription|OTHER|unknown|unknown|||7\n",
			"0.0":             "description|ID|unknown||\ndescription|OTHER|unknown||\n",
			"external":        "gbrainy|1:2.4-1||\nb|1-1||\n",
		}},
		{"files", func(w *Writer) { w.Files(anID, []string{"/a", "/b;c", "/d e"}) }, map[string]string{
			released: "files|ID|/a;/d e\n",
		}},
		{"updatedetail", func(w *Writer) { w.UpdateDetail(update) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6": "updatedetail|ID|OTHER&OTHER|OTHER|http://v/1;http://v/2|http://b/|http://c/|security-session|Two;lines|all|stable|2013-01-15T12:00:00Z|2013-01-15T13:00:00Z\n",
			"0.3":                 "updatedetail|ID|OTHER&OTHER|OTHER|http://v/1;http://v/2|http://b/|http://c/|session|Two;lines|all|stable|2013-01-15T12:00:00Z|2013-01-15T13:00:00Z\n",
			"0.2 0.1":             "updatedetail|ID|OTHER&OTHER|OTHER|http://v/1;http://v/2|http://b/|http://c/|session|Two;lines\n",
			"0.0":                 "ID|OTHER&OTHER|OTHER|http://v/1;http://v/2|session|Two;lines\n",
		}},
		{"updatedetail, little known", func(w *Writer) { w.UpdateDetail(UpdateDetail{ID: anID}) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6 0.3": "updatedetail|ID||||||none|||unknown||\n",
			"0.2 0.1":                 "updatedetail|ID||||||none|\n",
			"0.0":                     "ID||||none|\n",
		}},
		{"repo-detail", func(w *Writer) { w.RepoDetail("school", "School\tserver", true); w.RepoDetail("usb", "", false) }, map[string]string{
			released: "repo-detail|school|School server|true\nrepo-detail|usb||false\n",
		}},
		{"category", func(w *Writer) {
			w.Category(Category{"a", "b", "B", "All of b", "applications-b"})
			w.Category(Category{ID: "c", Name: "C"})
		}, map[string]string{
			"1.3 1.2 0.9 0.8 0.6 0.3": "category|a|b|B|All of b|applications-b\ncategory||c|C||package-x-generic\n",
		}},
		{"distro-upgrade", func(w *Writer) { w.DistroUpgrade("stable", "school-2", "The next") }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6 0.3": "distro-upgrade|stable|school-2|The next\n",
		}},
		{"requirerestart", func(w *Writer) { w.RequireRestart("security-system", anID) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6": "requirerestart|security-system|ID\n",
			"0.3 0.2":             "requirerestart|system|ID\n",
			"0.1 0.0":             "!requirerestart|system|ID\n",
		}},
		{"repo-signature-required", func(w *Writer) {
			w.RepoSignatureRequired(Signature{anID, "school", "http://k/", "A <a@b>", "AB", "ABCD", "1"})
		}, map[string]string{
			"1.3 1.2 0.9 0.8 0.6 0.3 0.2": "repo-signature-required|ID|school|http://k/|A <a@b>|AB|ABCD|1|gpg\n",
		}},
		{"status", func(w *Writer) {
			w.Status(StatusQuery)
			w.Status(StatusDownloadPackagelist)
			w.Status(StatusRefreshCache)
			w.Status(StatusDownload)
			w.Status(StatusTestCommit)
			w.Status(StatusCommit)
			w.Status(StatusInstall)
		}, map[string]string{
			"1.3 1.2 0.9 0.8 0.6": "status|query\nstatus|download-packagelist\nstatus|refresh-cache\nstatus|download\nstatus|test-commit\nstatus|commit\nstatus|install\n",
			"0.3 0.2":             "status|query\nstatus|refresh-cache\nstatus|download\nstatus|test-commit\nstatus|commit\nstatus|install\n",
			"0.1":                 "!status|query\n!status|refresh-cache\n!status|download\n!status|commit\n!status|install\n",
			"0.0":                 "!status|query\n!status|refresh-cache\n!status|download\n!status|setup\n!status|install\n",
			"external":            "!status:download\n!status:install\n",
		}},
		{"percentage", func(w *Writer) { w.Percentage(40); w.Percentage(39); w.Percentage(200) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6 0.3 0.2": "percentage|40\npercentage|100\n",
			"0.1 0.0":                     "!percentage|40\n!percentage|100\n",
			"external":                    "!percentage:40\n!percentage:100\n",
		}},
		{"item-progress", func(w *Writer) {
			w.now = hours()
			w.ItemProgress(anID, StatusDownload, 10)
			w.ItemProgress(b, StatusDownload, 80) // meanwhile
			w.ItemProgress(anID, StatusDownload, 100)
			w.ItemProgress(b, StatusDownload, 95)
			w.ItemProgress(anID, StatusInstall, 15) // b was given up
		}, map[string]string{
			"1.3 1.2 0.9 0.8": "item-progress|ID|download|10\nitem-progress|OTHER|download|80\nitem-progress|ID|download|100\nitem-progress|OTHER|download|95\nitem-progress|ID|install|15\n",
			"0.6 0.3 0.2":     "subpercentage|10\nsubpercentage|100\nsubpercentage|95\nsubpercentage|15\n",
			"0.1 0.0":         "!subpercentage|10\n!subpercentage|100\n!subpercentage|95\n!subpercentage|15\n",
			"external":        "!subpercentage:10\n!subpercentage:100\n!subpercentage:95\n!subpercentage:15\n",
		}},
		{"speed", func(w *Writer) { w.Speed(5e9); w.Speed(-1) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6": "speed|5000000000\nspeed|0\n",
		}},
		{"download-size-remaining", func(w *Writer) { w.Remaining(9e9) }, map[string]string{
			"1.3 1.2 0.9 0.8": "download-size-remaining|9000000000\n",
		}},
		{"allow-cancel", func(w *Writer) { w.AllowCancel(false) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6 0.3 0.2": "allow-cancel|false\n",
			"0.1":                         "!allow-cancel|false\n",
		}},
		{"message", func(w *Writer) {
			w.Message(MessageBackendError, "It 100% failed;\nthough")
			w.Message(MessageConfigFilesChanged, "/etc/x")
		}, map[string]string{
			"0.8 0.6 0.3": "message|backend-error|It 100% failed,;though\nmessage|config-files-changed|/etc/x\n",
			"0.2":         "message|warning|It 100$ failed,;though\nmessage|notice|/etc/x\n",
			"0.1":         "!message|warning|It 100$ failed,;though\n!message|notice|/etc/x\n",
		}},
		{"error", func(w *Writer) { w.Finish(Errorf(NoSpaceOnDevice, "100%% full:\n/")) }, map[string]string{
			"1.3 1.2 0.9 0.8 0.6": "error|no-space-on-device|100% full:;/\n",
			"0.3":                 "error|transaction-error|100% full:;/\n",
			"0.2":                 "error|transaction-error|100$ full:;/\n",
			"0.1 0.0":             "!error|transaction-error|100$ full:;/\n",
			"external":            "!error:transaction-error:100% full:;/\n",
		}},
	}
	tested := make(map[string]bool)
	for _, tt := range tests {
		tested[tt.name] = true
		for _, g := range generations {
			d, want := g.dialect, ""
			for dialects, text := range tt.want {
				if slices.Contains(strings.Fields(dialects), string(d)) {
					want = strings.NewReplacer("!", "\x00", "|", "\t", "ID", anID.String(), "OTHER", b.String()).Replace(text)
				}
			}
			if !slices.Contains([]Dialect{V0_2, V0_1, V0_0, External}, d) {
				want += "finished\n"
			}
			var out both
			w := NewSplitWriter(&out, out.stderr(), d, nil)
			w.Begin()
			tt.reply(w)
			w.Finish(nil)
			if out.String() != want {
				t.Errorf("%s in %s:\ngot  %q\nwant %q", tt.name, d, out.String(), want)
			}
			readAll(t, d, out.String())
		}
	}
	for reply := range v1_3.replies {
		if !tested[reply] && reply != "working" && reply != "finished" {
			t.Errorf("%s is not tested", reply)
		}
	}
}

// readAll reads the replies of one command as PackageKit does.
func readAll(t *testing.T, d Dialect, text string) []wiretest.Reply {
	t.Helper()
	reader := wiretest.New(string(d))
	var all []wiretest.Reply
	for _, line := range wiretest.Records(string(d), text) {
		line, stderr := strings.CutPrefix(line, "\x00")
		reply, err := reader.Read(line, stderr)
		if err != nil {
			t.Error(err)
		}
		all = append(all, reply)
	}
	if err := reader.End(); err != nil {
		t.Errorf("%s: %v", d, err)
	}
	return all
}

// Every word of the newest PackageKit is one that each generation knows, or nothing, when it is
// sent in that one's dialect.
func TestWords(t *testing.T) {
	kinds := map[string]string{"info": "info", "status": "status", "error": "code", "group": "group", "restart": "restart", "message": "message"}
	newest := func(kind string) []string { // the words of the newest generation that has the kind
		for _, d := range wiretest.Dialects {
			if all := wiretest.Words(d, kind); len(all) > 0 {
				return all
			}
		}
		return nil
	}
	for _, d := range wiretest.Dialects {
		e := newEncoder(Dialect(d))
		for kind, field := range kinds {
			known := wiretest.Words(d, kind)
			if len(known) == 0 {
				continue
			}
			for _, word := range newest(kind) {
				if kind == "message" && word != string(MessageBackendError) && word != string(MessageConfigFilesChanged) {
					continue // this backend doesn't send it
				}
				if sent := e.word(field, word); sent != "" && !slices.Contains(known, sent) {
					t.Errorf("%s: the %s %s is sent as %q, which is not known", d, kind, word, sent)
				} else if sent == "" && kind == "error" {
					t.Errorf("%s: the error %s is not sent", d, word)
				} else if sent != word && slices.Contains(known, word) {
					t.Errorf("%s: the %s %s is sent as %q, and would be known", d, kind, word, sent)
				}
			}
		}
	}
	for _, g := range generations { // no word is replaced that there isn't
		for field, words := range g.words {
			for from := range words {
				kind := field
				if field == "code" {
					kind = "error"
				}
				if !slices.Contains(newest(kind), from) {
					t.Errorf("%s: the %s %s is none", g.dialect, field, from)
				}
			}
		}
	}
}

// The words that this backend has are PackageKit's.
func TestWordsAreKnown(t *testing.T) {
	for _, c := range []Code{
		AllPackagesAlreadyInstalled, BadGPGSignature, CannotCancel, CannotGetFilelist, CannotGetLock, CannotGetRequires, CannotRemoveSystemPackage, DepResolutionFailed, FailedConfigParsing,
		FailedInitialization, FileConflicts, FileNotFound, FilterInvalid, GPGFailure, GroupNotFound, IncompatibleArchitecture, InternalError, InvalidPackageFile, LocalInstallFailed,
		MissingGPGSignature, NoCache, NoDistroUpgradeData, NoMoreMirrorsToTry, NoNetwork, NoPackagesToUpdate, NoSpaceOnDevice, NotSupported, OutOfMemory, PackageAlreadyInstalled,
		PackageConflicts, PackageCorrupt, PackageDatabaseChanged, PackageDownloadFailed, PackageFailedToConfigure, PackageFailedToInstall, PackageFailedToRemove, PackageIDInvalid,
		PackageNotFound, PackageNotInstalled, ProcessKill, ProvideTypeNotSupported, RepoConfigurationError, RepoNotAvailable, RepoNotFound, TransactionCancelled, TransactionError,
		UnfinishedTransaction, UpdateNotFound,
	} {
		if !slices.Contains(wiretest.Words("1.3", "error"), string(c)) {
			t.Errorf("%s is none of PackageKit's errors", c)
		}
	}
	for _, s := range []Status{
		StatusSetup, StatusQuery, StatusRefreshCache, StatusDownloadPackagelist, StatusDepResolve, StatusDownload, StatusSigCheck, StatusTestCommit, StatusInstall, StatusUpdate, StatusRemove,
		StatusWaitingForLock, StatusRequest, StatusInfo, StatusDownloadRepository, StatusDownloadFilelist, StatusDownloadUpdateinfo, StatusLoadingCache, StatusCommit, StatusCleanup, StatusRunning,
	} {
		if !slices.Contains(wiretest.Words("1.3", "status"), string(s)) {
			t.Errorf("%s is none of PackageKit's states", s)
		}
	}
	for _, i := range []Info{
		InfoInstalled, InfoAvailable, InfoUnavailable, InfoDownloading, InfoInstalling, InfoUpdating, InfoRemoving, InfoObsoleting, InfoReinstalling, InfoDowngrading, InfoCleanup, InfoLow,
		InfoEnhancement, InfoNormal, InfoBugfix, InfoImportant, InfoSecurity, InfoBlocked, InfoCritical,
	} {
		if !slices.Contains(wiretest.Words("1.3", "info"), string(i)) {
			t.Errorf("%s is none of PackageKit's infos", i)
		}
	}
}

// What is written is what is read, in every dialect, whatever the texts and numbers are.
func FuzzReplies(f *testing.F) {
	for i := range generations {
		f.Add(uint8(i), "a", "1-1", "text", int64(1), uint8(3))
		f.Add(uint8(i), "a\u00a0", "\xff", "a\tb\nc\x00%s", int64(-1), uint8(0))
		f.Add(uint8(i), " ", "\u0085\r", "\n", int64(1<<40), uint8(200))
		f.Add(uint8(i), "a", "1-1", "one; two", int64(1), uint8(3))
	}
	f.Fuzz(func(t *testing.T, i uint8, name, version, text string, n int64, word uint8) {
		d := generations[int(i)%len(generations)].dialect
		id, err := ParsePackageID(name + ";" + version + ";x;school")
		if err != nil || strings.ContainsAny(id.String(), "\n\t\x00&") {
			return // what Parse refuses
		}
		pick := func(kind string) string {
			all := wiretest.Words("1.3", kind)
			return all[int(word)%len(all)]
		}
		info, status, code, restart := pick("info"), pick("status"), pick("error"), pick("restart")
		var out both
		w := NewSplitWriter(&out, out.stderr(), d, nil)
		w.Begin()
		w.Package(Info(info), id, text)
		w.Details(Details{ID: id, Summary: text, License: text, Group: pick("group"), Description: text, URL: text, Size: n, Download: n})
		w.Files(id, []string{text, "/" + text})
		w.UpdateDetail(UpdateDetail{
			ID: id, Updates: []PackageID{id, id}, Obsoletes: []PackageID{id}, VendorURLs: []string{text, "http://" + text}, Restart: restart, Text: text, Changelog: text, Issued: time.Unix(n%(1<<40), 0),
		})
		w.RepoDetail("school", text, n > 0)
		w.Category(Category{Parent: text, ID: "x" + text, Name: "n" + text, Summary: text})
		w.DistroUpgrade(pick("upgrade"), text, text)
		w.RequireRestart(restart, id)
		w.Message(MessageConfigFilesChanged, text)
		w.RepoSignatureRequired(Signature{id, "school", text, text, text, text, text})
		w.Status(Status(status))
		w.Percentage(int(n))
		w.Percentage(int(n / 2))
		w.ItemProgress(id, Status(status), int(n))
		w.Speed(n)
		w.Remaining(n)
		w.AllowCancel(n > 0)
		w.Finish(&Error{Code: Code(code), Text: text})
		w.Status(StatusQuery) // too late

		e := newEncoder(d)
		size := min(max(n, 0), e.maxSize)
		want := map[string]string{ // by the fields' names
			"id": plain(id.String()), "summary": plain(text), "license": plain(text), "description": plain(text), "url": plain(text), "changelog": plain(text),
			"size": strconv.FormatInt(size, 10), "speed": strconv.FormatInt(max(n, 0), 10), "bytes": strconv.FormatInt(max(n, 0), 10),
			"info": e.word("info", info), "status": e.word("status", status), "code": e.word("code", code), "restart": e.word("restart", restart), "group": e.word("group", pick("group")),
			"text": plain(text), "allow": strconv.FormatBool(n > 0),
		}
		got := make(map[string]int)
		for _, reply := range readAll(t, d, out.String()) {
			got[reply.Word]++
			for field, value := range reply.Fields {
				expected, known := want[field]
				switch {
				case !known:
				case (reply.Word == "error" || reply.Word == "message") && field == "text":
					expected := plain(strings.ReplaceAll(text, ";", ",")) // see Finish
					if value != expected && value != strings.ReplaceAll(expected, "%", "$") {
						t.Errorf("%s: %s's text is %q, want %q", d, reply.Word, value, expected)
					}
				case d == External && field == "description":
					var b []byte
					for l := range strings.Lines(strings.Trim(text, "\n")) {
						b = append(b, plain(l)...)
						if strings.HasSuffix(l, "\n") {
							b = append(b, '\n')
						}
					}
					if value != string(b) {
						t.Errorf("%s: the description is %q, want %q", d, value, b)
					}
				case field == "license" && expected == "": // is sent as unknown
				case value != expected:
					t.Errorf("%s: %s's %s is %q, want %q", d, reply.Word, field, value, expected)
				}
			}
		}
		if got["error"] != 1 {
			t.Errorf("%s: %d errors", d, got["error"])
		}
	})
}
