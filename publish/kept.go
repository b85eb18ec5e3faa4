// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What a build leaves for the next one is in two files in the platform's folder, which are of no
// use to readers. Each begins with the digest of the rest: what is damaged, or missing, only costs
// the next build its time. They are written when all has appeared, and what they say of files is
// compared with the files, so that it doesn't matter where a build is killed, or the folder is
// restored from elsewhere.
const (
	builtFile = ".built" // a built: by which an unchanged input is recognised
	madeFile  = ".made"  // a made: by which only what has changed is made again
)

// A built is what a build was made of, and the files that it has.
type built struct {
	Key     string
	Folders []builtFolder // in the order of builder.folders
}

type builtFolder struct {
	Dir string
	// Named are the files that are named by their content, Others what may have other content under
	// the same name. Both are sorted.
	Named  []namedFile
	Others []otherFile
}

type namedFile struct {
	Name string
	Size int64
	// Shards are the sizes of the files 0, 1, … of a folder that is named by the content of all.
	Shards []int64
}

// An otherFile is a file whose content is known as long as it looks the same.
type otherFile struct {
	Name   string
	SHA256 string
	Looks  looks
	// Read is when its bytes were compared with its digest, in seconds since 1970; 0, while building:
	// just now, or when the last build says.
	Read int64
	// Of an RPM: the checksum in its repository that was seen to be right, and whether it is signed.
	Checksum, Kind string
	Unsigned       bool
}

// looks are what can't stay as they are when a file is written to or another one is put in its
// place. They are zero where a file was touched so lately that it could be again without its times
// telling it.
type looks struct {
	Inode, Size, Modified, Changed int64
}

func lookAt(name string, now time.Time) (looks, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return looks{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return looks{}, fmt.Errorf("%s is no regular file", name)
	}
	if now.Sub(time.Unix(stat.Ctim.Unix())) < 2*time.Second {
		return looks{}, nil
	}
	return looks{int64(stat.Ino), stat.Size, stat.Mtim.Nano(), stat.Ctim.Nano()}, nil
}

// A made is what a build solved and wrote.
type made struct {
	Of      string // the program, and the layouts
	Answers []byte // see solve.Platform.Keep
	Trees   []madeTree
}

// A madeTree is a tree that the layout Presolve has.
type madeTree struct {
	Name, Arch string
	// From is the digest of all that it is made of.
	From [16]byte
	Tree tree.Ref
}

func (m *madeTree) is() nameArch { return nameArch{m.Name, m.Arch} }

// readKept reads what a build kept. False: it is missing or damaged.
func (f *folder) readKept(name string, v any) bool {
	data, err := os.ReadFile(f.path(name))
	if err != nil || len(data) < sha256.Size {
		return false
	}
	sum := sha256.Sum256(data[sha256.Size:])
	return bytes.Equal(sum[:], data[:sha256.Size]) && gob.NewDecoder(bytes.NewReader(data[sha256.Size:])).Decode(v) == nil
}

// keep writes what is kept, where it differs.
func (f *folder) keep(name string, v any) error {
	var data bytes.Buffer
	data.Write(make([]byte, sha256.Size))
	if err := gob.NewEncoder(&data).Encode(v); err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	sum := sha256.Sum256(data.Bytes()[sha256.Size:])
	copy(data.Bytes(), sum[:])
	if was, err := os.ReadFile(f.path(name)); err == nil && bytes.Equal(was, data.Bytes()) {
		return nil
	}
	err := f.write(name, data.Bytes())
	if err == nil {
		err = f.appear(name)
	}
	if err != nil {
		os.Remove(f.aside(name))
	}
	return err
}

// forget removes what was kept.
func (f *folder) forget(name string) error {
	if err := os.Remove(f.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// recall reads what the last build kept, where this one is to keep something, too.
func (b *builder) recall() {
	if b.Asked == "" {
		return
	}
	var was built
	if b.home.readKept(builtFile, &was) {
		b.know(&was)
	}
	var m made
	if !b.home.readKept(madeFile, &m) || m.Of != b.madeOf() {
		m = made{}
	}
	b.solved.Recall(m.Answers)
	b.wasMade = make(map[nameArch]*madeTree, len(m.Trees))
	for i := range m.Trees {
		b.wasMade[m.Trees[i].is()] = &m.Trees[i]
	}
}

// madeOf is what a madeTree hangs on beside what it is made from.
func (b *builder) madeOf() string {
	program, _ := solve.Program() // where it isn't known nothing is kept
	for _, l := range b.Layouts {
		program += " " + l.Name
	}
	return program
}

// remember writes what the next build can use. What is published is whole without it.
func (b *builder) remember(key string) {
	if b.Asked == "" {
		return
	}
	if len(b.made) > 0 {
		m := made{Of: b.madeOf(), Trees: b.made}
		var err error
		if m.Answers, err = b.solved.Keep(); err == nil {
			slices.SortFunc(m.Trees, func(x, y madeTree) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Arch, y.Arch)) })
			err = b.home.keep(madeFile, &m)
		}
		if err != nil {
			b.home.forget(madeFile)
		}
	}
	is, err := b.built(key)
	if err == nil && key != "" {
		err = b.home.keep(builtFile, is)
	}
	if err != nil || key == "" {
		b.home.forget(builtFile)
	}
}
