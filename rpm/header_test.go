// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	other "github.com/cavaliergopher/rpm"
	"golang.org/x/sys/unix"
)

// An item is an entry of a header to make.
type item struct {
	tag, kind, count uint32
	data             string
}

func text(tag uint32, s string) item { return item{tag, typeString, 1, s + "\x00"} }

func texts(tag uint32, all ...string) item {
	return item{tag, typeStringArray, uint32(len(all)), strings.Join(all, "\x00") + "\x00"}
}

func numbers(tag uint32, all ...uint32) item {
	var b []byte
	for _, n := range all {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return item{tag, 4, uint32(len(all)), string(b)}
}

// blob makes a header without a region, as the database keeps it.
func blob(items ...item) []byte {
	var index, store []byte
	for _, it := range items {
		for it.kind < uint32(len(widths)) && widths[it.kind] > 1 && len(store)%int(widths[it.kind]) != 0 {
			store = append(store, 0)
		}
		for _, n := range []uint32{it.tag, it.kind, uint32(len(store)), it.count} {
			index = binary.BigEndian.AppendUint32(index, n)
		}
		store = append(store, it.data...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(items)))
	return slices.Concat(binary.BigEndian.AppendUint32(b, uint32(len(store))), index, store)
}

// rpmFile makes a file of the two headers; no payload is needed to read them.
func rpmFile(signatures, header []byte) []byte {
	lead := make([]byte, leadSize)
	copy(lead, leadMagic)
	b := slices.Concat(lead, []byte(headerMagic), signatures)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return slices.Concat(b, []byte(headerMagic), header)
}

var noSignatures = blob(item{1007, 4, 1, "\x00\x00\x00\x01"})

// named are the entries of a package that is called as it should be.
func named(more ...item) []item {
	return append([]item{text(tagName, "p"), text(tagVersion, "1"), text(tagRelease, "2"), text(tagArch, "noarch")}, more...)
}

func writeFile(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.rpm")
	must(t, os.WriteFile(path, b, 0o644))
	return path
}

func TestReadFileRefuses(t *testing.T) {
	replaced := func(tag uint32, s string) []byte {
		items := named()
		for i := range items {
			if items[i].tag == tag {
				items[i] = text(tag, s)
			}
		}
		return blob(items...)
	}
	without := func(tag uint32) []byte {
		return blob(slices.DeleteFunc(named(), func(it item) bool { return it.tag == tag })...)
	}
	overlapping := blob(named(texts(tagProvidename, "a", "b"), texts(tagRequirename, "a", "b"))...)
	// The last entry leads to the values of the one before.
	copy(overlapping[introSize+5*entrySize+8:][:4], overlapping[introSize+4*entrySize+8:][:4])
	long := blob(named()...)
	binary.BigEndian.PutUint32(long[4:], maxFileHeader)
	for name, c := range map[string]struct {
		header []byte
		says   string
	}{
		"no name":              {without(tagName), "no name"},
		"no version":           {without(tagVersion), "no version"},
		"no release":           {without(tagRelease), "no release"},
		"no architecture":      {without(tagArch), "no architecture"},
		"parts of an id":       {replaced(tagName, ";-;;local"), "its name"},
		"an option":            {replaced(tagName, "-rf"), "begins"},
		"a line":               {replaced(tagName, "a\nb"), "its name"},
		"a macro":              {replaced(tagName, "%{x}"), "its name"},
		"letters like others":  {replaced(tagName, "раypal"), "its name"},
		"written backwards":    {replaced(tagName, "a\u202eb"), "its name"},
		"a path":               {replaced(tagVersion, "../1"), "its version"},
		"an epoch in it":       {replaced(tagVersion, "1:1"), "its version"},
		"a release with a -":   {replaced(tagRelease, "1-1"), "its release"},
		"a dotted arch":        {replaced(tagArch, "no.arch"), "its architecture"},
		"a large epoch":        {blob(named(numbers(tagEpoch, 1<<31))...), "epoch"},
		"a line in a file":     {blob(named(numbers(tagDirindexes, 0), texts(tagBasenames, "a\nb"), texts(tagDirnames, "/"))...), "control"},
		"an escape in a need":  {blob(named(texts(tagRequirename, "a\x1b[2J"))...), "control"},
		"a file in no folder":  {blob(named(numbers(tagDirindexes, 7), texts(tagBasenames, "a"), texts(tagDirnames, "/"))...), "without a folder"},
		"too long a path":      {blob(named(numbers(tagDirindexes, 0), texts(tagBasenames, "a"), texts(tagDirnames, strings.Repeat("/", maxPath)))...), "without a folder"},
		"too many values":      {blob(named(item{tagProvidename, typeStringArray, maxValues + 1, strings.Repeat("\x00", maxValues+1)})...), "more than"},
		"an unknown type":      {blob(named(item{5000, 10, 1, "x"})...), "5000"},
		"out of the store":     {blob(named(item{5000, 4, 1 << 30, "abcd"})...), "5000"},
		"an endless text":      {blob(named(item{5000, typeString, 1, "abcd"})...), "5000"},
		"two texts of one":     {blob(named(item{5000, typeString, 2, "a\x00b\x00"})...), "5000"},
		"shared values":        {overlapping, "not where they should be"},
		"no entries":           {blob(), "0 entries"},
		"more than there is":   {long, "has"},
		"all there could be":   {bytes.Repeat([]byte{0xff}, 8), "too large"},
		"a header that is cut": {blob(named()...)[:20], "has"},
	} {
		_, err := ReadFile(writeFile(t, rpmFile(noSignatures, c.header)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	for name, b := range map[string][]byte{
		"empty": nil, "a page": []byte("<html>please log in</html>"), "only a lead": rpmFile(nil, nil)[:leadSize],
		"many signatures":  rpmFile(blob(slices.Repeat([]item{text(1000, "x")}, maxSignatures+1)...), blob(named()...)),
		"large signatures": rpmFile([]byte("\x00\x00\x00\x01\x7f\xff\xff\xf8"), nil),
	} {
		if _, err := ReadFile(writeFile(t, b)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(fifo, 0o644))
	if _, err := ReadFile(fifo); err == nil {
		t.Error("a pipe was read")
	}
}

func TestReadFileTakes(t *testing.T) {
	for name, more := range map[string][]item{
		"no files":        nil,
		"a large epoch":   {numbers(tagEpoch, 1<<31-1)},
		"other letters":   {numbers(tagDirindexes, 0), texts(tagBasenames, "ü\xff"), texts(tagDirnames, "/")},
		"a text of lines": {text(tagDescription, "a\nb\tc")},
	} {
		if h, err := ReadFile(writeFile(t, rpmFile(noSignatures, blob(named(more...)...)))); err != nil || h.Name != "p" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ReadOpen reads the file that is open, from its beginning, whatever its name leads to now.
func TestReadOpenReadsTheOpenFile(t *testing.T) {
	path := writeFile(t, rpmFile(noSignatures, blob(named()...)))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	_, err = f.Seek(50, 0)
	must(t, err)
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("another"), 0o644))
	h, err := ReadOpen(f)
	if err != nil || h.Name != "p" {
		t.Fatalf("%v, %v", h, err)
	}
	if at, err := f.Seek(0, 1); at != 50 || err != nil {
		t.Errorf("the file's offset is %d, %v", at, err)
	}
}

// The header that is read is not a thing that can be told, and is not in the way of others.
func TestDatabaseHeadersWithoutAName(t *testing.T) {
	for name, c := range map[string]struct {
		blob []byte
		ok   bool
	}{
		"as it should be": {blob(named()...), true},
		"odd":             {blob(text(tagName, "an%odd=name"), text(tagVersion, "1"), text(tagRelease, "1"), text(tagArch, "noarch")), true},
		"no name":         {blob(text(tagVersion, "1"), text(tagRelease, "1"), text(tagArch, "noarch")), false},
		"parts of an id":  {blob(text(tagName, "a;b"), text(tagVersion, "1"), text(tagRelease, "1"), text(tagArch, "noarch")), false},
		"a line":          {blob(text(tagName, "a\nb"), text(tagVersion, "1"), text(tagRelease, "1"), text(tagArch, "noarch")), false},
		"no characters":   {blob(text(tagName, "\xff"), text(tagVersion, "1"), text(tagRelease, "1"), text(tagArch, "noarch")), false},
	} {
		if _, ok, err := parseHeader(c.blob); ok != c.ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, _, err := parseHeader(blob(named(item{tagProvidename, typeStringArray, 2, "a\x00b"})...)); err == nil {
		t.Error("a text without an end is no damage")
	}
}

// allocated are the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// shared is a header of many entries that all lead to one store: decoded, each would have all of
// it.
func shared(entries, values int) []byte {
	store := strings.Repeat("x\x00", values)
	b := binary.BigEndian.AppendUint32(nil, uint32(entries))
	b = binary.BigEndian.AppendUint32(b, uint32(len(store)))
	for i := range entries {
		for _, n := range []uint32{tagName + uint32(i), typeStringArray, 0, uint32(values)} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
	}
	return append(b, store...)
}

// What is allocated is in proportion to the bytes that are there: a small multiple, and what a name
// takes for itself.
func TestMemoryIsBounded(t *testing.T) {
	b := shared(3000, 475_000) // 1 MB in all
	file := writeFile(t, rpmFile(noSignatures, b))
	claims := writeFile(t, rpmFile(noSignatures, slices.Concat([]byte("\x00\x00\x00\x04"), binary.BigEndian.AppendUint32(nil, maxFileHeader), make([]byte, 1024))))
	endless := makeNDB(b)
	database := func(read func(context.Context, string, func([]byte) error) error, b []byte) func() {
		path := writeFile(t, b)
		return func() { read(t.Context(), path, func(b []byte) error { use(bytes.Clone(b)); return nil }) }
	}
	binary.LittleEndian.PutUint32(endless[4096+12:], maxHeader) // its first header says it has 64 MiB
	for name, c := range map[string]struct {
		read func()
		most uint64
	}{
		"a file whose entries share a store":   {func() { ReadFile(file) }, 8 * uint64(len(b))},
		"a header whose entries share a store": {func() { use(b) }, limit(len(b))},
		"ndb whose entries share a store":      {database(readNDB, makeNDB(b)), limit(len(b))},
		"ndb with a header of 64 MiB":          {database(readNDB, endless), limit(len(b))},
		"bdb whose entries share a store":      {database(readBDB, makeBDB(b)), limit(len(b))},
		"a file that says it has 32 MiB":       {func() { ReadFile(claims) }, 128 << 10},
	} {
		if got := allocated(c.read); got > c.most {
			t.Errorf("%s: %d bytes, want at most %d", name, got, c.most)
		}
	}
}

// use decodes all that can be asked for of a header in the database.
func use(blob []byte) {
	if h, _, err := parseHeader(blob); err == nil {
		decode(h)
	}
}

func decode(h *Header) {
	h.Files()
	h.Provides()
	h.Requires()
	h.requirements()
	h.Obsoletes()
	h.IsSource()
}

// The same packages as another reader finds: files of distributions, where they are there, and of
// rpmpack.
func TestReadFileAsOthersDo(t *testing.T) {
	files, _ := filepath.Glob("../../shared/corpus/rpms/*.rpm")
	files = append(files, pack{name: "full", version: "2", epoch: 3, requires: "lib >= 2:1.0", obsoletes: []string{"old < 1"}, files: map[string]string{"/opt/a": "1", "/opt/b/c": "2"}}.make(t, t.TempDir()))
	for _, file := range files {
		h, err := ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := other.Open(file)
		must(t, err)
		var names []string
		for _, f := range p.Files() {
			names = append(names, f.Name())
		}
		tags := func(tag int) []string { return p.Header.GetTag(tag).StringSlice() }
		got := fmt.Sprintf("%q", []any{h.Name, h.Epoch, h.Version, h.Release, h.Arch, h.Summary, h.Description, h.License, h.URL, h.Size, h.Files(), h.Provides(), h.header.texts(tagRequirename), h.header.texts(tagObsoletename)})
		want := fmt.Sprintf("%q", []any{p.Name(), p.Epoch(), p.Version(), p.Release(), p.Architecture(), p.Summary(), p.Description(), p.License(), p.URL(), int64(p.Size()), names, tags(tagProvidename), tags(tagRequirename), tags(tagObsoletename)})
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", file, got, want)
		}
	}
}

// A reader's lock keeps nobody from reading, a writer's is waited for until the command is
// cancelled.
func TestLockedNDB(t *testing.T) {
	path := filepath.Join(testdata(t, "sle15-bci/Packages.db"), "sle15-bci/Packages.db")
	holder, err := os.Open(path)
	must(t, err)
	defer holder.Close()
	must(t, syscall.Flock(int(holder.Fd()), syscall.LOCK_EX))
	d := Database{Root: "/", Path: filepath.Dir(path)}
	nothing := func(string) bool { return false }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Read(ctx, nothing, func(string, *Header) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := d.Read(t.Context(), nothing, func(string, *Header) error { return nil }); !errors.Is(err, ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	must(t, syscall.Flock(int(holder.Fd()), syscall.LOCK_SH))
	if err := d.Read(t.Context(), nothing, func(string, *Header) error { return nil }); err != nil {
		t.Error(err)
	}
}

// within tells where f allocates more than it may of input of a size.
func within(t testing.TB, size int, f func()) {
	t.Helper()
	if got := allocated(f); got > limit(size) {
		t.Errorf("%d bytes were allocated for %d", got, size)
	}
}

// limit is what reading may allocate of input of a size: what the reader and its buffers take, and
// names of one byte at 16 bytes each, for each of the arrays there are.
func limit(size int) uint64 { return 256<<10 + 256*uint64(size) }

// inMemory gives a way to have bytes in a file, the same one each time, which is in no folder: that
// takes a fuzz target's time.
func inMemory(f *testing.F) func(t *testing.T, b []byte) (path string) {
	f.Helper()
	fd, err := unix.MemfdCreate("fuzz", unix.MFD_CLOEXEC)
	must(f, err)
	file := os.NewFile(uintptr(fd), "fuzz")
	f.Cleanup(func() { file.Close() })
	return func(t *testing.T, b []byte) string {
		t.Helper()
		_, err := file.WriteAt(b, 0)
		must(t, errors.Join(err, file.Truncate(int64(len(b)))))
		return fmt.Sprintf("/proc/self/fd/%d", fd)
	}
}

// hostile are headers that claim more than there is, or lead to it many times; small ones, so that
// a fuzz target can try many of their kind.
var hostile = map[string][]byte{
	"entries that share a store": shared(200, 2000),
	"all there could be":         bytes.Repeat([]byte{0xff}, 8),
	"2³¹ integers":               blob(named(item{tagDirindexes, 4, 1<<31 - 1, "abcd"})...),
	"half a million integers":    blob(named(item{tagDirindexes, 4, maxValues, "abcd"})...),
	"2³² bytes":                  blob(named(item{tagDirindexes, 4, 1 << 30, "abcd"})...),
	"an endless text":            blob(named(item{tagProvidename, typeStringArray, 2, "a\x00b"})...),
	"nothing":                    nil,
	"no entries":                 blob(),
}

// installed is a header with all that is decoded.
var installed = blob(named(numbers(tagEpoch, 3), text(tagSummary, "a summary"), numbers(tagSize, 6),
	texts(tagProvidename, "p", "p(x)"), numbers(tagRequireflags, 12, 0), texts(tagRequirename, "lib", "rpmlib(x)"), texts(tagRequireversion, "2", ""),
	numbers(tagObsoleteflags, 2), texts(tagObsoletename, "old"), texts(tagObsoleteversion, "1"),
	numbers(tagDirindexes, 0, 1), texts(tagBasenames, "a", "b"), texts(tagDirnames, "/", "/opt/"))...)

func FuzzReadFile(f *testing.F) {
	f.Add(rpmFile(noSignatures, blob(named(numbers(tagDirindexes, 0), texts(tagBasenames, "a"), texts(tagDirnames, "/"))...)))
	f.Add(rpmFile(blob(item{tagRSA, typeBinary, 4, "\xc2\x02\x04\x00"}), blob(named()...)))
	for _, h := range hostile {
		f.Add(rpmFile(noSignatures, h))
	}
	file := inMemory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := file(t, b)
		within(t, len(b), func() {
			if h, err := ReadFile(path); err == nil {
				decode(h)
				if strings.ContainsAny(h.Name+h.Version+h.Release+h.Arch, "; \n%/") || h.Name == "" || strings.HasPrefix(h.Name, "-") {
					t.Errorf("%q", h.Name)
				}
			}
			readSignatures(path)
		})
	})
}

// makeNDB makes a database of a page of slots and the headers.
func makeNDB(headers ...[]byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, 4096)
	copy(b, "RpmP")
	le.PutUint32(b[12:], 1)
	for at := 32; at < len(b); at += 16 {
		copy(b[at:], "Slot")
	}
	for i, h := range headers {
		index, slot := uint32(i+1), b[32+16*i:]
		le.PutUint32(slot[4:], index)
		le.PutUint32(slot[8:], uint32(len(b)/16))
		le.PutUint32(slot[12:], uint32(len(h)/16+2))
		b = le.AppendUint32(le.AppendUint32(append(b, "BlbS"...), index), 0)
		b = append(le.AppendUint32(b, uint32(len(h))), h...)
		b = append(b, make([]byte, -len(b)&15)...)
	}
	return b
}

// makeBDB makes a database of pages of 512 bytes: what describes it, one that leads to the headers, and
// those.
func makeBDB(headers ...[]byte) []byte {
	const size, intro = 512, 26
	le := binary.LittleEndian
	b := make([]byte, 2*size)
	le.PutUint32(b[12:], 0x00061561)
	le.PutUint32(b[20:], size)
	b[25] = 8 // of this kind
	entries := b[size:]
	entries[25] = 13
	le.PutUint16(entries[20:], uint16(2*len(headers)))
	for i, h := range headers {
		at := size - 12*(i+1)
		le.PutUint16(b[size+intro+4*i+2:], uint16(at))
		entry := b[size+at:]
		entry[0] = 3
		le.PutUint32(entry[4:], uint32(len(b)/size))
		le.PutUint32(entry[8:], uint32(len(h)))
		for len(h) > 0 {
			page := make([]byte, size)
			n := copy(page[intro:], h)
			h = h[n:]
			if page[25] = 7; len(h) > 0 {
				le.PutUint32(page[16:], uint32(len(b)/size+1))
			}
			le.PutUint16(page[22:], uint16(n))
			b = append(b, page...)
		}
	}
	le.PutUint32(b[32:], uint32(len(b)/size-1))
	return b
}

// Two packages of a database that is made here are read, so the fuzz targets begin with what leads
// a reader to its end.
func TestMadeDatabases(t *testing.T) {
	for name, c := range map[string]struct {
		read func(context.Context, string, func([]byte) error) error
		b    []byte
	}{"ndb": {readNDB, makeNDB(installed, blob(named()...))}, "bdb": {readBDB, makeBDB(installed, blob(named()...))}} {
		var got []string
		err := c.read(t.Context(), writeFile(t, c.b), func(b []byte) error {
			h, _, err := parseHeader(bytes.Clone(b))
			if err == nil {
				got = append(got, fmt.Sprint(h.Name, h.Files()))
			}
			return err
		})
		if want := []string{"p[/a /opt/b]", "p[]"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

func FuzzNDB(f *testing.F) { fuzzFormat(f, makeNDB, readNDB) }

func FuzzBDB(f *testing.F) { fuzzFormat(f, makeBDB, readBDB) }

// fuzzFormat begins with small databases. What real ones are like TestReadRealSystems reads.
func fuzzFormat(f *testing.F, database func(headers ...[]byte) []byte, read func(context.Context, string, func([]byte) error) error) {
	f.Add(database(installed, blob(named()...)))
	f.Add(database())
	for _, h := range hostile {
		f.Add(database(installed, h))
	}
	file := inMemory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := file(t, b)
		most := 0
		got := allocated(func() {
			read(t.Context(), path, func(blob []byte) error {
				if len(blob) > len(b) {
					t.Errorf("a header of %d bytes in %d", len(blob), len(b))
				}
				most += len(blob) // several entries may lead to one header
				use(bytes.Clone(blob))
				return nil
			})
		})
		if limit := limit(len(b) + most); got > limit {
			t.Errorf("%d bytes were allocated for %d and headers of %d", got, len(b), most)
		}
	})
}

func FuzzOutput(f *testing.F) {
	f.Add("Verifying packages...\nPreparing packages...\na-1-1.noarch\nb-1-1.noarch\n")
	f.Add("\tlib >= 2 is needed by p-1-2.noarch\n\tx is needed by (installed) p-1-2.noarch\n")
	f.Add("error: unpacking of archive failed on file /x: cpio: write failed - No space left on device\n")
	f.Add(strings.Repeat("x", 2*maxLine) + "\na-1-1.noarch\n")
	h, _, err := parseHeader(blob(named(texts(tagRequirename, "lib"), texts(tagRequireversion, "2"), numbers(tagRequireflags, 12))...))
	must(f, err)
	requires := h.requirements()
	f.Fuzz(func(t *testing.T, output string) {
		follow := follower{progress: func(s Step) {
			if !(s.Percent >= 0 && s.Percent <= 100) || len(s.Package) > maxLine {
				t.Errorf("%+v", s)
			}
		}}
		readSteps(strings.NewReader(output), follow.step)
		follow.done()
		kindOf(output, errors.New("exit status 1"))
		n := readNeeds(output)
		n.match(h, false)
		n.match(h, true)
		for _, u := range n.unmet() {
			if u.By != "p-1-2.noarch" || !slices.Contains(requires, u.Capability) {
				t.Errorf("%+v", u)
			}
		}
	})
}
