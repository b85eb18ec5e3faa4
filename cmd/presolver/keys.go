// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

type keysCmd struct {
	New   keysNewCmd   `cmd:"" help:"Make the next keys file, which is then to be signed. What isn't given is as in the one before."`
	Check keysCheckCmd `cmd:"" help:"Say of each keys file who has signed it and until when it is valid. Exits with 1 where laptops would refuse the newest."`
}

type keysNewCmd struct {
	Dir       string        `arg:"" help:"The folder of keys files (signing.keys in build's configuration); it is made where it isn't there."`
	Offline   []string      `placeholder:"FILE" help:"A public key that signs keys files; say it for each."`
	Threshold int           `placeholder:"N" help:"How many of them have to sign (of the first file: more than half)."`
	Online    []string      `placeholder:"FILE" help:"A public key that signs platforms; say it for each."`
	ValidFor  time.Duration `default:"17520h" help:"When it expires: two years from now if nothing is said."`
}

// Run makes a keys file.
func (c *keysNewCmd) Run(std streams) error {
	offline, err := readPublic(c.Offline)
	if err != nil {
		return err
	}
	online, err := readPublic(c.Online)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	all, err := signing.ReadKeys(c.Dir)
	if err != nil {
		return err
	}
	now := time.Now()
	var before *trust.Keys
	if len(all) > 0 {
		before = all[len(all)-1]
		var first *trust.Keys
		if len(all) > 1 {
			first = all[len(all)-2]
		}
		if err := signing.Check(before, first, before.Created); err != nil {
			return fmt.Errorf("%w; or remove it, if it isn't published", err)
		}
	}
	k, err := signing.NewKeys(before, offline, online, c.Threshold, c.ValidFor, now)
	if err != nil {
		return err
	}
	path := filepath.Join(c.Dir, k.Name())
	if err := writeNew(path, k.Text, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s is made, valid until %s. It has to be signed by\n", path, k.Expires.Format(time.DateOnly))
	for _, s := range k.Signers(before) {
		fmt.Fprintf(std.out, "%d of %s:\n", s.Threshold, s.Whose)
		for _, key := range s.Keys {
			fmt.Fprintf(std.out, "    %s\n", nameOf(key))
		}
	}
	fmt.Fprintf(std.out, "presolver sign --key FILE %s\n", path)
	return nil
}

func readPublic(files []string) (all []*pgp.Key, err error) {
	for _, file := range files {
		k, err := signing.ReadPublic(file)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

type keysCheckCmd struct {
	Dir string `arg:"" type:"existingdir" help:"The folder of keys files, or a platform's folder."`
}

// Run tells of each keys file what there is to know.
func (c *keysCheckCmd) Run(std streams) error {
	all, err := signing.ReadKeys(c.Dir)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("there is no keys file in %s: %w", c.Dir, fs.ErrNotExist)
	}
	now := time.Now()
	for i, k := range all {
		var before *trust.Keys
		if i > 0 {
			before = all[i-1]
		}
		describeKeys(std.out, k, before, now)
	}
	if err := signing.CheckKeys(all, now); err != nil {
		return err
	}
	online := func(k *pgp.Key) bool { return k.Usable(now) == nil }
	if last := all[len(all)-1]; !slices.ContainsFunc(last.Online, online) {
		return errors.New("none of the online keys of " + last.Name() + " signs any more: make the next one with another (presolver keys new --online)")
	}
	return nil
}

func describeKeys(out io.Writer, k, before *trust.Keys, now time.Time) {
	until := "valid until"
	if k.Expires.Before(now) {
		until = "expired at"
	}
	fmt.Fprintf(out, "%s: %s %s\n", k.Name(), until, k.Expires.UTC().Format(time.DateOnly))
	for _, key := range k.Online {
		fmt.Fprintf(out, "    platforms are signed by %s%s\n", nameOf(key), unusable(key, now))
	}
	for _, s := range k.Signers(before) {
		by, err := k.By(s.Keys, now)
		fmt.Fprintf(out, "    signed by %d of %s, of which %d are needed\n", len(by), s.Whose, s.Threshold)
		for _, key := range s.Keys {
			mark := "-"
			if slices.Contains(by, key) {
				mark = "+"
			}
			fmt.Fprintf(out, "        %s %s%s\n", mark, nameOf(key), unusable(key, now))
		}
		if err != nil {
			fmt.Fprintf(out, "        %v\n", err)
		}
	}
	if before != nil && signing.Check(k, before, k.Created) == nil && signing.Check(k, before, now) != nil {
		fmt.Fprintf(out, "    laptops that have seen nothing newer than %s can't follow any more: keys have expired since\n", before.Name())
	}
}

func unusable(k *pgp.Key, now time.Time) string {
	err := k.Usable(now)
	var key *pgp.KeyError
	if errors.As(err, &key) {
		return ", which " + key.Reason
	}
	return ""
}
