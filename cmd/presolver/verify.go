// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

type verifyCmd struct {
	Dir     string   `arg:"" type:"existingdir" help:"A published folder, or a platform's folder."`
	Key     []string `placeholder:"FINGERPRINT" help:"Who has to have signed, as in keys of laptops' presolve.toml; say it for each. Without it whoever did is told."`
	KeysDir string   `placeholder:"DIR" help:"A folder of public keys, as laptops have one, beside those that are published."`
}

// Run verifies each platform.
func (c *verifyCmd) Run(ctx context.Context, std streams) error {
	var anchors []string
	for _, text := range c.Key {
		print, err := pgp.ParseFingerprint(text)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		anchors = append(anchors, print)
	}
	dirs, err := platforms(c.Dir)
	if err != nil {
		return err
	}
	wrong := 0
	for _, dir := range dirs {
		name := filepath.Base(dir)
		if full, err := filepath.Abs(dir); err == nil {
			name = filepath.Base(full)
		}
		problem := func(err error) {
			wrong++
			fmt.Fprintf(std.out, "%s: %s\n", name, solve.Visible(err.Error()))
		}
		if err := c.platform(ctx, std.out, dir, name, anchors, problem); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%s found in %s", count(wrong, "fault"), c.Dir)
	}
	return nil
}

// platform verifies one. The error is the context's, or that something can't be done here.
func (c *verifyCmd) platform(ctx context.Context, out io.Writer, dir, name string, anchors []string, problem func(error)) error {
	data, err := os.ReadFile(filepath.Join(dir, "platform.json"))
	if err != nil {
		return err
	}
	p, err := tree.ParsePlatform(data, name)
	if err != nil {
		problem(err)
		return nil
	}
	signers, err := c.signers(ctx, dir, p, data, anchors)
	if err != nil {
		problem(err)
	}
	files, err := publish.Verify(ctx, dir, p, problem)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: serial %d, valid until %s: %s, %s, %s, %d bytes\n", name, p.Serial, p.Expires.UTC().Format("2006-01-02 15:04"),
		count(files.Trees, "tree"), count(files.RPMs, "RPM"), count(files.Files, "file"), files.Bytes)
	for _, print := range signers {
		if k, err := signing.ReadPublic(filepath.Join(dir, tree.KeyName(print))); err == nil && k.Fingerprint == print {
			print = nameOf(k)
		}
		fmt.Fprintf(out, "%s: signed by %s\n", name, print)
	}
	return nil
}

// signers are those whom a laptop would believe that begins with these anchors; where there are none,
// with those that the platform's folder itself leads to.
func (c *verifyCmd) signers(ctx context.Context, dir string, p *tree.Platform, data []byte, anchors []string) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	get := func(_ context.Context, name string, most int64) ([]byte, error) {
		f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, most+1))
	}
	claim := trust.Claim{Platform: p.Platform, Anchors: anchors, Head: data, Get: get}
	if p.Keys > 0 {
		// Other laptops than one that begins now come from older keys files.
		all, err := signing.ReadKeys(dir)
		if err == nil && int64(len(all)) < p.Keys {
			err = fmt.Errorf("%s: it is missing", tree.KeysName(p.Keys))
		}
		if err == nil {
			err = signing.CheckKeys(all[:p.Keys], time.Now())
		}
		if err != nil {
			return nil, err
		}
		if last := all[p.Keys-1]; len(anchors) == 0 {
			by, _ := last.By(last.Offline, time.Now()) // enough: they were checked
			for _, k := range by {
				claim.Anchors = append(claim.Anchors, k.Fingerprint)
			}
		}
	} else if signatures, err := get(ctx, tree.SignatureName(tree.HeadName(data)), pgp.MaxSignatures); len(anchors) == 0 && err == nil {
		claim.Anchors = issuers(signatures, filepath.Join(dir, "keys"), c.KeysDir)
	}
	state, err := os.MkdirTemp("", "presolver-verify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(state)
	a, err := trust.Open(state, c.KeysDir, time.Time{}, func(error) {}).Check(ctx, claim)
	if err != nil {
		return nil, err
	}
	return a.Signers, nil
}

// issuers are the fingerprints of who signed, as the signatures say: of the keys in these folders that
// have made them, else of what did.
func issuers(signatures []byte, folders ...string) (prints []string) {
	all, _ := pgp.Issuers(signatures) // what can't be read is told when it is verified
	for _, issuer := range all {
		for _, folder := range folders {
			files, _ := filepath.Glob(filepath.Join(folder, "*"))
			for _, file := range files {
				if k, err := signing.ReadPublic(file); err == nil && k.Has(issuer) {
					issuer = k.Fingerprint
				}
			}
		}
		prints = append(prints, issuer)
	}
	return prints
}
