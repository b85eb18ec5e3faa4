// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import "path"

// mediaTypes are those of published files, by how their names end.
var mediaTypes = map[string]string{
	".json": "application/json", ".rpm": "application/x-rpm", ".zst": "application/zstd", ".asc": "text/plain; charset=utf-8",
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
}

// MediaType is what a published file has, by its name alone, for who serves it: as HTTP's Content-Type.
func MediaType(name string) string {
	if t := mediaTypes[path.Ext(name)]; t != "" {
		return t
	}
	return "application/octet-stream"
}
