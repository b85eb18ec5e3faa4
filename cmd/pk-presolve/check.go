// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/dispatcher"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
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

// check is --check: it says what the configuration means, or what is wrong with it, and gives the
// exit status. It changes nothing, and asks no server.
func check(a *arguments, stdout, stderr io.Writer) int {
	c, file, err := readConfig(a.config)
	if err != nil {
		fmt.Fprintf(stderr, "pk-presolve: %v\n", err)
		return 2
	}
	database, err := c.database(file)
	if err != nil {
		fmt.Fprintf(stderr, "pk-presolve: %v\n", err)
		return 2
	}
	fmt.Fprintf(stdout, "%s is right. What it means:\n", a.config)
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	say := func(what, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	say("platform", "%s", c.Platform)
	say("root", "%s", c.Root)
	say("rpm database", "%s", database.Dir())
	say("state", "%s", found(c.State, "will be made"))
	limit := "as much as the disk has"
	if c.CacheLimit > 0 {
		limit = c.CacheLimit.String() + " at most"
	}
	say("cache", "%s, %s", found(c.Cache, "will be made"), limit)
	if c.LogFile == "" {
		say("log", "%s, to stderr", c.LogLevel)
	} else {
		say("log", "%s, to %s", c.LogLevel, c.LogFile)
	}
	for i, s := range c.sources() {
		enabled := ""
		if s.Disabled {
			enabled = ", disabled"
		}
		say(fmt.Sprintf("source %d", i+1), "%s, %s, %s, %s%s", s.ID, config.Redacted(s.URL), s.Layout, believed(s), enabled)
	}
	for _, folder := range c.Mounts.Folders {
		say("sticks", "%s", found(folder, "isn't there now"))
	}
	by := "a process of the user " + c.Transport.User
	if _, err := c.Transport.downloader(); err != nil {
		by = fmt.Sprintf("the helper itself: %v", err)
	}
	say("downloads", "up to %d at once, %s without a byte, by %s", c.Transport.Parallel, c.Transport.RetryFor, by)
	say("keys", "%s, signatures of RPMs are %s", found(c.Trust.Keyring, "isn't there"), c.Trust.RPMSignatures)
	w.Flush()
	return dispatcher.Success
}

// believed is for what a source is believed.
func believed(s offers.Source) string {
	switch {
	case !s.Signed:
		return "not signed"
	case s.Keys == "":
		return "signed by a key that has to be accepted first"
	}
	return "signed by " + strings.Join(strings.Fields(s.Keys), " or ")
}

// found is a path, with what it means where it is not there.
func found(path config.Path, missing string) string {
	if _, err := os.Stat(string(path)); err != nil {
		return fmt.Sprintf("%s (%s)", path, missing)
	}
	return string(path)
}
