// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Errors about places where presolver doesn't go. They don't name the place, which may have a
// password.
var (
	errPassword = errors.New("its place in the metadata has a user name or a password, which would be published")
	errNoURL    = errors.New("its place in the metadata is no URL")
)

// fileURL is where a file of a repository is. Every path that becomes part of a URL goes through
// it.
//
// A location is relative to the repository, or to the base where the metadata has one (xml:base)
// that doesn't lead from the network into this machine's files. Although it should be a relative
// URL, many tools write file names that are none: what would end the path is taken for part of the
// name. A location with "://" is a whole URL, as librepo takes it.
func fileURL(repository, base, location string) (string, error) {
	u, err := url.Parse(repository)
	if err != nil {
		return "", errNoURL
	}
	if strings.Contains(location, "://") {
		return absolute(u, location)
	}
	if b, err := url.Parse(base); err == nil && (b.Scheme == "http" || b.Scheme == "https" || b.Scheme == u.Scheme) && base != "" {
		if b.User != nil {
			return "", errPassword
		}
		u = b
	}
	u.User = nil // passwords are the configuration's business: see credentials
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + pathOf(location)
	return escaped(u), nil
}

// pathOf is the path that a relative location means.
func pathOf(location string) string {
	location = strings.NewReplacer("?", "%3F", "#", "%23").Replace(location)
	if path, err := url.PathUnescape(location); err == nil {
		return path
	}
	return location
}

// InRepository is where the RPM is below each of the mirrors of its repository, of which this is the
// number in Platform.Repositories, counted from 1; 0 where URLs alone tell.
func (pkg *Package) InRepository() (repository int, location string) {
	if pkg.Nowhere != "" || pkg.base != "" || strings.Contains(pkg.location, "://") || pkg.repository >= tree.MaxRepositories {
		return 0, ""
	}
	location = pathOf(pkg.location)
	if tree.CheckLocation(location) != nil {
		return 0, ""
	}
	return pkg.repository + 1, location
}

// absolute is fileURL for a location that is a URL itself.
func absolute(repository *url.URL, location string) (string, error) {
	u, err := url.Parse(location)
	switch {
	case err != nil || u.Opaque != "":
		return "", errNoURL
	case u.User != nil:
		return "", errPassword
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	case u.Scheme == "file" && repository.Scheme == "file" && u.Host == "" && path.IsAbs(u.Path):
	default:
		return "", fmt.Errorf("its place in the metadata is a URL of the kind %.20q: http and https are followed, and file from a repository in a folder", u.Scheme)
	}
	u.Fragment, u.RawFragment = "", ""
	return escaped(u), nil
}

// escaped is a URL as text, with its path as this project escapes paths.
func escaped(u *url.URL) string {
	u.RawPath = tree.EscapePath(u.Path)
	return u.String()
}
