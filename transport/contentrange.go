// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"fmt"
	"strconv"
	"strings"
)

// A contentRange is a Content-Range header: the bytes First to Last, of a file of Size bytes (-1:
// not told). Of a 416 answer First and Last are -1.
type contentRange struct{ First, Last, Size int64 }

// parseContentRange reads "bytes 5-9/10", "bytes 5-9/*" and "bytes */10".
func parseContentRange(header string) (contentRange, error) {
	bad := fmt.Errorf("the Content-Range %.60q makes no sense", header)
	unit, spec, _ := strings.Cut(header, " ")
	bytes, size, ok := strings.Cut(spec, "/")
	if !strings.EqualFold(unit, "bytes") || !ok {
		return contentRange{}, bad
	}
	r := contentRange{-1, -1, -1}
	if size != "*" {
		if r.Size, ok = parseBytes(size); !ok {
			return contentRange{}, bad
		}
	}
	if bytes == "*" {
		if r.Size < 0 {
			return contentRange{}, bad
		}
		return r, nil
	}
	first, last, ok := strings.Cut(bytes, "-")
	if !ok {
		return contentRange{}, bad
	}
	if r.First, ok = parseBytes(first); !ok {
		return contentRange{}, bad
	}
	if r.Last, ok = parseBytes(last); !ok || r.Last < r.First || r.Size >= 0 && r.Last >= r.Size {
		return contentRange{}, bad
	}
	return r, nil
}

// parseBytes reads digits and nothing else: no sign, no space.
func parseBytes(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}
