// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
)

// A file without a digest may change at its source while it is downloaded. So that the new one is
// never glued to the old one's beginning, a partial file's version, a strong validator of HTTP, is
// kept beside it and sent as If-Range. A source that gives no such validator is asked for the whole
// file each time.

const versionSuffix = ".version"

// loadVersion reads the version of a partial file; empty where it is not known.
func loadVersion(part string) string {
	f, err := os.Open(part + versionSuffix)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxValidator))
	if _, wrong := http.ParseTime(string(b)); err != nil || wrong != nil && !isEntityTag(string(b)) {
		return ""
	}
	return string(b)
}

// keepVersion writes it; an empty one is forgotten.
func keepVersion(part, version string) error {
	if version == "" {
		if err := os.Remove(part + versionSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := os.OpenFile(part+versionSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(version)
	return errors.Join(err, f.Sync(), f.Close()) // without it the part is worth nothing
}

// strong is the validator of an answer that two different contents can't have.
func strong(h http.Header, now time.Time) string {
	v := validator(h, now)
	if strings.HasPrefix(v, "W/") {
		return ""
	}
	return v
}

// otherVersion tells whether an answer says that it is of another version.
func otherVersion(h http.Header, version string) bool {
	if isEntityTag(version) {
		tag := h.Get("ETag")
		return tag != "" && tag != version
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	return err == nil && modified.UTC().Format(http.TimeFormat) != version
}
