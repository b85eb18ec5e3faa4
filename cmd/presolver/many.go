// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/bucket"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
)

// What is built by, or published to, more than this computer.

// configurations are the files of build -c: those that are named, and those in folders that are, sorted.
func configurations(named []string) (files []string, err error) {
	for _, name := range named {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() {
			files = append(files, name) // what is wrong is told when it is read
			continue
		}
		in, err := filepath.Glob(filepath.Join(name, "*.toml"))
		if err != nil || len(in) == 0 {
			return nil, fmt.Errorf("there is no configuration in %s: put each platform's into a file with a name that ends with .toml", name)
		}
		slices.Sort(in)
		files = append(files, in...)
	}
	return files, nil
}

// shard are the files that fall to the Ith of N computers.
func shard(files []string, of string) (mine []string, err error) {
	if of == "" {
		return files, nil
	}
	first, count, _ := strings.Cut(of, "/")
	i, err := strconv.Atoi(first)
	n, err2 := strconv.Atoi(count)
	if err != nil || err2 != nil || i < 0 || i >= n {
		return nil, fmt.Errorf("--shard %s should be this computer's number, from 0 on, and how many there are: e.g. 0/8 to 7/8", of)
	}
	for ; i < len(files); i += n {
		mine = append(mine, files[i])
	}
	return mine, nil
}

// toBucket brings platforms of a folder to a bucket.
func toBucket(ctx context.Context, std streams, url, dir string, platforms []string, quiet bool) error {
	progress := newProgress(std.err, quiet)
	defer progress.close()
	brought, err := bucket.Publish(ctx, url, dir, platforms, progress.note)
	progress.close()
	if err == nil && !quiet {
		fmt.Fprintf(std.out, "%s: %s brought, %d bytes, %d removed\n", url, count(brought.Files, "file"), brought.Bytes, brought.Removed)
	}
	return err
}

type uploadCmd struct {
	Dir    string `arg:"" type:"existingdir" help:"The folder that build publishes in, or another copy."`
	Bucket string `arg:"" placeholder:"URL" help:"The bucket, and a folder in it, e.g. s3://region/presolve?region=eu-central-1."`
	Quiet  bool   `short:"q" help:"Say nothing but what went wrong: for cron."`
}

// Run brings all platforms of a folder to a bucket.
func (c *uploadCmd) Run(ctx context.Context, std streams) error {
	if err := bucket.Check(c.Bucket); err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s: %w", c.Bucket, err)}
	}
	return toBucket(ctx, std, c.Bucket, c.Dir, nil, c.Quiet)
}

type mergeCmd struct {
	Output string `arg:"" help:"The folder, or the bucket, that several computers publish in."`
}

// Run makes platforms.json of the platforms that are there.
func (c *mergeCmd) Run(ctx context.Context, std streams) error {
	var names []string
	var err error
	if strings.Contains(c.Output, "://") {
		names, err = bucket.Merge(ctx, c.Output)
	} else {
		names, err = publish.Merge(ctx, c.Output)
	}
	if err != nil {
		return fmt.Errorf("making platforms.json of %s: %w", c.Output, err)
	}
	fmt.Fprintf(std.out, "platforms.json has %s: %s\n", count(len(names), "platform"), strings.Join(names, ", "))
	return nil
}
