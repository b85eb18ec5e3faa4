// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// object is a published object, as anybody may write it: with any fields of any kind.
type object = map[string]any

// A forgery is what the school publishes, changed by somebody who can make the digests right again, and
// has keys: the school's own, unless it is said otherwise.
// Its files are read and written as JSON, and not by way of the package tree, whose types say only
// what may be.
type forgery struct {
	t        testing.TB
	dir      string // that is published
	platform object
	hello    object // hello's line of the search file and of the references in one: the only ones
	tree     object // hello's
	keys     []*pgp.Signer
}

// forge copies what the school publishes, with hello alone in the catalogue.
func forge(t testing.TB) *forgery {
	t.Helper()
	f := &forgery{t: t, dir: folder(t), keys: []*pgp.Signer{school.Key}}
	check(t, os.CopyFS(filepath.Join(f.dir, testbed.Platform), os.DirFS(filepath.Join(school.Published(), testbed.Platform))))
	check(t, json.Unmarshal(f.read("platform.json"), &f.platform))
	for _, line := range f.references() {
		var r object
		if check(t, json.Unmarshal(line, &r)); r["name"] == "hello" {
			f.hello = r
		}
	}
	check(t, json.Unmarshal(f.unpack(f.read(f.hello["tree"].(object)["path"].(string))), &f.tree))
	f.platform["serial"] = f.platform["serial"].(float64) + 1
	return f
}

func (f *forgery) path(name string) string { return filepath.Join(f.dir, testbed.Platform, name) }

func (f *forgery) read(name string) []byte {
	f.t.Helper()
	data, err := os.ReadFile(f.path(name))
	check(f.t, err)
	return data
}

func (f *forgery) write(name string, body []byte) {
	f.t.Helper()
	os.Remove(f.path(name)) // it may be a hard link into the school
	check(f.t, os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	check(f.t, os.WriteFile(f.path(name), body, 0o644))
}

// put publishes a file named by its content, and gives what refers to it.
func (f *forgery) put(prefix string, body []byte, ending string) object {
	f.t.Helper()
	ref := tree.NewRef(prefix, body, ending)
	f.write(ref.Path, body)
	return object{"path": ref.Path, "sha256": ref.SHA256, "size": ref.Size}
}

func (f *forgery) json(v any) []byte {
	f.t.Helper()
	b, err := json.Marshal(v)
	check(f.t, err)
	return b
}

// packages are those of hello's tree.
func (f *forgery) packages() (all []object) {
	for _, p := range f.tree["packages"].([]any) {
		all = append(all, p.(object))
	}
	return all
}

// references are the lines of the index of references.
func (f *forgery) references() (lines [][]byte) {
	f.t.Helper()
	index := f.platform["references"].(object)
	n := int(index["shards"].(float64))
	for i := range n {
		file := f.read(fmt.Sprintf("references/%s/%d", index["root"].(string)[:16], i))
		lines = slices.AppendSeq(lines, bytes.Lines(f.unpack(file[bits.TrailingZeros(uint(n))*sha256.Size:])))
	}
	return lines
}

func (f *forgery) unpack(data []byte) []byte {
	f.t.Helper()
	z, err := zstd.NewReader(nil)
	check(f.t, err)
	defer z.Close()
	all, err := z.DecodeAll(data, nil)
	check(f.t, err)
	return all
}

// line is a package's in a search file.
func line(e object) string {
	field := func(key string) string { s, _ := e[key].(string); return s }
	version := field("version") + "-" + field("release")
	if epoch, ok := e["epoch"].(float64); ok {
		version = fmt.Sprint(epoch, ":", version)
	}
	return strings.Join([]string{field("name"), "", version, field("arch"), "", "", "", field("summary"), field("description")}, "\t") + "\n"
}

// search publishes a search file of lines, which are written piece by piece.
func (f *forgery) search(pieces ...[]byte) {
	f.t.Helper()
	var file bytes.Buffer
	z, err := zstd.NewWriter(&file, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	check(f.t, err)
	content, size, lines := sha256.New(), 0, 0
	for _, piece := range pieces {
		_, err := z.Write(piece)
		check(f.t, err)
		content.Write(piece)
		size, lines = size+len(piece), lines+bytes.Count(piece, []byte("\n"))
	}
	check(f.t, z.Close())
	s := f.put("search/", file.Bytes(), ".zst")
	s["content"], s["unpacked"], s["lines"] = hex.EncodeToString(content.Sum(nil)), size, lines
	f.platform["search"] = s
}

// pack compresses as what is published is.
func (f *forgery) pack(all []byte) []byte {
	f.t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithWindowSize(1<<20))
	check(f.t, err)
	defer z.Close()
	return z.EncodeAll(all, nil)
}

// index publishes an index of one shard, whose root is the hash of a leaf.
func (f *forgery) index(lines []byte) {
	f.t.Helper()
	shard := f.pack(lines)
	root := fmt.Sprintf("%x", sha256.Sum256(append([]byte{0}, shard...)))
	f.write("references/"+root[:16]+"/0", shard)
	f.platform["references"] = object{"root": root, "shards": 1}
}

// seal publishes tree, hello and platform, with digests that are right.
func (f *forgery) seal() {
	f.t.Helper()
	f.hello["tree"] = f.put("trees/hello@", f.pack(f.json(f.tree)), ".json.zst")
	f.sealCatalogue()
}

func (f *forgery) sealCatalogue() {
	f.t.Helper()
	f.search([]byte(line(f.hello)))
	f.index(append(f.json(f.hello), '\n'))
	f.sealPlatform()
}

func (f *forgery) sealPlatform() {
	f.t.Helper()
	f.signed(f.json(f.platform))
}

// signed publishes what is to be platform.json, and signs it.
func (f *forgery) signed(body []byte) {
	f.t.Helper()
	f.write("platform.json", body)
	var all []byte
	for _, k := range f.keys {
		signature, err := k.Sign(body, time.Now())
		check(f.t, err)
		all, err = pgp.Merge(all, signature)
		check(f.t, err)
		f.write("keys/"+k.Fingerprint+".asc", k.Armoured)
	}
	if all != nil {
		f.write(tree.SignatureName(tree.HeadName(body)), all)
	}
}

// fileURL is the source of a laptop that has what is published in a folder.
func (f *forgery) fileURL() string { return "file://" + f.dir }

// serve serves a folder; the school's until it is told otherwise. The server is a lying one: it
// gives what it has.
func serve(t testing.TB) (url string, dir *atomic.Value) {
	dir = new(atomic.Value)
	dir.Store(school.Published())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.FileServer(http.Dir(dir.Load().(string))).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, dir
}

// secretOf writes a file that only root can read, of a size, and gives its path and the words that
// would give it away.
func secretOf(t testing.TB, size int) (path string, words []string) {
	t.Helper()
	content := []byte(strings.Repeat("secret! ", size/8+1)[:size])
	path = filepath.Join(folder(t), "shadow")
	write(t, path, string(content), 0o600)
	sum := sha256.Sum256(content)
	return path, []string{"secret!", hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:8])}
}

const helloID = "hello;1.0-1;noarch;school"

// A link on a stick, or in a source that is a folder, doesn't have root read what it leads to.
func TestStickLink(t *testing.T) {
	rpm := func(f *forgery) (path string, size int) {
		p := f.packages()[2]
		info, err := os.Stat(f.path(p["location"].(string)))
		check(f.t, err)
		return f.path(p["location"].(string)), int(info.Size())
	}
	link := func(t testing.TB, path, to string) {
		check(t, os.RemoveAll(path))
		check(t, os.Symlink(to, path))
	}
	for name, attack := range map[string]func(t *testing.T, f *forgery) (secret string, words []string){
		"an RPM": func(t *testing.T, f *forgery) (string, []string) {
			path, size := rpm(f)
			secret, words := secretOf(t, size)
			link(t, path, secret)
			return secret, words
		},
		"an RPM, relative": func(t *testing.T, f *forgery) (string, []string) {
			path, size := rpm(f)
			secret, words := secretOf(t, size)
			to, err := filepath.Rel(filepath.Dir(path), secret)
			check(t, err)
			link(t, path, to)
			return secret, words
		},
		"an RPM's size is the secret's": func(t *testing.T, f *forgery) (string, []string) {
			path, _ := rpm(f)
			secret, words := secretOf(t, 1000)
			f.packages()[2]["size"] = 1000
			f.seal()
			link(t, path, secret)
			return secret, words
		},
		"the folder of RPMs": func(t *testing.T, f *forgery) (string, []string) {
			path, size := rpm(f)
			secret, words := secretOf(t, size)
			check(t, os.Rename(secret, filepath.Join(filepath.Dir(secret), filepath.Base(path))))
			link(t, filepath.Dir(path), filepath.Dir(secret))
			return filepath.Join(filepath.Dir(secret), filepath.Base(path)), words
		},
		"a tree": func(t *testing.T, f *forgery) (string, []string) {
			ref := f.hello["tree"].(object)
			info, err := os.Stat(f.path(ref["path"].(string)))
			check(t, err)
			secret, words := secretOf(t, int(info.Size()))
			link(t, f.path(ref["path"].(string)), secret)
			return secret, words
		},
		"the platform": func(t *testing.T, f *forgery) (string, []string) {
			secret, words := secretOf(t, 300)
			link(t, f.path("platform.json"), secret)
			return secret, append(words, "character 's'")
		},
		"a URL in the tree": func(t *testing.T, f *forgery) (string, []string) {
			_, size := rpm(f)
			secret, words := secretOf(t, size)
			delete(f.packages()[2], "location")
			f.packages()[2]["urls"] = []string{"file://" + secret}
			f.seal()
			return secret, words
		},
		"a FIFO": func(t *testing.T, f *forgery) (string, []string) {
			path, _ := rpm(f)
			check(t, os.Remove(path))
			check(t, syscall.Mkfifo(path, 0o644))
			return "", nil
		},
	} {
		for _, from := range []string{"a source", "a stick"} {
			t.Run(from+": "+name, func(t *testing.T) {
				t.Parallel()
				f := forge(t)
				f.seal()
				more := "log_level = \"trace\"\n[transport]\nretry_for = \"1s\"\n"
				id := helloID
				if from == "a stick" {
					// The school's server has all but RPMs, or nothing at all where the stick's own
					// metadata is what attacks.
					alone := !strings.Contains(name, "RPM") && name != "a FIFO"
					server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if alone || strings.HasSuffix(r.URL.Path, ".rpm") {
							http.NotFound(w, r)
							return
						}
						http.FileServer(http.Dir(school.Published())).ServeHTTP(w, r)
					}))
					t.Cleanup(server.Close)
					secret, words := attack(t, f)
					stick := filepath.Join(folder(t), "media/STICK")
					check(t, os.MkdirAll(filepath.Dir(stick), 0o755))
					check(t, os.Rename(f.dir, stick))
					more += "[mounts]\nfolders = [\"" + filepath.Dir(stick) + "\"]\n"
					undisclosed(t, server.URL, more, id, secret, words)
					return
				}
				secret, words := attack(t, f)
				undisclosed(t, f.fileURL(), more, id, secret, words)
			})
		}
	}
}

// undisclosed has a laptop take from a source whatever it takes, and checks that nothing of a
// secret came of it.
func undisclosed(t *testing.T, source, more, id, secret string, words []string) {
	t.Helper()
	l := newLaptop(t, source, more)
	h := start(t, l, asNobody...)
	h.OK("get-packages", "installed")
	installed := laptoptest.Installed(t, l)
	var opened *watch
	if secret != "" {
		opened = newWatch(t, unix.IN_OPEN, secret)
	}
	var told []string
	for _, words := range [][]string{{"refresh-cache", "yes"}, {"install-packages", "none", id}, {"download-packages", home(t), id}, {"get-details", id}} {
		told = append(told, ask(t, h, words...)...)
	}
	check(t, h.Stop())
	told = append(told, h.Log.String())
	for _, word := range words {
		if strings.Contains(strings.Join(told, "\n"), word) {
			t.Errorf("%q is told: %.1500q", word, told)
		}
	}
	if opened != nil && opened.came() {
		t.Error("root has opened the secret")
	}
	for _, path := range below(t, l.Cache, l.State) {
		if data, err := os.ReadFile(path); err == nil && len(words) > 0 && bytes.Contains(data, []byte(words[0])) {
			t.Errorf("%s has the secret", path)
		}
	}
	if now := laptoptest.Installed(t, l); fmt.Sprint(now) != fmt.Sprint(installed) {
		t.Errorf("installed: %q", now)
	}
}

// A catalogue that is small on the wire and huge on the disk is refused, whether or not it says how
// large it is.
func TestCatalogueBomb(t *testing.T) {
	const lines, text = 64000, 15 << 10
	bomb := forge(t)
	description := strings.Repeat("boom ", text/5)
	pieces := func(yield func([]byte) bool) {
		for n := range lines {
			e := object{"name": fmt.Sprintf("bomb%06d", n), "version": "1.0", "release": "1", "arch": "noarch", "description": description}
			if !yield([]byte(line(e))) {
				return
			}
		}
	}
	bomb.search(slices.Collect(pieces)...)
	search := bomb.platform["search"].(object)
	t.Logf("%d KiB on the wire", search["size"].(int64)>>10)
	for name, lie := range map[string]func(s object){
		"says so":                func(object) {},
		"says nothing":           func(s object) { delete(s, "lines"); delete(s, "unpacked") },
		"says too little":        func(s object) { s["lines"], s["unpacked"] = 1, 1000 },
		"says what may be":       func(s object) { s["unpacked"] = tree.MaxUnpacked },
		"says too much":          func(s object) { s["lines"], s["unpacked"] = int64(1)<<62, int64(1)<<62 },
		"says less than nothing": func(s object) { s["lines"], s["unpacked"] = -1, -1 },
	} {
		t.Run(name, func(t *testing.T) {
			lied := maps.Clone(search)
			lie(lied)
			bomb.platform["search"] = lied
			bomb.sealPlatform()
			url, dir := serve(t)
			l := newLaptop(t, url, "")
			h := start(t, l)
			warm(t, h)
			before := stateOf(t, l)
			dir.Store(bomb.dir)
			refused(t, ask(t, h, "refresh-cache", "yes"), "repo-not-available")
			small(t, h.Process.Pid, 120)
			if has := recordSize(t, l); has > 50 {
				t.Errorf("the record has %d MiB", has)
			}
			before.same(t, stateOf(t, l))
			dir.Store(school.Published())
			h.OK("install-packages", "none", helloID)
		})
	}
}

// A refresh ends when it's told to, in the middle of storing a large catalogue too.
func TestRefreshIsCancelled(t *testing.T) {
	large := forge(t)
	var lines [][]byte
	for n := range 24000 {
		e := object{"name": fmt.Sprintf("activity%06d", n), "version": "1.0", "release": "1", "arch": "noarch", "summary": "An activity for learning",
			"description": strings.Repeat(fmt.Sprintf("Activity %x teaches %x. ", n*7919, n*104729), 8)}
		lines = append(lines, []byte(line(e)))
	}
	large.search(lines...)
	large.sealPlatform()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			url, dir := serve(t)
			l := newLaptop(t, url, "")
			h := start(t, l)
			warm(t, h)
			before := stateOf(t, l)
			dir.Store(large.dir)
			stored := newWatch(t, unix.IN_MODIFY, filepath.Join(filepath.Dir(laptoptest.Record(l)), "catalogue"))
			check(t, h.Send("refresh-cache", "yes"))
			stored.wait(t)
			check(t, h.Process.Signal(signal))
			refused(t, reply(t, h), "transaction-cancelled")
			before.same(t, stateOf(t, l))
			h.OK("search-name", "none", "hello")
		})
	}
}

// A Sugar Network node whose files are large is refused, or taken in pieces: its bytes are not all
// kept.
func TestSugarBomb(t *testing.T) {
	t.Parallel()
	const names = 600
	rest := bytes.Repeat([]byte(" "), 1<<20-200)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		if !strings.HasPrefix(name, "bomb") {
			var all []string
			for n := range names {
				all = append(all, fmt.Sprintf("bomb%d", n))
			}
			json.NewEncoder(w).Encode(all)
			return
		}
		fmt.Fprintf(w, `{"x86_64": [{"name": %q, "path": "%s-1.0-1.noarch.rpm"}]}`, name, name)
		w.Write(rest)
	}))
	t.Cleanup(server.Close)
	l, err := school.Laptop(server.URL, "sugar-network", "")
	check(t, err)
	h := start(t, l)
	h.OK("get-packages", "installed")
	ask(t, h, "refresh-cache", "yes")
	small(t, h.Process.Pid, 150)
	if has := recordSize(t, l); has > 64 {
		t.Errorf("the record has %d MiB", has)
	}
	h.OK("get-packages", "installed")
}

// Small words for a great many things are no reason to have memory for all of them.
func TestTreeBomb(t *testing.T) {
	t.Parallel()
	repeat := func(before, what, after string, mib int) []byte {
		n := mib << 20 / (len(what) + 1)
		return []byte(before + strings.TrimSuffix(strings.Repeat(what+",", n), ",") + after)
	}
	head := `{"format":2,"platform":"` + testbed.Platform + `","name":"hello",`
	putTree := func(f *forgery, body []byte) {
		f.hello["tree"] = f.put("trees/hello@", f.pack(body), ".json.zst")
		f.sealCatalogue()
	}
	const harmless = "harmless" // the command may work
	install := []string{"install-packages", "none", helloID}
	for name, test := range map[string]struct {
		make    func(f *forgery, mib int)
		command []string
		where   string
	}{
		"packages": {func(f *forgery, mib int) { putTree(f, repeat(head+`"packages":[`, "{}", "]}", mib)) }, install, ""},
		"needs": {func(f *forgery, mib int) {
			putTree(f, repeat(head+`"packages":`+string(f.json(f.tree["packages"]))+`,"needs":[`, "{}", "]}", mib))
		}, install, ""},
		"requires": {func(f *forgery, mib int) {
			packages := strings.TrimSuffix(string(f.json(f.tree["packages"])), "}]")
			putTree(f, repeat(head+`"packages":`+packages+`,"requires":[`, "0", "]}]}", mib))
		}, install, harmless}, // a tree, said at length
		"differences": {func(f *forgery, mib int) {
			body := repeat(`{"format":2,"platform":"`+testbed.Platform+`","arch":"x86_64","serial":9,"search":{"differences":[`, "{}", "]}}", mib)
			f.write("platform.json", body[:min(len(body), 1<<20-200)])
		}, nil, ""},
		"obsoletes": {func(f *forgery, mib int) {
			f.search(repeat(strings.TrimSuffix(line(f.hello), "\n")+"\t", "", "\n", mib))
			f.sealPlatform()
		}, nil, ""},
		"obsoletes of a reference": {func(f *forgery, mib int) {
			f.index(repeat(strings.TrimSuffix(string(f.json(f.hello)), "}")+`,"obsoletes":[`, `""`, "]}\n", mib))
			f.sealPlatform()
		}, install, ""},
	} {
		for _, mib := range []int{1, 7, 31} { // what is small enough for the kind of file, and what isn't
			t.Run(fmt.Sprintf("%d MiB of %s", mib, name), func(t *testing.T) {
				url, dir := serve(t)
				l := newLaptop(t, url, "[transport]\nretry_for = \"1s\"\n")
				h := start(t, l)
				h.OK("refresh-cache", "no")
				f := forge(t)
				f.hello["summary"] = "Says hello, they say" // another search file than the one that is here
				f.seal()
				test.make(f, mib)
				dir.Store(f.dir)
				lines := ask(t, h, "refresh-cache", "yes")
				if laptoptest.ErrorOf(lines) == "" && test.command != nil {
					lines = ask(t, h, test.command...)
				}
				small(t, h.Process.Pid, 150)
				if test.where == harmless {
					laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
				} else if code, text, _ := strings.Cut(laptoptest.ErrorOf(lines), "\t"); code != "repo-not-available" {
					t.Errorf("answered %q (%.300q): %.300q", code, text, lines)
				} else if got := len(laptoptest.Installed(t, l)); got != len(testbed.Base) {
					t.Errorf("%d packages are installed", got)
				}
				if has := recordSize(t, l); has > 50 {
					t.Errorf("the record has %d MiB", has)
				}
				check(t, h.Stop())
			})
		}
	}
}

// What an RPM says that it is counts: one that a tree leads to as another is refused before rpm
// runs.
func TestOtherPackage(t *testing.T) {
	lib := testbed.RPM{Name: "libtext", Version: "0.9", Epoch: 2, Arch: "x86_64", Summary: "Text for everybody", Pre: evil.Pre,
		Files: map[string]string{"/usr/lib64/libtext.so.0": "ELF\n"}}
	for name, change := range map[string]func(r *testbed.RPM){
		"name":    func(r *testbed.RPM) { r.Name, r.Version, r.Provides = "evilname", "6.6", []string{"libtext = 2:0.9-1"} },
		"epoch":   func(r *testbed.RPM) { r.Epoch = 3 },
		"version": func(r *testbed.RPM) { r.Version = "1.0" },
		"release": func(r *testbed.RPM) { r.Release = "2" },
		"arch":    func(r *testbed.RPM) { r.Arch = "noarch" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := forge(t)
			other := lib
			change(&other)
			rpm, err := other.Write(folder(t))
			check(t, err)
			body, err := os.ReadFile(rpm)
			check(t, err)
			sum := sha256.Sum256(body)
			for _, p := range f.packages() {
				if p["name"] == "libtext" {
					f.write(p["location"].(string), body)
					p["size"], p["sha256"] = len(body), hex.EncodeToString(sum[:])
				}
			}
			f.hello["summary"] = "Says hello, they say"
			f.seal()
			url, dir := serve(t)
			l := newLaptop(t, url, "")
			h := start(t, l)
			warm(t, h)
			dir.Store(f.dir)
			h.OK("refresh-cache", "yes")
			h.OK("install-packages", "simulate", helloID)
			before := stateOf(t, l)
			refused(t, ask(t, h, "install-packages", "none", helloID), "package-corrupt")
			before.same(t, stateOf(t, l), "file: "+l.Cache)
			if _, err := os.Stat(filepath.Join(l.Root, "pwned")); err == nil {
				t.Error("what is in the other package was run")
			}
			laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
		})
	}
}

// Names that look like others, or mean something to a program that gets them, are refused in all
// that is published.
func TestOddNames(t *testing.T) {
	url, dir := serve(t)
	l := newLaptop(t, url, "")
	h := start(t, l)
	warm(t, h)
	h.OK("install-packages", "simulate", helloID)
	raw := "\x1b\u202e\u2066\u200f\u009b"
	serial := float64(10)
	for _, name := range oddNames {
		if name == "\xff\xfe" {
			continue // JSON can't have it
		}
		for where, change := range map[string]func(f *forgery){
			"catalogue": func(f *forgery) { f.hello["name"] = name },
			"version":   func(f *forgery) { f.hello["version"] = name },
			"tree":      func(f *forgery) { f.packages()[0]["name"] = name },
			"release":   func(f *forgery) { f.packages()[0]["release"] = name },
			"needs": func(f *forgery) {
				f.tree["needs"] = []any{object{"name": name, "version": "2.0", "release": "1", "arch": "x86_64"}}
			},
			"arch": func(f *forgery) { f.packages()[1]["arch"] = name },
		} {
			f := forge(t)
			f.hello["summary"] = "Says hello " + where
			serial++
			f.platform["serial"] = serial
			change(f)
			f.seal()
			dir.Store(f.dir)
			lines := ask(t, h, "refresh-cache", "yes")
			if laptoptest.ErrorOf(lines) == "" {
				lines = append(lines, ask(t, h, "install-packages", "simulate", helloID)...)
			}
			refused(t, lines, "repo-not-available")
			if t.Failed() {
				t.Logf("that was %q in %s", name, where)
			}
			if strings.ContainsAny(strings.Join(lines, "\n"), raw) {
				t.Errorf("%q in %s: told raw: %q", name, where, lines)
			}
			os.RemoveAll(f.dir)
		}
	}
}
