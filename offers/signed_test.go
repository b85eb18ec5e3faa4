// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

func newSigner(t *testing.T) *pgp.Signer {
	t.Helper()
	s, err := pgp.Generate("School <school@example.org>", 0, time.Now().AddDate(-3, 0, 0))
	must(t, err)
	return s
}

func signedSource(id, folder string, keys ...string) Source {
	return Source{ID: id, URL: "file://" + folder, Layout: Presolve, Signed: true, Keys: strings.Join(keys, " ")}
}

func refused(t *testing.T, o *Offers, kind trust.Kind) {
	t.Helper()
	err := o.Refresh(t.Context(), nobody{}, true) // whatever the user wishes
	var e *trust.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("%v, want the kind %d", err, kind)
	}
}

// What isn't signed by whom the configuration names is refused, and what is here stays.
func TestSigned(t *testing.T) {
	signer, other := newSigner(t), newSigner(t)
	folder := t.TempDir()
	is := publication{Serial: 2, Packages: map[string][]string{"paint-2-1.noarch": nil}, Signer: signer}
	is.write(t, folder)
	o := newOffers(t, nil, signedSource("school", folder, signer.Fingerprint))
	must(t, o.Refresh(t.Context(), nobody{}, false))
	check := func() {
		t.Helper()
		ready(t, o, nil)
		if got := available(t, o, Query{}); got != "school:paint-2-1.noarch" {
			t.Error(got)
		}
	}
	check()
	for kind, bad := range map[trust.Kind]publication{
		trust.Unsigned:   {Serial: 3},
		trust.UnknownKey: {Serial: 3, Signer: other},
		trust.Older:      {Serial: 1, Signer: signer},
		trust.Expired:    {Serial: 3, Signer: signer, Created: time.Now().AddDate(-2, 0, 0)},
		trust.Future:     {Serial: 3, Signer: signer, Created: time.Now().AddDate(0, 0, 2)},
	} {
		bad.Packages = map[string][]string{"paint-3-1.noarch": nil}
		bad.write(t, folder)
		refused(t, o, kind)
		check()
	}

	// The record goes, and what was accepted stays.
	is.Serial = 1
	is.write(t, folder)
	fresh := newOffers(t, nil, signedSource("school", folder, signer.Fingerprint))
	fresh.Trust = o.Trust
	refused(t, fresh, trust.Older)

	// Another key, and nothing counts that this one has signed.
	must(t, o.use(t.Context(), []Source{signedSource("school", folder, other.Fingerprint)}))
	refused(t, o, trust.UnknownKey)
	if err := o.Ready(t.Context(), nobody{}, nil); err == nil {
		t.Error("it is believed still")
	}
}

// A mirror that isn't kept up hides nothing, wherever it is, and a stick is as good as a mirror.
func TestNewestIsOffered(t *testing.T) {
	signer := newSigner(t)
	frozen, school, mounts := t.TempDir(), t.TempDir(), t.TempDir()
	publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil}, Signer: signer}.write(t, frozen)
	publication{Serial: 2, Packages: map[string][]string{"paint-2-1.noarch": nil}, Signer: signer}.write(t, school)
	o := newOffers(t, []string{mounts}, signedSource("frozen", frozen, signer.Fingerprint), signedSource("school", school, signer.Fingerprint))
	offered := func(want string) {
		t.Helper()
		ready(t, o, nil)
		if got := available(t, o, Query{}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		found, err := o.Find(t.Context(), nobody{}, Wanted{Name: "paint"})
		if err != nil || "frozen:"+found.Package().NEVRA.String() != want {
			t.Errorf("%+v, %v", found, err)
		}
	}
	ready(t, o, []string{"paint"})
	offered("frozen:paint-2-1.noarch")
	must(t, o.Refresh(t.Context(), nobody{}, false))
	offered("frozen:paint-2-1.noarch")

	stick := filepath.Join(mounts, "LABEL")
	publication{Serial: 3, Packages: map[string][]string{"paint-3-1.noarch": nil}, Signer: signer}.write(t, stick)
	o.sticks.scan()
	offered("frozen:paint-3-1.noarch")
	must(t, os.RemoveAll(stick))
	o.sticks.scan()
	offered("frozen:paint-2-1.noarch")

	// Somebody else's stick is no more than a place for files.
	publication{Serial: 4, Packages: map[string][]string{"paint-4-1.noarch": nil}, Signer: newSigner(t)}.write(t, stick)
	o.sticks.scan()
	offered("frozen:paint-2-1.noarch")
	must(t, o.Refresh(t.Context(), nobody{}, false))
}

// Where the configuration names no key, somebody who may is asked, and nobody else decides.
func TestKeyIsAccepted(t *testing.T) {
	signer := newSigner(t)
	folder := t.TempDir()
	publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil}, Signer: signer}.write(t, folder)
	source := signedSource("school", folder)
	o := newOffers(t, nil, source)
	o.Configuration = &Configuration{Path: filepath.Join(t.TempDir(), "x"), Read: func() ([]Source, error) { return []Source{source}, nil },
		Trust: func(id, fingerprint string) error { source.Keys = fingerprint; return nil }}
	err := o.Ready(t.Context(), nobody{}, nil)
	var k *KeyError
	if !errors.As(err, &k) || k.Key.Fingerprint != signer.Fingerprint || k.Source.ID != "school" || !strings.HasSuffix(k.URL, ".asc") {
		t.Fatal(err)
	}
	kept := 0
	keep := func(*pgp.Key) error { kept++; return nil }
	if err := o.TrustKey(t.Context(), "school", newSigner(t).Fingerprint, keep); !errors.Is(err, ErrOtherKey) || kept != 0 {
		t.Error(err)
	}
	must(t, o.TrustKey(t.Context(), "school", signer.Fingerprint, keep))
	ready(t, o, nil)
	if got := available(t, o, Query{}); got != "school:paint-1-1.noarch" || kept != 1 {
		t.Error(got, kept)
	}
	if err := o.TrustKey(t.Context(), "school", signer.Fingerprint, keep); !errors.Is(err, ErrConfiguration) {
		t.Errorf("a key beside one that is there: %v", err)
	}
}
