// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
)

// What is published again without a build: resign and rollback.

// republished are the flags of who publishes what is there.
type republished struct {
	whoSigns
	ValidFor time.Duration `default:"720h" help:"For how long it is valid from now on, as valid_for in the configuration (${default})."`
}

func (c *republished) signer(ctx context.Context) (*signing.Signer, error) {
	if c.ValidFor < time.Minute {
		return nil, &exitError{exitUsage, errors.New("--valid-for is less than a minute: give hours and minutes, e.g. 720h for thirty days")}
	}
	return c.whoSigns.signer(ctx)
}

// unsigned gives the error of a command that needs a key that wasn't named its exit code.
func unsigned(err error) error {
	if errors.Is(err, publish.ErrUnsigned) {
		return &exitError{exitUsage, fmt.Errorf("%w with --key, or --command and --public", err)}
	}
	return err
}

type resignCmd struct {
	Paths []string `arg:"" name:"path" help:"A published folder, or a platform's folder."`
	republished
}

// Run renews the expiry of each platform.
func (c *resignCmd) Run(ctx context.Context, std streams) error {
	signer, err := c.signer(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, path := range c.Paths {
		dirs, err := platforms(path)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			until, renewed, err := publish.Resign(ctx, dir, signer, c.ValidFor, now)
			if err != nil {
				return unsigned(fmt.Errorf("%s: %w", dir, err))
			}
			still := ""
			if !renewed {
				still = "still "
			}
			fmt.Fprintf(std.out, "%s is %svalid until %s\n", dir, still, until.UTC().Format("2006-01-02 15:04"))
		}
	}
	return nil
}

type rollbackCmd struct {
	Of string `arg:"" name:"folder@serial" help:"A platform's folder, and the earlier serial whose content is to be published again."`
	republished
}

// Run publishes again what was published once.
func (c *rollbackCmd) Run(ctx context.Context, std streams) error {
	dir, serial, ok := cutSerial(c.Of)
	if !ok {
		return &exitError{exitUsage, fmt.Errorf("%s names no serial: write FOLDER@SERIAL, e.g. /srv/presolve/fedora-18-i686@41; presolver status tells the last one", c.Of)}
	}
	signer, err := c.signer(ctx)
	if err != nil {
		return err
	}
	p, err := publish.Rollback(ctx, dir, serial, signer, c.ValidFor, time.Now())
	if err != nil {
		return unsigned(fmt.Errorf("going back to the serial %d of %s: %w", serial, dir, err))
	}
	fmt.Fprintf(std.out, "%s: serial %d has what the serial %d had; the next build publishes what its repositories have then\n", p.Platform, p.Serial, serial)
	return nil
}
