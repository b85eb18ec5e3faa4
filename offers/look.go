// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// ErrWebPage says that there is a web page where a source's file should be: most often the login page
// of a network.
var ErrWebPage = errors.New("a web page")

// A Look is what a source says now.
type Look struct {
	Clock    time.Time       // the server's; zero where it doesn't tell
	Platform *tree.Platform  // nil where a layout has none, or the error isn't nil
	Accepted *trust.Accepted // nil where nothing is signed
}

// LookAt asks a source what it offers, and tells whether that would be believed. It needs Platform, Net
// and Trust of the Config, and keeps nothing but what Trust does. The Look has the clock where the
// source was reached, even where what it says is refused.
func LookAt(ctx context.Context, c Config, s Source) (Look, error) {
	o := &Offers{Config: c}
	folder := transport.LocalPath(s.URL)
	c.Net.Folders = func() []string { return []string{folder} }
	at := o.layout(s).listURL(s)
	answer, err := c.Net.Revalidate(ctx, at, "", tree.MaxPlatform)
	look := Look{Clock: answer.Date}
	if err != nil {
		return look, sourceError(s, err)
	}
	if strings.HasPrefix(http.DetectContentType(answer.Body), "text/html") {
		return look, sourceError(s, mark(ErrWebPage, "%s is a web page", transport.Redacted(at)))
	}
	switch {
	case s.Layout == SugarNetwork:
		var names []string
		if json.Unmarshal(answer.Body, &names) != nil {
			err = fmt.Errorf("%s is no list of names", transport.Redacted(at))
		}
	case s.Signed:
		if look.Accepted, err = (presolve{o}).accepted(ctx, s, answer.Body); err == nil {
			look.Platform = look.Accepted.Platform
		}
	default:
		look.Platform, err = tree.ParsePlatform(answer.Body, c.Platform)
	}
	return look, sourceError(s, err)
}

// PlatformsAt finds what is published at a source, or in the folders above it: the URL that a source
// of it has, and its platforms. It is for a configuration with a mistake. The URL is empty where
// nothing is found.
func PlatformsAt(ctx context.Context, net *transport.Client, s Source) (at string, found []tree.PlatformEntry) {
	u, err := url.Parse(s.URL)
	if err != nil || s.Layout != Presolve {
		return "", nil
	}
	folder := u.Path
	net.Folders = func() []string { return []string{folder} }
	for range 4 {
		u = u.JoinPath()
		answer, err := net.Revalidate(ctx, u.JoinPath("platforms.json").String(), "", tree.MaxPlatform)
		if err == nil {
			if p, err := tree.ParsePlatforms(answer.Body); err == nil {
				return strings.TrimRight(u.String(), "/"), p.Platforms
			}
		}
		if u.Path == "" || u.Path == "/" {
			break
		}
		above := *u
		above.Path, above.RawPath = path.Dir(strings.TrimRight(u.Path, "/")), ""
		u, folder = &above, above.Path
	}
	return "", nil
}
