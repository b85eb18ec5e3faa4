// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// soon is how long before its end a key is said to expire.
const soon = 30 * 24 * time.Hour

// nameOf is a key as people are told it.
func nameOf(k *pgp.Key) string { return k.Fingerprint + " " + solve.Visible(k.UserID) }

// signing is who signs, by the configuration; nil: nobody.
func (c *settings) signing(ctx context.Context, file *config.File, now time.Time) (*signing.Signing, error) {
	s := &c.Signing
	key := "signing.key"
	var signer *signing.Signer
	var err error
	switch {
	case s.Key != "":
		signer, err = signing.File(string(s.Key), passphrase(ctx, string(s.PassphraseFile), "signing.passphrase_file", string(s.Key)))
	case len(s.Command) > 0:
		key = "signing.public"
		signer, err = signing.Command(s.Command, string(s.Public))
	default:
		return nil, nil
	}
	if err != nil {
		return nil, file.Errorf(key, "%v", err)
	}
	var keys []*trust.Keys
	if s.Keys != "" {
		key = "signing.keys"
		if keys, err = signing.ReadKeys(string(s.Keys)); err == nil && len(keys) == 0 {
			err = fmt.Errorf("%s has no %s: make it (presolver keys new)", s.Keys, tree.KeysName(1))
		}
		if err != nil {
			return nil, file.Errorf(key, "%v", err)
		}
	}
	signed, err := signing.New(signer, keys, now)
	if err != nil {
		return nil, file.Errorf(key, "%v", err)
	}
	return signed, nil
}

// passphrase asks for the passphrase of a secret key: a file, if there is one, else a person. option
// is what names the file.
func passphrase(ctx context.Context, file, option, key string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if file == "" {
			return askSecret(ctx, fmt.Sprintf("passphrase of %s: ", key), option)
		}
		return readPassphrase(file)
	}
}

// readPassphrase is the first line of a file.
func readPassphrase(file string) ([]byte, error) {
	text, err := signing.ReadSecret(file, 4096)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// askSecret asks on the terminal, without showing what is typed.
func askSecret(ctx context.Context, question, option string) ([]byte, error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("a passphrase is needed, and there is no terminal to ask on: put it into a file and name that with %s", option)}
	}
	defer terminal.Close()
	was, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return nil, err
	}
	type typed struct {
		secret []byte
		err    error
	}
	answer := make(chan typed, 1)
	fmt.Fprint(terminal, question)
	defer fmt.Fprintln(terminal)
	go func() {
		secret, err := term.ReadPassword(int(terminal.Fd()))
		answer <- typed{secret, err}
	}()
	select {
	case a := <-answer:
		return a.secret, a.err
	case <-ctx.Done(): // what is typed next is to be seen again
		return nil, errors.Join(context.Cause(ctx), term.Restore(int(terminal.Fd()), was))
	}
}

type keygenCmd struct {
	File           string        `arg:"" placeholder:"FILE" help:"The file for the secret key; the public one comes into FILE.pub."`
	Name           string        `placeholder:"\"NAME <MAIL>\"" help:"Whose key it is, as people are told when they are asked to trust it (presolver on this computer)."`
	ValidFor       time.Duration `default:"8760h" help:"When it expires, a year from now if nothing is said; 0: never."`
	PassphraseFile string        `placeholder:"FILE" help:"A file whose first line is the passphrase that protects the secret key; else it is asked."`
	NoPassphrase   bool          `help:"Leave the secret key unprotected, for a server that signs unattended."`
}

// Run makes a key.
func (c *keygenCmd) Run(ctx context.Context, std streams) error {
	name := c.Name
	if name == "" {
		host, _ := os.Hostname()
		name = "presolver on " + host
	}
	switch {
	case c.ValidFor < 0:
		return &exitError{exitUsage, errors.New("--valid-for is before now")}
	case c.NoPassphrase && c.PassphraseFile != "":
		return &exitError{exitUsage, errors.New("--no-passphrase and --passphrase-file don't go together")}
	}
	public := c.File + ".pub"
	for _, file := range []string{c.File, public} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already, and no key is overwritten: choose another name", file)
		}
	}
	phrase, err := c.passphrase(ctx)
	if err != nil {
		return err
	}
	s, err := pgp.Generate(name, c.ValidFor, time.Now())
	if err != nil {
		return err
	}
	secret, err := s.Secret(phrase)
	if err != nil {
		return err
	}
	if err := writeNew(c.File, secret, 0o600); err != nil {
		return err
	}
	if err := writeNew(public, s.Armoured, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s has the secret key of %s, %s the public one.\nIn the source's table in laptops' presolve.toml:\nkeys = [\"%s\"]\n", c.File, nameOf(s.Key), public, s.Fingerprint)
	return nil
}

func (c *keygenCmd) passphrase(ctx context.Context) ([]byte, error) {
	switch {
	case c.NoPassphrase:
		return nil, nil
	case c.PassphraseFile != "":
		phrase, err := readPassphrase(c.PassphraseFile)
		if err == nil && len(phrase) == 0 {
			err = fmt.Errorf("the first line of %s is empty", c.PassphraseFile)
		}
		return phrase, err
	}
	const option = "--passphrase-file, or leave the key unprotected with --no-passphrase"
	phrase, err := askSecret(ctx, "passphrase for the new key: ", option)
	if err != nil {
		return nil, err
	}
	if len(phrase) == 0 {
		return nil, errors.New("the passphrase is empty: to leave the key unprotected say --no-passphrase")
	}
	again, err := askSecret(ctx, "the same once more: ", option)
	if err == nil && !bytes.Equal(again, phrase) {
		err = errors.New("the two passphrases differ")
	}
	return phrase, err
}

// writeNew writes a file that isn't there yet, whole or not at all.
func writeNew(name string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
	}
	return err
}

type signCmd struct {
	Paths []string `arg:"" name:"path" help:"A published folder, a platform's folder, or a file, such as keys@2.json, whose signatures are beside it in FILE.asc."`
	whoSigns
}

// whoSigns are the flags that name a key.
type whoSigns struct {
	Key            string `placeholder:"FILE" xor:"signer" help:"The secret key."`
	PassphraseFile string `placeholder:"FILE" help:"A file whose first line is its passphrase; else it is asked."`
	Command        string `placeholder:"COMMAND" xor:"signer" help:"A command for the shell that signs its stdin, e.g. \"gpg --armor --local-user KEY --detach-sign\"."`
	Public         string `placeholder:"FILE" help:"The public key of --command."`
}

// Run signs each path.
func (c *signCmd) Run(ctx context.Context, std streams) error {
	signer, err := c.signer(ctx)
	if err != nil {
		return err
	}
	if signer == nil {
		return &exitError{exitUsage, errors.New("nobody is named to sign: name a secret key with --key, or --command and --public")}
	}
	now := time.Now()
	for _, path := range c.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			if err := signFile(ctx, path, signer, now); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			fmt.Fprintf(std.out, "%s is signed by %s\n", path, nameOf(signer.Key))
			if err := enough(path); err != nil {
				fmt.Fprintln(std.out, solve.Visible(err.Error()))
			}
			continue
		}
		dirs, err := platforms(path)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if err := publish.Sign(ctx, dir, signer, now); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
			fmt.Fprintf(std.out, "%s is signed by %s\n", filepath.Join(dir, "platform.json"), nameOf(signer.Key))
		}
	}
	return nil
}

// signer is who is named; nil: nobody.
func (c *whoSigns) signer(ctx context.Context) (*signing.Signer, error) {
	switch {
	case c.Key == "" && c.Command == "":
		return nil, nil
	case c.Command == "":
		return signing.File(c.Key, passphrase(ctx, c.PassphraseFile, "--passphrase-file", c.Key))
	}
	if c.Public == "" {
		return nil, &exitError{exitUsage, errors.New("--command needs --public, the public key that it signs with")}
	}
	return signing.Command([]string{"/bin/sh", "-c", c.Command}, c.Public)
}

// enough tells whether a keys file is signed by as many as it has to be; nothing of other files.
func enough(path string) error {
	all, err := signing.ReadKeys(filepath.Dir(path))
	if err != nil {
		return nil
	}
	var before *trust.Keys
	for _, k := range all {
		if k.Name() == filepath.Base(path) {
			return signing.Check(k, before, k.Created)
		}
		before = k
	}
	return nil
}

// signFile adds a signature to those beside a file.
func signFile(ctx context.Context, path string, signer *signing.Signer, now time.Time) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	beside := tree.SignatureName(path)
	had, err := os.ReadFile(beside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	signatures, err := signer.Add(ctx, data, had, now)
	if err != nil || bytes.Equal(signatures, had) {
		return err
	}
	aside := filepath.Join(filepath.Dir(beside), ".new-"+filepath.Base(beside))
	os.Remove(aside)
	if err := writeNew(aside, signatures, 0o644); err != nil {
		return err
	}
	return os.Rename(aside, beside)
}

// platforms are the platforms' folders in a published folder, or the one that it is.
func platforms(dir string) ([]string, error) {
	isOne := func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, "platform.json"))
		return err == nil && info.Mode().IsRegular()
	}
	if isOne(dir) {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if in := filepath.Join(dir, e.Name()); !strings.HasPrefix(e.Name(), ".") && isOne(in) {
			all = append(all, in)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("neither %s nor a folder in it has a platform.json: nothing is published there", dir)
	}
	return all, nil
}
