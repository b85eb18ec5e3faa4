// SPDX-License-Identifier: GPL-2.0-or-later

package serve

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// site answers requests for the files of a published folder.
//
// Each file has a strong ETag: its digest, which content-addressed files have in their names. Those
// may be kept for ever; the others must be asked for again, which costs a 304. JSON is compressed
// for clients that ask.
type site struct {
	root *os.Root

	zipped zipped

	mu      sync.Mutex
	digests map[fileKey]string // of files that have none in their names
}

// fileKey tells whether a file is still the one whose digest is known.
type fileKey struct {
	device, inode uint64
	size          int64
	changed       time.Time
}

func newSite(root *os.Root) *site {
	return &site{root: root, digests: make(map[fileKey]string)}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "" {
		name = "."
	}
	if hidden(name) {
		http.NotFound(w, r)
		return
	}
	f, info, err := s.open(name)
	if err != nil {
		fail(w, r, err)
		return
	}
	defer f.Close()
	switch {
	case info.Mode().IsRegular():
		s.file(w, r, name, f, info)
	case info.IsDir() && isNodeFolder(name):
		s.listing(w, r, f)
	case info.IsDir():
		s.index(w, r, name)
	default:
		http.NotFound(w, r)
	}
}

// open opens a regular file or a folder. Nothing else is opened: a pipe would wait for a writer, a
// device may do something.
func (s *site) open(name string) (*os.File, fs.FileInfo, error) {
	if info, err := s.root.Stat(name); err != nil {
		return nil, nil, err
	} else if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, nil, fs.ErrNotExist
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe meanwhile
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// hidden tells whether a path has a part that is no reader's business: locks, and files that are
// being written.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." || strings.ContainsRune(part, 0) {
			return true
		}
	}
	return false
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, fs.ErrPermission) {
		http.Error(w, "this file can't be read by the server", http.StatusForbidden)
		return
	}
	http.NotFound(w, r) // whatever is not in the folder, and what lies outside
}

// file answers with a file, or the part of it that is asked for.
func (s *site) file(w http.ResponseWriter, r *http.Request, name string, f *os.File, info fs.FileInfo) {
	is := tree.ParsePath(name)
	if path.Ext(name) == ".rpm" { // in a Sugar Network folder, too
		is.Kind = tree.RPM
	}
	tag := is.Digest
	h := w.Header()
	h.Set("Cache-Control", is.Kind.CacheControl())
	if tag == "" {
		var err error
		if tag, err = s.digest(f, info); err != nil {
			http.Error(w, "reading the file failed", http.StatusInternalServerError)
			return
		}
	}
	kind := contentType(name)
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	if !strings.HasPrefix(kind, "application/json") && !strings.HasPrefix(kind, "text/") {
		h.Set("ETag", `"`+tag+`"`)
		http.ServeContent(w, r, "", info.ModTime(), plain{f})
		return
	}
	h.Add("Vary", "Accept-Encoding")
	if r.Header.Get("Range") != "" || !acceptsGzip(r) {
		h.Set("ETag", `"`+tag+`"`)
		http.ServeContent(w, r, "", info.ModTime(), plain{f})
		return
	}
	s.compressed(w, r, tag, f, info.Size())
}

// plain hides a file's own way to copy itself, which would go past the deadlines of patientWriter.
type plain struct{ io.ReadSeeker }

// compressed answers with the compressed form of what has a digest, which has an ETag of its own.
func (s *site) compressed(w http.ResponseWriter, r *http.Request, digest string, content io.ReadSeeker, size int64) {
	h := w.Header()
	tag := `"` + digest + `-gzip"`
	if matches(r.Header.Get("If-None-Match"), tag) {
		h.Set("ETag", tag)
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if size > maxCompressed {
		h.Set("ETag", `"`+digest+`"`)
		http.ServeContent(w, r, "", time.Time{}, plain{content})
		return
	}
	body, err := s.zipped.get(digest, content)
	if err != nil {
		http.Error(w, "reading the file failed", http.StatusInternalServerError)
		return
	}
	h.Set("ETag", tag)
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// Bounds on what is compressed. A tree has some 10 KB, a catalogue's list of paths a few MB.
const (
	maxCompressed = 4 << 20  // bytes of a file; larger ones are sent as they are
	maxZipped     = 32 << 20 // bytes of compressed forms that are kept
)

// zipped keeps compressed forms by digest, so that what thirty laptops ask for is compressed once.
type zipped struct {
	mu    sync.Mutex
	forms map[string]func() ([]byte, error)
	size  int // of those that are done
}

// get gives the compressed form of what has the digest. Whoever asks while another one makes it
// waits for that.
func (z *zipped) get(digest string, content io.Reader) ([]byte, error) {
	z.mu.Lock()
	form := z.forms[digest]
	if form == nil {
		form = sync.OnceValues(func() ([]byte, error) { return z.compress(digest, content) })
		if z.forms == nil || z.size > maxZipped {
			z.forms, z.size = make(map[string]func() ([]byte, error)), 0
		}
		z.forms[digest] = form
	}
	z.mu.Unlock()
	return form()
}

func (z *zipped) compress(digest string, content io.Reader) ([]byte, error) {
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err := io.Copy(w, content)
	w.Close() // to memory
	z.mu.Lock()
	defer z.mu.Unlock()
	if err != nil {
		delete(z.forms, digest) // the next one may have more luck
		return nil, err
	}
	z.size += body.Len()
	return body.Bytes(), nil
}

// matches tells whether an If-None-Match header has an ETag.
func matches(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
			return true
		}
	}
	return false
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(part, ";")
		if c := strings.TrimSpace(coding); c == "gzip" || c == "*" {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.000")
		}
	}
	return false
}

// nodeFolder matches the folders of the Sugar Network layout.
var nodeFolder = regexp.MustCompile(`^packages/[^/]+/[^/]+$`)

func isNodeFolder(name string) bool { return nodeFolder.MatchString(name) }

// listing answers with the names of a Sugar Network folder's top-level packages.
func (s *site) listing(w http.ResponseWriter, r *http.Request, dir *os.File) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		http.Error(w, "reading the folder failed", http.StatusInternalServerError)
		return
	}
	names := []string{}
	for _, e := range entries {
		if n := e.Name(); e.Type().IsRegular() && !strings.HasPrefix(n, ".") && !strings.HasSuffix(n, ".rpm") {
			names = append(names, n)
		}
	}
	s.json(w, r, names)
}

// index answers with a folder's page for people, if it has one.
func (s *site) index(w http.ResponseWriter, r *http.Request, name string) {
	page := path.Join(name, "index.html")
	f, info, err := s.open(page)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	if !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/") {
		http.Redirect(w, r, path.Base(name)+"/", http.StatusMovedPermanently)
		return
	}
	s.file(w, r, page, f, info)
}

// digest is the SHA-256 of a file, computed once.
func (s *site) digest(f *os.File, info fs.FileInfo) (string, error) {
	stat := info.Sys().(*syscall.Stat_t)
	key := fileKey{uint64(stat.Dev), stat.Ino, info.Size(), time.Unix(stat.Ctim.Unix())}
	s.mu.Lock()
	digest, ok := s.digests[key]
	s.mu.Unlock()
	if ok {
		return digest, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	digest = hex.EncodeToString(h.Sum(nil))[:32]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.digests) > 100_000 { // files that came and went
		clear(s.digests)
	}
	s.digests[key] = digest
	return digest, nil
}

// contentType is a file's type, by its name alone.
func contentType(name string) string {
	if isNodeFolder(path.Dir(name)) && path.Ext(name) != ".rpm" {
		return "application/json"
	}
	return tree.MediaType(name)
}

// json answers with a list of names as JSON.
func (s *site) json(w http.ResponseWriter, r *http.Request, names []string) {
	slices.Sort(names)
	content, err := json.Marshal(names)
	if err != nil {
		http.Error(w, "encoding the answer failed", http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(content)
	tag := hex.EncodeToString(sum[:16])
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", tree.Other.CacheControl())
	h.Add("Vary", "Accept-Encoding")
	if r.Header.Get("Range") == "" && acceptsGzip(r) {
		s.compressed(w, r, tag, bytes.NewReader(content), int64(len(content)))
		return
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
