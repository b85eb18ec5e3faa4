// SPDX-License-Identifier: GPL-2.0-or-later

// Package wiretest reads replies as the PackageKit of each generation does, and says what it would
// refuse, drop or show wrongly. It is for tests, knows nothing of package wire, and is written from
// PackageKit's sources alone, generation by generation, so that an error has to be made twice to go
// unseen.
package wiretest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// lines are the lines that each generation reads (pk_backend_spawn_parse_stdout; up to 0.1.9
// …_parse_common_output and …_parse_common_error): the word, and each field as NAME:KIND. What
// begins with "!" is read on stderr.
var lines = map[string]string{
	"1.3": `package info:info id:id summary:text
		details id:id summary:text license:text group:group description:text url:text size:number download:number
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text changelog:text state:state issued:text updated:text
		repo-detail source:some description:text enabled:bool
		category parent:text category:some name:some summary:text icon:icon
		distro-upgrade kind:upgrade name:text summary:text
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		eula-required eula:some id:id vendor:text agreement:some
		requirerestart restart:restart id:id
		status status:status
		percentage percent:percent
		no-percentage-updates
		item-progress id:id status:status percent:percent
		speed speed:number
		download-size-remaining bytes:number
		allow-cancel allow:bool
		error code:error text:text
		finished`,
	"1.2": `package info:info id:id summary:text
		details id:id summary:text license:text group:group description:text url:text size:gib
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text changelog:text state:state issued:text updated:text
		repo-detail source:some description:text enabled:bool
		category parent:text category:some name:some summary:text icon:icon
		distro-upgrade kind:upgrade name:text summary:text
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		eula-required eula:some id:id vendor:text agreement:some
		requirerestart restart:restart id:id
		status status:status
		percentage percent:percent
		no-percentage-updates
		item-progress id:id status:status percent:percent
		speed speed:number
		download-size-remaining bytes:number
		allow-cancel allow:bool
		error code:error text:text
		finished`,
	"0.9": `package info:info id:id summary:text
		details id:id license:text group:group description:text url:text size:gib summary:text
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text changelog:text state:state issued:text updated:text
		repo-detail source:some description:text enabled:bool
		category parent:text category:some name:some summary:text icon:icon
		distro-upgrade kind:upgrade name:text summary:text
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		requirerestart restart:restart id:id
		status status:status
		percentage percent:percent
		item-progress id:id status:status percent:percent
		speed speed:number
		download-size-remaining bytes:number
		allow-cancel allow:bool
		error code:error text:text
		finished`,
	"0.8": `package info:info id:id summary:text
		details id:id license:text group:group description:text url:text size:gib
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text changelog:text state:state issued:text updated:text
		repo-detail source:some description:text enabled:bool
		category parent:text category:some name:some summary:text icon:icon
		distro-upgrade kind:upgrade name:text summary:text
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		requirerestart restart:restart id:id
		message type:message text:text
		status status:status
		percentage percent:percent
		item-progress id:id status:status percent:percent
		speed speed:number
		download-size-remaining bytes:number
		allow-cancel allow:bool
		error code:error text:text
		finished`,
	"0.6": `package info:info id:id summary:text
		details id:id license:text group:group description:text url:text size:gib
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text changelog:text state:state issued:text updated:text
		repo-detail source:some description:text enabled:bool
		category parent:text category:some name:some summary:text icon:icon
		distro-upgrade kind:upgrade name:text summary:text
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		requirerestart restart:restart id:id
		message type:message text:text
		status status:status
		percentage percent:percent
		subpercentage percent:percent
		speed speed:number
		allow-cancel allow:bool
		error code:error text:text
		finished`,
	"0.3": `package info:info id:id summary:text
		details id:id license:text group:group description:text url:text size:gib
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text changelog:text state:state issued:text updated:text
		repo-detail source:some description:text enabled:bool
		category parent:text category:some name:some summary:text icon:icon
		distro-upgrade kind:upgrade name:text summary:text
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		requirerestart restart:restart id:id
		message type:message text:text
		status status:status
		percentage percent:percent
		subpercentage percent:percent
		allow-cancel allow:bool
		error code:error text:text
		finished`,
	"0.2": `package info:info id:id summary:text
		details id:id license:text group:group description:text url:text size:gib
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text
		repo-detail source:some description:text enabled:bool
		repo-signature-required id:id source:some url:text user:text key:text fingerprint:text time:text type:gpg
		requirerestart restart:restart id:id
		message type:message text:format
		status status:status
		percentage percent:percent
		subpercentage percent:percent
		allow-cancel allow:bool
		error code:error text:format`,
	"0.1": `package info:info id:id summary:text
		description id:id license:text group:group description:text url:text size:gib
		files id:id paths:text
		updatedetail id:id updates:ids obsoletes:ids vendor:text bugs:text cves:text restart:restart text:text
		repo-detail source:some description:text enabled:bool
		!requirerestart restart:restart id:id
		!message type:message text:format
		!status status:status
		!percentage percent:percent
		!subpercentage percent:percent
		!allow-cancel allow:bool
		!error code:error text:format`,
	"0.0": `package_id info:info id:id summary:text
		description id:id group:group description:text url:text
		!requirerestart restart:restart id:id
		!status status:status
		!percentage percent:percent
		!subpercentage percent:percent
		!no-percentage-updates
		!error code:error text:format`,
}

// pages are the lines of the two oldest dialects as the pages write them that they are known from.
var pages = map[string]map[string]string{
	"0.0": { // docs/backends.xml of September 2007
		"percentage": "percentage[tab]value", "subpercentage": "subpercentage[tab]value", "no-percentage-updates": "no-percentage-updates",
		"error": "error[tab]enum[tab]description", "status": "status[tab]state", "requirerestart": "requirerestart[tab]type[tab]details",
		"package_id": "package_id[tab]status[tab]package_id[tab]summary", "description": "description[tab]package_id[tab]group[tab]detail[tab]url",
		"updatedetail": "package_id[tab]updates[tab]obsoletes[tab]url[tab]restart[tab]update_text",
	},
	"external": { // helpers/README, 22 August 2007
		"percentage": "percentage:$value", "subpercentage": "subpercentage:$value", "status": "status:$state", "data": "data:$current_data",
		"package": "$status<tab>$package_name<tab>$summary", "description": "$package_name<tab>$version<tab>$detail<tab>$url",
		"error": "(the page has none)",
	},
}

// Dialects are the generations that can be read.
var Dialects = []string{"1.3", "1.2", "0.9", "0.8", "0.6", "0.3", "0.2", "0.1", "0.0", "external"}

// A Reply is a line that was read: its word and its fields by their names.
type Reply struct {
	Word   string
	Fields map[string]string
	Page   string // how the page writes it that the dialect is known from; of the two oldest
}

// Records takes what came on stdout or stderr apart into replies: lines without their ends, but for
// External's description, which goes on until the tab before its last field.
func Records(dialect, text string) []string {
	var all []string
	open := false
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		if open {
			all[len(all)-1] += "\n" + l
			open = !strings.Contains(l, "\t")
			continue
		}
		all = append(all, l)
		first, _, _ := strings.Cut(l, "\t")
		open = dialect == "external" && strings.Count(l, "\t") == 2 && first != "yes" && first != "no"
	}
	return all
}

// A Reader reads the replies to one command after another.
type Reader struct {
	dialect  string
	percent  int
	errors   int
	finished bool
}

// New is a reader of a dialect's replies.
func New(dialect string) *Reader {
	if !slices.Contains(Dialects, dialect) {
		panic("wiretest: no dialect " + dialect)
	}
	r := &Reader{dialect: dialect}
	r.Begin()
	return r
}

// Begin starts the replies to a command.
func (r *Reader) Begin() { r.percent, r.errors, r.finished = -1, 0, false }

// End tells what is wrong with where the replies to a command ended.
func (r *Reader) End() error {
	if _, has := r.line("finished", false); has && !r.finished {
		return fmt.Errorf("the command ended without finished")
	}
	return nil
}

// line is the fields of a line, and whether the generation reads it.
func (r *Reader) line(word string, stderr bool) (fields []string, ok bool) {
	if stderr && (r.dialect == "0.1" || r.dialect == "0.0") {
		word = "!" + word
	}
	for l := range strings.Lines(lines[r.dialect]) {
		if f := strings.Fields(l); f[0] == word {
			return f[1:], true
		}
	}
	return nil, false
}

// Read reads a line, without its end, of stdout or stderr. The error says why PackageKit would
// refuse it.
func (r *Reader) Read(line string, stderr bool) (reply Reply, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s, %q: %w", r.dialect, line, err)
		}
	}()
	switch {
	case !utf8.ValidString(line):
		return reply, fmt.Errorf("not UTF-8")
	case strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' && (c != '\n' || r.dialect != "external") || c == 0x7f }):
		return reply, fmt.Errorf("a control character")
	case r.finished:
		return reply, fmt.Errorf("it comes after finished")
	}
	var fields, values []string
	if r.dialect == "external" {
		reply.Word, fields, values, err = colons(line, stderr)
	} else {
		var ok bool
		values = strings.Split(line, "\t")
		reply.Word, values = values[0], values[1:]
		if r.dialect == "0.0" && !stderr && strings.Contains(reply.Word, ";") { // no word, but the id
			reply.Word, values = "updatedetail", append([]string{reply.Word}, values...)
			fields, ok = strings.Fields("id:id updates:ids obsoletes:ids vendor:text restart:restart text:text"), true
		} else if fields, ok = r.line(reply.Word, stderr); !ok {
			err = fmt.Errorf("there is no such line")
		}
	}
	if err != nil {
		return reply, err
	}
	if len(values) != len(fields) {
		return reply, fmt.Errorf("it has %d fields instead of %d", len(values), len(fields))
	}
	reply.Fields = make(map[string]string)
	for i, f := range fields {
		name, kind, _ := strings.Cut(f, ":")
		if problem := r.field(kind, values[i]); problem != "" {
			return reply, fmt.Errorf("%s: %s", name, problem)
		}
		reply.Fields[name] = values[i]
	}
	reply.Page = pages[r.dialect][reply.Word]
	return reply, r.keep(reply)
}

// keep checks what is told by several lines together.
func (r *Reader) keep(reply Reply) error {
	switch reply.Word {
	case "percentage":
		p, _ := strconv.Atoi(reply.Fields["percent"])
		if p < r.percent {
			return fmt.Errorf("it goes back from %d", r.percent)
		}
		r.percent = p
	case "error":
		if r.errors++; r.errors > 1 {
			return fmt.Errorf("it is the second error")
		}
	case "finished":
		r.finished = true
	case "category":
		if reply.Fields["parent"] == reply.Fields["category"] {
			return fmt.Errorf("it is its own parent")
		}
	}
	return nil
}

// colons takes a line of the external backends apart.
func colons(line string, stderr bool) (word string, fields, values []string, err error) {
	if stderr {
		word, value, ok := strings.Cut(line, ":")
		kinds := map[string][]string{
			"percentage": {"percent:percent"}, "subpercentage": {"percent:percent"}, "status": {"status:status"}, "data": {"name:some"}, "error": {"code:word", "text:text"},
		}
		fields, known := kinds[word]
		if !ok || !known {
			return word, nil, nil, fmt.Errorf("there is no such line")
		}
		return word, fields, strings.SplitN(value, ":", len(fields)), nil
	}
	values = strings.Split(line, "\t")
	if len(values) == 4 {
		return "description", []string{"name:some", "version:text", "description:text", "url:text"}, values, nil
	}
	return "package", []string{"installed:yesno", "name:some", "summary:text"}, values, nil
}

// field tells what is wrong with the value of a field.
func (r *Reader) field(kind, value string) string {
	oneOf := func(words string) string {
		if !slices.Contains(strings.Fields(words), value) {
			return "unknown word " + value
		}
		return ""
	}
	number := func(max uint64) string {
		if n, err := strconv.ParseUint(value, 10, 64); err != nil || n > max {
			return "bad number " + value
		}
		return ""
	}
	switch kind {
	case "text":
		return ""
	case "format": // of printf, without arguments
		if strings.Contains(value, "%") {
			return "a format of printf"
		}
		return ""
	case "some", "word":
		if value == "" || kind == "word" && strings.ContainsAny(value, " :") {
			return "empty, or no word"
		}
		return ""
	case "icon":
		if value == "" || value[0] == '/' {
			return "no name of an icon"
		}
		return ""
	case "id":
		if f := strings.Split(value, ";"); len(f) != 4 || f[0] == "" {
			return "bad package id"
		}
		return ""
	case "ids":
		for id := range strings.SplitSeq(value, "&") {
			if problem := r.field("id", id); problem != "" && value != "" {
				return problem
			}
		}
		return ""
	case "gpg":
		return oneOf("gpg")
	case "bool":
		return oneOf("true false")
	case "yesno":
		return oneOf("yes no")
	case "percent":
		return number(100)
	case "number":
		return number(1<<64 - 1)
	case "gib":
		return number(1 << 30)
	}
	return oneOf(words[r.dialect][kind])
}

// Words are all the words of a kind that a dialect has.
func Words(dialect, kind string) []string { return strings.Fields(words[dialect][kind]) }
