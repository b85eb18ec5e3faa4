// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// credentials are the user names and passwords that repositories' URLs have. They are taken out of
// the URLs before anything else is done, so that no message and nothing that is published can have
// them, and put into requests for what is below those URLs.
type credentials []credential

type credential struct {
	id   string // the repository's
	at   *url.URL
	user *url.Userinfo
}

// takeCredentials gives the repositories with URLs without user names and passwords.
func takeCredentials(repositories []Repository) ([]Repository, credentials) {
	repositories = slices.Clone(repositories)
	var all credentials
	for i := range repositories {
		r := &repositories[i]
		r.URLs = slices.Clone(r.URLs)
		take := func(at *string) {
			u, err := url.Parse(*at)
			if err != nil || u.User == nil {
				return
			}
			user := u.User
			u.User = nil
			*at = u.String()
			all = append(all, credential{r.ID, u, user})
		}
		take(&r.URL)
		for j := range r.URLs {
			take(&r.URLs[j])
		}
	}
	return repositories, all
}

// authorize puts the user name and password into a request that is for something in a repository
// that has them: the longest path counts.
func (c credentials) authorize(req *http.Request) {
	var best *credential
	for i, x := range c {
		path := strings.TrimSuffix(x.at.Path, "/") + "/"
		if x.at.Scheme != req.URL.Scheme || x.at.Host != req.URL.Host || !strings.HasPrefix(req.URL.Path, path) {
			continue
		}
		if best == nil || len(x.at.Path) > len(best.at.Path) {
			best = &c[i]
		}
	}
	if best != nil {
		password, _ := best.user.Password()
		req.SetBasicAuth(best.user.Username(), password)
	}
}
