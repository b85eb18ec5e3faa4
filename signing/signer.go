// SPDX-License-Identifier: GPL-2.0-or-later

package signing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
)

// A Signer signs with one key.
type Signer struct {
	Key  *pgp.Key // as readers have it
	sign func(ctx context.Context, data []byte, now time.Time) ([]byte, error)
}

// File is who signs with the secret key in a file, which nobody else may read. passphrase is asked
// where it is protected by one.
func File(path string, passphrase func() ([]byte, error)) (*Signer, error) {
	text, err := ReadSecret(path, pgp.MaxKey)
	if err != nil {
		return nil, err
	}
	s, err := pgp.ReadSigner(text, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Signer{s.Key, func(_ context.Context, data []byte, now time.Time) ([]byte, error) { return s.Sign(data, now) }}, nil
}

// ReadSecret reads a file of at most so many bytes that nobody else may read.
func ReadSecret(path string, most int64) ([]byte, error) {
	text, mode, err := readFile(path, most)
	if err != nil {
		return nil, err
	}
	if mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read %s, which is secret: run chmod 600 %s", path, path)
	}
	return text, nil
}

// Command is who signs by a command: the data are on its stdin, and an ASCII-armoured detached
// signature comes on its stdout. public is the file of the public key that it is by.
func Command(command []string, public string) (*Signer, error) {
	k, err := ReadPublic(public)
	if err != nil {
		return nil, err
	}
	return &Signer{k, func(ctx context.Context, data []byte, _ time.Time) ([]byte, error) { return run(ctx, command, data) }}, nil
}

// ReadPublic reads a file that has a public key.
func ReadPublic(path string) (*pgp.Key, error) {
	text, _, err := readFile(path, pgp.MaxKey)
	if err != nil {
		return nil, err
	}
	k, err := pgp.ReadKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// maxSaid is how much of what a command says on stderr becomes part of an error.
const maxSaid = 2000

func run(ctx context.Context, command []string, data []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(data)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{&out, pgp.MaxSignatures}, &limited{&said, maxSaid}
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("the command %s: %w: %s", command[0], err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

// limited takes so many bytes and leaves out the rest.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.to.Write(p[:n])
	return len(p), nil
}

// Sign makes an ASCII-armoured detached signature of the data that is right by the Key.
func (s *Signer) Sign(ctx context.Context, data []byte, now time.Time) ([]byte, error) {
	signature, err := s.sign(ctx, data, now)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil {
		_, err = pgp.Verify(data, signature, []*pgp.Key{s.Key}, now)
	}
	if err != nil {
		return nil, fmt.Errorf("signing with the key %s: %w", s.Key.Fingerprint, err)
	}
	return signature, nil
}

// Add is signatures of the data with one by the Signer: as they are where that is there already. What
// is no signature is given up.
func (s *Signer) Add(ctx context.Context, data, signatures []byte, now time.Time) ([]byte, error) {
	if _, err := pgp.Verify(data, signatures, []*pgp.Key{s.Key}, now); err == nil {
		return signatures, nil
	}
	own, err := s.Sign(ctx, data, now)
	if err != nil {
		return nil, err
	}
	if all, err := pgp.Merge(signatures, own); err == nil {
		return all, nil
	}
	return own, nil
}

// readFile reads a regular file of at most so many bytes.
func readFile(path string, most int64) ([]byte, fs.FileMode, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading %s: %w", path, err)
	}
	return text, info.Mode(), nil
}
