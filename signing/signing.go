// SPDX-License-Identifier: GPL-2.0-or-later

package signing

import (
	"context"
	"fmt"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// A Signing is who signs a platform, and what says that he may.
type Signing struct {
	Signer *Signer
	Keys   []*trust.Keys // all versions, from 1 on; none: laptops know the Signer's key
}

// New is a Signing that laptops take now.
func New(s *Signer, keys []*trust.Keys, now time.Time) (*Signing, error) {
	if len(keys) > 0 {
		if err := CheckKeys(keys, now); err != nil {
			return nil, err
		}
		last := keys[len(keys)-1]
		key := trust.Find(last.Online, s.Key.Fingerprint)
		if key == nil {
			return nil, fmt.Errorf("the key %s is not among the online keys of %s: sign with one that is, or make the next keys file (presolver keys new)", s.Key.Fingerprint, last.Name())
		}
		s = &Signer{key, s.sign} // as it is in the keys file, with the time that it has there
	}
	return &Signing{s, keys}, s.Key.Usable(now)
}

// Version is that of the last keys file; 0: there is none, or nobody signs.
func (s *Signing) Version() int64 {
	if s == nil {
		return 0
	}
	return int64(len(s.Keys))
}

// Try tells whether the Signer can sign, so that it isn't found out after hours of work.
func (s *Signing) Try(ctx context.Context, now time.Time) error {
	_, err := s.Signer.Sign(ctx, []byte("presolver tries whether it can sign\n"), now)
	return err
}

// Soon is what will have expired after a while.
func (s *Signing) Soon(now time.Time, within time.Duration) (all []string) {
	then := now.Add(within)
	if s.Signer.Key.Usable(then) != nil {
		all = append(all, fmt.Sprintf("the key %s expires within %s: laptops refuse what it signs then", s.Signer.Key.Fingerprint, days(within)))
	}
	if len(s.Keys) == 0 {
		return all
	}
	last := s.Keys[len(s.Keys)-1]
	if last.Expires.Before(then) {
		all = append(all, fmt.Sprintf("%s expires at %s: make the next one (presolver keys new), and have it signed", last.Name(), last.Expires.UTC().Format(time.DateOnly)))
	}
	for _, key := range last.Offline {
		if key.Usable(now) == nil && key.Usable(then) != nil {
			all = append(all, fmt.Sprintf("the offline key %s expires within %s", key.Fingerprint, days(within)))
		}
	}
	return all
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", int(d.Hours()/24)) }
