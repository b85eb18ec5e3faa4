// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// Program tells this program from all others, and from itself with another libsolv or librpm: it is
// a digest of the files that it runs from. A distribution mends its libraries without giving them
// another version.
var Program = sync.OnceValues(func() (string, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return "", err
	}
	defer maps.Close()
	var files []string
	lines := bufio.NewScanner(maps)
	for lines.Scan() { // 7f0000000000-7f0000001000 r-xp 00000000 fe:00 1234   /usr/lib/libsolv.so.1
		fields := strings.Fields(lines.Text())
		if len(fields) >= 6 && strings.Contains(fields[1], "x") && strings.HasPrefix(fields[5], "/") {
			files = append(files, strings.Join(fields[5:], " "))
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	slices.Sort(files)
	h := sha256.New()
	for _, name := range slices.Compact(files) {
		file, err := OpenRegular(name)
		if err != nil {
			return "", fmt.Errorf("looking at what this program runs from: %w", err)
		}
		n, err := io.Copy(h, file)
		file.Close()
		if err != nil {
			return "", fmt.Errorf("looking at what this program runs from: %w", err)
		}
		fmt.Fprintf(h, "\x00%d\x00", n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
})
