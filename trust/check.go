// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Claim is what a source says of itself.
type Claim struct {
	Platform string   // that is wanted
	Anchors  []string // fingerprints; none: nobody is trusted yet
	Head     []byte   // platform.json
	// Get brings a file of the platform's folder, of at most so many bytes, by its name. Where the
	// source doesn't have it the error is fs.ErrNotExist. What it brings is not believed. It is
	// called from several goroutines.
	Get func(ctx context.Context, name string, most int64) ([]byte, error)
}

// An Accepted is a claim that is believed.
type Accepted struct {
	Platform *tree.Platform
	Signers  []string // fingerprints of those that signed it, and may
	// Until is when their keys, or the keys file that leads to them, expire; zero: never.
	Until time.Time
}

// Check tells whether a claim is believed. What was accepted stays as it was, but for a new keys file.
// The error is an *Error, one of Get's, or of what can't be read here.
func (s *Store) Check(ctx context.Context, c Claim) (*Accepted, error) {
	const what = "platform.json"
	version, err := tree.KeysOf(c.Head)
	if err != nil {
		return nil, err
	}
	name := tree.SignatureName(tree.HeadName(c.Head))
	wanted, err := s.wanted(c, version)
	if err != nil {
		return nil, err
	}
	c, done := c.ahead(ctx, append(wanted, file{name, pgp.MaxSignatures}))
	defer done()
	signatures, err := c.Get(ctx, name, pgp.MaxSignatures)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrong(Unsigned, what, "it isn't signed: there is no %s: whoever publishes it has to sign it (presolver sign)", name)
	}
	if err != nil {
		return nil, err
	}
	known, err := s.known(ctx, c, version, signatures)
	if err != nil {
		return nil, err
	}
	now, right := s.now(c.Platform, known)
	by, err := pgp.Verify(c.Head, signatures, known, now)
	if err != nil {
		return nil, s.refused(what, err)
	}
	p, err := tree.ParsePlatform(c.Head, c.Platform)
	if err != nil {
		return nil, err
	}
	if len(c.Anchors) == 0 {
		return nil, &Error{Kind: UnknownKey, What: what, Key: by[0], Err: fmt.Errorf("it is signed by the key %s of %q, and the configuration names no key of this source", by[0].Fingerprint, by[0].UserID)}
	}
	a := &Accepted{Platform: p}
	for _, k := range by {
		a.Signers = append(a.Signers, k.Fingerprint)
		if before := s.state.Accepted[c.Platform][k.Fingerprint]; p.Serial < before.Serial {
			return nil, wrong(Older, what, "it has the serial %d, older than the %d that this computer has accepted: a copy that isn't kept up, or somebody who hides what is newer; where the server itself was set back it has to build until its serial is higher", p.Serial, before.Serial)
		}
	}
	if ahead := now.Add(slack); right && p.Created.After(ahead) {
		return nil, wrong(Future, what, "it was made at %s, and by this computer's clock it is %s: correct whichever clock is wrong", day(p.Created), day(now))
	}
	if p.Expires.Before(now) {
		return nil, wrong(Expired, what, "it has expired at %s, and it is %s now: whoever publishes it has to build or sign again; if this computer's clock is wrong, correct it", day(p.Expires), day(now))
	}
	a.Until, err = s.until(c.Anchors, by)
	return a, err
}

// wanted are the files that are asked for whatever the signatures of platform.json say: the keys of the
// anchors, or the next keys file.
func (s *Store) wanted(c Claim, version int64) (files []file, err error) {
	k, err := s.keysOf(c.Anchors)
	switch {
	case err != nil || len(c.Anchors) == 0:
		return nil, err
	case k == nil && version == 0:
		for _, print := range c.Anchors {
			if s.inKeyring(print) == nil {
				files = append(files, file{tree.KeyName(print), pgp.MaxKey})
			}
		}
		return files, nil
	case k != nil && k.Version >= version:
		return nil, nil
	case k != nil:
		version = k.Version + 1
	}
	name := tree.KeysName(version)
	return []file{{name, tree.MaxKeysFile}, {tree.SignatureName(name), pgp.MaxSignatures}}, nil
}

// until is when nothing more is believed of these keys: when the last of them expires, or the keys
// file that the anchors have led to.
func (s *Store) until(anchors []string, by []*pgp.Key) (at time.Time, err error) {
	for _, k := range by {
		expires := k.Expires()
		if expires.IsZero() {
			at = expires
			break
		}
		at = later(at, expires)
	}
	file, err := s.keysOf(anchors)
	if file != nil && (at.IsZero() || file.Expires.Before(at)) {
		at = file.Expires
	}
	return at, err
}

// Accept keeps what Check has accepted: from now on nothing older is.
func (s *Store) Accept(a *Accepted) error {
	higher := func(st *state) bool {
		return slices.ContainsFunc(a.Signers, func(k string) bool {
			before, ok := st.Accepted[a.Platform.Platform][k]
			return !ok || before.Serial < a.Platform.Serial || before.Created.Before(a.Platform.Created)
		})
	}
	if err := s.load(); err != nil || !higher(&s.state) {
		return err
	}
	return s.change(func(next *state) {
		for _, k := range a.Signers {
			if next.Accepted[a.Platform.Platform] == nil {
				next.Accepted[a.Platform.Platform] = make(map[string]accepted)
			}
			before := next.Accepted[a.Platform.Platform][k]
			next.Accepted[a.Platform.Platform][k] = accepted{max(before.Serial, a.Platform.Serial), later(before.Created, a.Platform.Created.UTC())}
		}
	})
}

// slack is how far a clock may be off.
const slack = 24 * time.Hour

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// now is the time, for what these keys sign of a platform. right tells whether the clock agrees.
func (s *Store) now(platform string, known []*pgp.Key) (now time.Time, right bool) {
	clock := s.clock()
	now = later(clock, s.built)
	for _, k := range known {
		now = later(now, s.state.Accepted[platform][k.Fingerprint].Created)
	}
	return now, !now.After(clock.Add(slack))
}

// Expired tells whether a platform that was accepted has expired since.
func (s *Store) Expired(p *tree.Platform) bool {
	return p.Expires.Before(later(s.clock(), s.built))
}

// refused gives an error of pgp.Verify its kind.
func (s *Store) refused(what string, err error) error {
	var unknown *pgp.UnknownKeyError
	var key *pgp.KeyError
	var bad *pgp.BadSignatureError
	switch {
	case errors.As(err, &unknown):
		return &Error{Kind: UnknownKey, What: what, Err: err}
	case errors.As(err, &key):
		return &Error{Kind: BadKey, What: what, Err: err}
	case errors.As(err, &bad):
		return &Error{Kind: Changed, What: what, Err: err}
	}
	return &Error{Kind: Changed, What: what, Err: fmt.Errorf("its signature can't be read: %w", err)}
}

// known are the keys that may sign the platform, and where nobody is trusted yet those that say they
// did. version is that of the keys file that platform.json asks for.
func (s *Store) known(ctx context.Context, c Claim, version int64, signatures []byte) ([]*pgp.Key, error) {
	if len(c.Anchors) == 0 {
		issuers, err := pgp.Issuers(signatures)
		if err != nil {
			return nil, s.refused("platform.json", err)
		}
		return s.keys(ctx, c, issuers)
	}
	k, err := s.keysOf(c.Anchors)
	if err != nil {
		return nil, err
	}
	if k == nil && version == 0 {
		return s.keys(ctx, c, c.Anchors)
	}
	if k, err = s.follow(ctx, c, k, version); err != nil {
		return nil, err
	}
	if now, _ := s.now(c.Platform, k.Online); k.Expires.Before(now) {
		return nil, wrong(Expired, tree.KeysName(k.Version), "it has expired at %s, and it is %s now: whoever publishes it has to make a new one; if this computer's clock is wrong, correct it", day(k.Expires), day(now))
	}
	return k.Online, nil
}

// keys are those of these fingerprints that can be had: from the folder of keys, else from the source,
// whose word isn't needed, as the fingerprint is known.
func (s *Store) keys(ctx context.Context, c Claim, prints []string) ([]*pgp.Key, error) {
	var all []*pgp.Key
	for _, print := range prints {
		if k := s.inKeyring(print); k != nil {
			all = append(all, k)
			continue
		}
		text, err := c.Get(ctx, tree.KeyName(print), pgp.MaxKey)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if k, err := pgp.ReadKey(text); err == nil && (k.Fingerprint == print || len(c.Anchors) == 0 && k.Has(print)) {
			all = append(all, k)
		}
	}
	if len(all) == 0 {
		return nil, wrong(UnknownKey, "platform.json", "the key %s is neither in the folder %s nor at the source: put it there, ASCII-armoured, as a file of its own", strings.Join(prints, ", "), s.keyring)
	}
	return all, nil
}

// most is how many keys files are asked for to find one that the anchors have signed.
const most = 64

// follow brings the keys files up to a version, one after the other, each verified by the one before.
// What is accepted is kept, whatever comes next. k is the one that is here, nil where there is none.
func (s *Store) follow(ctx context.Context, c Claim, k *Keys, version int64) (*Keys, error) {
	var err error
	for v := version; k == nil; v-- {
		if v < 1 || v <= version-most {
			return nil, err
		}
		var next *Keys
		if next, err = s.next(ctx, c, nil, v); err == nil {
			k = next
		} else if !errors.As(err, new(*Error)) {
			return nil, err
		}
	}
	for k.Version < version {
		if k, err = s.next(ctx, c, k, k.Version+1); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// next brings and verifies a keys file, by the one before, or, where that is nil, by the anchors.
func (s *Store) next(ctx context.Context, c Claim, before *Keys, version int64) (*Keys, error) {
	name := tree.KeysName(version)
	text, err := c.Get(ctx, name, tree.MaxKeysFile)
	var signatures []byte
	if err == nil {
		signatures, err = c.Get(ctx, tree.SignatureName(name), pgp.MaxSignatures)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrong(Unsigned, name, "%s, or its signature, isn't there: whoever publishes it has to put all keys files there", name)
	}
	if err != nil {
		return nil, err
	}
	k, err := ParseKeys(text, version)
	if err != nil {
		return nil, wrong(Changed, name, "%w", err)
	}
	k.Signatures = signatures
	now, _ := s.now(c.Platform, k.Online)
	who := k.Signers(before)
	if before == nil {
		who = append(who, s.anchorsOf(c, k))
	}
	for _, w := range who {
		by, err := k.By(w.Keys, now)
		if len(by) >= w.Threshold {
			continue
		}
		if err == nil {
			return nil, wrong(UnknownKey, name, "it is signed by %d of %s, and %d are needed", len(by), w.Whose, w.Threshold)
		}
		return nil, s.refused(name, err)
	}
	return k, s.change(func(next *state) {
		if had := next.Keys[anchorsID(c.Anchors)]; had.Version <= version {
			next.Keys[anchorsID(c.Anchors)] = keysFile{version, string(text)}
		}
	})
}

// anchorsOf are those who have to sign the first keys file: of the keys that the configuration names more
// than half. Their public keys are in the file itself, as a fingerprint tells, or in the folder of keys,
// where the file has one no more.
func (s *Store) anchorsOf(c Claim, k *Keys) Signers {
	who := Signers{Whose: "the keys that the configuration names for the source", Threshold: len(c.Anchors)/2 + 1}
	for _, print := range c.Anchors {
		key := Find(k.Offline, print)
		if key == nil {
			key = s.inKeyring(print)
		}
		if key != nil {
			who.Keys = append(who.Keys, key)
		}
	}
	return who
}
