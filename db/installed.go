// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Package is an installed package, or one that a source offers.
type Package struct {
	tree.NEVRA
	Summary     string
	Description string
	License     string
	Group       string // PackageKit's; empty: unknown
	URL         string
	Size        int64 // bytes on disk
	// Source is the id of the source that offers it, or that this backend installed it from. It is
	// empty for an installed package that something else installed.
	Source    string
	Installed bool
	// SideBySide: several versions of it are meant to be installed, as of kernels. Only an
	// InstalledUpdate knows.
	SideBySide bool
}

// RPMState is the state of the RPM database (rpm.Database.State) that the installed packages were
// read at.
func (r *Record) RPMState() (string, error) {
	var s string
	_, err := found(r.row("SELECT value FROM meta WHERE key = 'rpm-state'").Scan(&s))
	return s, r.failed("reading", err)
}

// An InstalledUpdate brings the installed packages to another state of the RPM database. See
// Record.UpdateInstalled.
type InstalledUpdate struct {
	ctx    context.Context // of UpdateInstalled
	record *Record
	tx     *repeated
	known  map[string]*installedRow // by digest
	added  []tree.NEVRA             // but for those that are meant to be side by side
}

// An installedRow is a row of the table of installed packages.
type installedRow struct {
	digest string
	id     int64
	seen   bool // it is still installed
}

// UpdateInstalled brings the installed packages to a state of the RPM database: f calls Known for
// each header's digest, and Add for each package that is not known. Packages that f names neither
// way are gone, and with them what was recorded of why they were installed. If f fails, or ctx
// ends, nothing has changed; Add fails when ctx has ended.
func (r *Record) UpdateInstalled(ctx context.Context, state string, f func(*InstalledUpdate) error) error {
	r.versions = nil // our own change doesn't show in the record's version
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		u := &InstalledUpdate{ctx: ctx, record: r, tx: inLoop(tx), known: make(map[string]*installedRow)}
		all, err := inTx(tx, "SELECT digest, id FROM installed", func(s scan) (*installedRow, error) {
			known := new(installedRow)
			return known, s(&known.digest, &known.id)
		})
		if err != nil {
			return err
		}
		for _, known := range all {
			u.known[known.digest] = known
		}
		if err := f(u); err != nil {
			return callerError{err}
		}
		for _, known := range u.known {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !known.seen {
				if err := u.tx.exec("DELETE FROM installed WHERE id = ?", known.id); err != nil {
					return err
				}
			}
		}
		if err := infer(ctx, tx, ""); err != nil {
			return err
		}
		for _, s := range []string{
			"DELETE FROM own WHERE NOT EXISTS (SELECT 1 FROM installed i WHERE i.name = own.name AND i.evr = own.evr AND i.arch = own.arch)",
			"DELETE FROM needed WHERE NOT EXISTS (SELECT 1 FROM installed i WHERE i.name = needed.name) OR NOT EXISTS (SELECT 1 FROM installed i WHERE i.name = needed.by)",
		} {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		if err := u.adopt(); err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO meta (key, value) VALUES ('rpm-state', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", state)
		return err
	}))
}

// Known tells whether the record has the package whose header has this digest, and keeps it.
func (u *InstalledUpdate) Known(digest string) bool {
	known := u.known[digest]
	if known == nil {
		return false
	}
	known.seen = true
	return true
}

// Add adds an installed package.
func (u *InstalledUpdate) Add(digest string, p Package) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if !p.SideBySide {
		u.added = append(u.added, p.NEVRA)
	}
	err := u.tx.exec("INSERT INTO installed (name, evr, arch, summary, description, license, grp, url, size, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		p.Name, p.EVR(), p.Arch, p.Summary, p.Description, p.License, p.Group, p.URL, p.Size, digest)
	return u.record.classified(err)
}

// adopt records as this backend's own, for the same reasons, what was installed beside another
// version of one of its packages, by force: of the two only the newer one is to stay.
func (u *InstalledUpdate) adopt() error {
	for _, p := range u.added {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		err := u.tx.exec(`INSERT OR IGNORE INTO own (name, evr, arch, source, asked)
			SELECT ?1, ?2, ?3, source, asked FROM own WHERE name = ?1 AND evr != ?2 AND (arch = ?3 OR 'noarch' IN (arch, ?3)) LIMIT 1`, p.Name, p.EVR(), p.Arch)
		if err != nil {
			return err
		}
	}
	return nil
}

// InstalledByName are the installed packages of a name: more than one where several architectures
// or versions are installed.
func (r *Record) InstalledByName(name string) ([]Package, error) {
	var all []Package
	err := r.Installed(Query{Name: name}, func(p *Package) error {
		all = append(all, *p)
		return nil
	})
	return all, err
}

// versions are the packages that were installed when the record had a Version.
type versions struct {
	at     int64
	byName map[string][]tree.NEVRA
}

// InstalledVersions are the installed packages by their names: to be read only. They are held in
// memory until they change.
func (r *Record) InstalledVersions() (map[string][]tree.NEVRA, error) {
	at, err := r.Version()
	if err != nil {
		return nil, err
	}
	if r.versions != nil && r.versions.at == at {
		return r.versions.byName, nil
	}
	v := &versions{at, make(map[string][]tree.NEVRA)}
	err = each(r, "SELECT name, evr, arch FROM installed", nil, func(s scan) (tree.NEVRA, error) {
		var name, evr, arch string
		err := s(&name, &evr, &arch)
		return nevra(name, evr, arch), err
	}, func(p tree.NEVRA) error {
		v.byName[p.Name] = append(v.byName[p.Name], p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.versions = v
	return v.byName, nil
}

// CountInstalled is how many packages are installed, and how many of them this backend installed.
func (r *Record) CountInstalled() (all, own int, err error) {
	err = r.row("SELECT (SELECT count(*) FROM installed), (SELECT count(*) FROM own)").Scan(&all, &own)
	return all, own, r.failed("reading", err)
}

// Why tells why this backend installed a package: asked for, or in the trees of the top-level
// packages neededBy, or both. own is false where something else installed it.
func (r *Record) Why(p tree.NEVRA) (own, asked bool, neededBy []string, err error) {
	own, err = found(r.row("SELECT asked FROM own WHERE name = ? AND evr = ? AND arch = ?", p.Name, p.EVR(), p.Arch).Scan(&asked))
	if err != nil {
		return false, false, nil, r.failed("reading", err)
	}
	neededBy, err = column[string](r, "SELECT by FROM needed WHERE name = ? ORDER BY by", p.Name)
	if err != nil {
		return false, false, nil, err
	}
	return own, asked, neededBy, nil
}

// An OwnPackage is an installed package that this backend installed, and why.
type OwnPackage struct {
	Package
	Asked bool
	By    []string // the top-level packages whose trees have it, sorted
}

// OwnPackages are the packages that this backend installed, ordered by name.
func (r *Record) OwnPackages() ([]OwnPackage, error) {
	var all []OwnPackage
	err := r.Installed(Query{}, func(p *Package) error {
		if p.Source != "" {
			all = append(all, OwnPackage{Package: *p})
		}
		return nil
	})
	for i := range all {
		if err == nil {
			_, all[i].Asked, all[i].By, err = r.Why(all[i].NEVRA)
		}
	}
	return all, err
}

// nevra is the reverse of what the tables hold. What something else installed may be named in any
// way, and must not keep the rest from being listed.
func nevra(name, evr, arch string) tree.NEVRA {
	p := tree.NEVRA{Name: name, Version: evr, Arch: arch}
	if epoch, version, ok := strings.Cut(evr, ":"); ok {
		if n, err := strconv.Atoi(epoch); err == nil {
			p.Epoch, p.Version = n, version
		}
	}
	if i := strings.LastIndexByte(p.Version, '-'); i >= 0 {
		p.Version, p.Release = p.Version[:i], p.Version[i+1:]
	}
	return p
}
