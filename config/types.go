// SPDX-License-Identifier: GPL-2.0-or-later

package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// A Duration is a time that is written with its unit, as time.ParseDuration reads it: "5s", "10m".
// It is more than nothing. A field's tag "unit" is the unit that somebody who left it out is told
// to write; without the tag it is "s".
type Duration time.Duration

// A Size is a number of bytes that is written with its unit: "200 MiB"; "" is 0. It is less than
// 2^60.
type Size int64

// A Path names a file or folder. A relative one is relative to the folder of the configuration file
// and is read as the absolute one; "" stays.
type Path string

// parseDuration reads a duration. problem follows the key and the value in a message.
func parseDuration(text string) (d Duration, problem string) {
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return 0, `is not a time like "5s", "10m" or "720h" for thirty days`
	}
	return Duration(v), ""
}

var sizes = regexp.MustCompile(`^([1-9][0-9]{0,8}) ?(KiB|MiB|GiB)$`)

// parseSize does the same for a size.
func parseSize(text string) (s Size, problem string) {
	if text == "" {
		return 0, ""
	}
	m := sizes.FindStringSubmatch(text)
	if m == nil {
		return 0, `is not a size like "200 MiB" or "2 GiB"`
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return Size(n << map[string]uint{"KiB": 10, "MiB": 20, "GiB": 30}[m[2]]), ""
}

// hasNoUnit finds numbers that would be right with a unit.
var hasNoUnit = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)

// String is the size as it is written.
func (s Size) String() string {
	for _, unit := range []struct {
		bits uint
		name string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if s != 0 && s%(1<<unit.bits) == 0 {
			return fmt.Sprintf("%d %s", s>>unit.bits, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", int64(s))
}

// String is the duration as time.Duration has it.
func (d Duration) String() string { return time.Duration(d).String() }

// resolve is a path as seen from the configuration's folder.
func resolve(dir, path string) Path {
	if path == "" || filepath.IsAbs(path) {
		return Path(path)
	}
	return Path(filepath.Join(dir, path))
}

// ParseSize reads a size as configurations have it.
func ParseSize(text string) (Size, error) {
	s, problem := parseSize(text)
	if problem != "" {
		return 0, fmt.Errorf("%s %s", Shown(text), problem)
	}
	return s, nil
}
