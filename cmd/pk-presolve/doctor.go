// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/doctor"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	net "github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// version is set by those who build packages: -ldflags "-X main.version=1.2".
var version string

// programVersion is the version of the program, else of the sources that it was built from.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}

// built is when the program was, or what it was built from; zero where that isn't known.
func built() (at time.Time) {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return at
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return at
}

// examine is the command doctor: it says of all that has to be right whether it is, and gives the exit
// status, which is the worst verdict. It changes nothing.
func examine(ctx context.Context, a *arguments, stdout io.Writer) int {
	worst := doctor.OK
	tell := func(f doctor.Finding) {
		worst = max(worst, f.Verdict)
		fmt.Fprintf(stdout, "%-7v  %s: %s\n", f.Verdict, f.About, f.Text)
		if f.Next != "" {
			fmt.Fprintf(stdout, "         %s: %s\n", "next", f.Next)
		}
	}
	say := func(v doctor.Verdict, about, text, next string) {
		tell(doctor.Finding{Verdict: v, About: about, Text: text, Next: next})
	}
	root := os.Geteuid() == 0
	if !root {
		say(doctor.Warning, "user", "this isn't root: what only root may look at isn't looked at", "run it as root")
	}
	c, file, err := readConfig(a.config)
	var database rpm.Database
	if err == nil {
		database, err = c.database(file)
	}
	if err != nil {
		next := "correct that line"
		if errors.Is(err, os.ErrNotExist) {
			next = "write one: presolve.toml(5) has an example"
		}
		say(doctor.Wrong, "configuration", err.Error(), next)
		return int(worst)
	}
	say(doctor.OK, "configuration", fmt.Sprintf("%s: root %s, %s in the cache, the log is %s to %s", a.config, c.Root, cacheLimit(c), c.LogLevel, cmp.Or(string(c.LogFile), "stderr")), "")
	user, err := c.Transport.downloader()
	by := fmt.Sprintf("up to %d at once, %v without a byte, by ", c.Transport.Parallel, time.Duration(c.Transport.RetryFor))
	switch {
	case err == nil, errors.Is(err, errNotRoot):
		say(doctor.OK, "downloads", by+"a process of the user "+c.Transport.User, "")
	case c.Transport.User == "":
		say(doctor.OK, "downloads", by+"the helper itself: the configuration says so", "")
	default:
		say(doctor.Warning, "downloads", fmt.Sprintf("%sthe helper itself, with all its rights: %v", by, err), "make the user (systemd-sysusers)")
	}
	for _, folder := range c.Mounts.Folders {
		say(doctor.OK, "sticks", "appear in "+found(folder, "isn't there now"), "")
	}
	log := hclog.NewNullLogger()
	useProxies(log)
	client := net.New(net.Options{RetryFor: patienceOfDoctor, SmallRetryFor: patienceOfDoctor, User: user, Log: log})
	defer client.Close()
	computer := doctor.Computer{
		System: "/", RPM: database, State: string(c.State), Cache: string(c.Cache), Keyring: string(c.Trust.Keyring), Built: built(), Root: root,
		Offers: offers.Config{
			Platform: c.Platform, Sources: c.sources(), Net: client,
			Trust: trust.Open(string(c.State), string(c.Trust.Keyring), built(), func(problem error) {
				say(doctor.Warning, "keys", problem.Error(), "it is made anew by the next refresh")
			}).Looking(),
		},
	}
	computer.Examine(ctx, tell)
	if ctx.Err() != nil {
		return int(max(worst, doctor.Warning))
	}
	return int(worst)
}

// patienceOfDoctor is how long a source may say nothing: a person waits.
const patienceOfDoctor = 5 * time.Second

func cacheLimit(c *settings) string {
	if c.CacheLimit > 0 {
		return c.CacheLimit.String() + " at most"
	}
	return "as much as the disk has"
}

// found is a path, with what it means where it is not there.
func found(path config.Path, missing string) string {
	if _, err := os.Stat(string(path)); err != nil {
		return fmt.Sprintf("%s (%s)", path, missing)
	}
	return string(path)
}
