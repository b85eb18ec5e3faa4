// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sugarlabs/packagekit-backend-presolve/pages"
)

type pagesCmd struct {
	Dir   string `arg:"" type:"existingdir" help:"The folder that build or mirror publishes in."`
	Quiet bool   `short:"q" help:"Say nothing but what went wrong: for cron."`
}

// Run makes pages of all platforms in a folder.
func (c *pagesCmd) Run(ctx context.Context, std streams) error {
	return makePages(ctx, std, c.Dir, nil, c.Quiet)
}

// makePages makes pages of platforms; nil: of all.
func makePages(ctx context.Context, std streams, output string, names []string, quiet bool) error {
	if names == nil {
		dirs, err := platforms(output)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if dir == output {
				return fmt.Errorf("%s is a platform's folder: name the one above it", output)
			}
			names = append(names, filepath.Base(dir))
		}
	}
	made, err := pages.Make(ctx, output, names)
	if err == nil && !quiet {
		fmt.Fprintf(std.out, "%s, %d of them written, %s\n", count(made.Files, "file"), made.Written, size(made.Bytes))
	}
	return err
}
