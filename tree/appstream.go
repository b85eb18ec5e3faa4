// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds on what software centres show. Fedora has 1,300 programs with icons of 4 KiB.
const (
	MaxComponents    = 8192    // how many
	MaxAppstreamFile = 4 << 20 // bytes, unpacked
	MaxIconPacks     = 64      // a power of two
	MaxIconsFile     = 4 << 20 // bytes of a pack, unpacked
	MaxIcon          = 64 << 10
	IconSize         = 64 // pixels, each way
	maxCategoriesOf  = 1024
)

// The kinds of components, as AppStream calls them.
const (
	DesktopApplication = "desktop-application"
	ConsoleApplication = "console-application"
)

// Appstream is what software centres show of the packages on offer beyond what the search file says
// of them.
type Appstream struct {
	Format     int         `json:"format"`
	Platform   string      `json:"platform"`
	Components []Component `json:"components"` // sorted by ID, none twice
	// Packs have the icons (Icons): one is in that whose number Shard gives for its digest. There is
	// none, or a power of two of them.
	Packs []Ref `json:"packs,omitempty"`
}

// A Component is a program as AppStream knows it.
type Component struct {
	ID    string `json:"id"`
	Name  string `json:"name"`  // of the package on offer that has it
	Type  string `json:"type"`  // DesktopApplication or ConsoleApplication
	Title string `json:"title"` // what people call it
	// Categories are those of a desktop file: "Education;Math".
	Categories string `json:"categories,omitempty"`
	Launch     string `json:"launch,omitempty"` // the desktop file that starts it
	Icon       string `json:"icon,omitempty"`   // the SHA-256 of a PNG file, in hexadecimal
}

// Icons are PNG files of 64 × 64 pixels.
type Icons struct {
	Format   int      `json:"format"`
	Platform string   `json:"platform"`
	Icons    [][]byte `json:"icons"`
}

// IconDigest is what a Component's Icon is called.
func IconDigest(png []byte) string {
	sum := sha256.Sum256(png)
	return hex.EncodeToString(sum[:])
}

// ParseAppstream reads and checks what software centres show of a platform.
func ParseAppstream(file []byte, platform string) (*Appstream, error) {
	data, err := unpacked(file, nil, MaxAppstreamFile)
	if err != nil {
		return nil, fmt.Errorf("reading the programs: %w", err)
	}
	a := new(Appstream)
	if err := unmarshal("list of programs", data, appstreamLimit, &a.Format, a); err != nil {
		return nil, err
	}
	if a.Platform != platform {
		return nil, fmt.Errorf("these are the programs of %.80q and not of %q", a.Platform, platform)
	}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("the programs: %w", err)
	}
	return a, nil
}

// Encode writes it as it is published. The error tells why no reader would take it.
func (a *Appstream) Encode() ([]byte, error) {
	return packed("list of programs", appstreamLimit, a, a.check)
}

// Pack is the number of the pack that has an icon.
func (a *Appstream) Pack(icon string) int { return Shard(icon, len(a.Packs)) }

func (a *Appstream) check() error {
	if len(a.Components) > MaxComponents {
		return fmt.Errorf("%d are more than %d", len(a.Components), MaxComponents)
	}
	if n := len(a.Packs); n > MaxIconPacks || n&(n-1) != 0 {
		return fmt.Errorf("%d packs of icons are no power of two up to %d", n, MaxIconPacks)
	}
	for _, ref := range a.Packs {
		if err := ref.check("icons"); err != nil {
			return err
		}
	}
	last := ""
	for i := range a.Components {
		c := &a.Components[i]
		if c.ID <= last {
			return fmt.Errorf("%.80q is there twice, or not where it belongs", c.ID)
		}
		last = c.ID
		if err := c.check(len(a.Packs)); err != nil {
			return fmt.Errorf("%.80q: %w", c.ID, err)
		}
	}
	return nil
}

func (c *Component) check(packs int) error {
	for _, name := range []string{c.ID, c.Name} {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	switch {
	case c.Type != DesktopApplication && c.Type != ConsoleApplication:
		return fmt.Errorf("it is a %.40q", c.Type)
	case c.Title == "" || len(c.Title) > MaxSummary || !utf8.ValidString(c.Title):
		return errors.New("its title is missing, too long or not UTF-8")
	case len(c.Categories) > maxCategoriesOf:
		return fmt.Errorf("its categories have %d bytes, more than %d", len(c.Categories), maxCategoriesOf)
	}
	if c.Launch != "" {
		if err := CheckName(c.Launch); err != nil {
			return err
		}
	}
	if c.Categories != "" {
		for name := range strings.SplitSeq(c.Categories, ";") {
			if err := CheckName(name); err != nil {
				return fmt.Errorf("its categories: %w", err)
			}
		}
	}
	if c.Icon != "" {
		if packs == 0 {
			return errors.New("it has an icon, and there is no pack")
		}
		return checkDigest(c.Icon)
	}
	return nil
}

// ParseIcons reads and checks a pack of icons.
func ParseIcons(file []byte, platform string) (*Icons, error) {
	data, err := unpacked(file, nil, MaxIconsFile)
	if err != nil {
		return nil, fmt.Errorf("reading icons: %w", err)
	}
	x := new(Icons)
	if err := unmarshal("pack of icons", data, iconsLimit, &x.Format, x); err != nil {
		return nil, err
	}
	if x.Platform != platform {
		return nil, fmt.Errorf("these are icons of %.80q and not of %q", x.Platform, platform)
	}
	return x, x.check()
}

// Encode writes a pack as it is published. The error tells why no reader would take it.
func (x *Icons) Encode() ([]byte, error) { return packed("pack of icons", iconsLimit, x, x.check) }

func (x *Icons) check() error {
	for _, png := range x.Icons {
		if err := CheckIcon(png); err != nil {
			return fmt.Errorf("an icon: %w", err)
		}
	}
	return nil
}

// CheckIcon tells whether bytes begin as a PNG file of 64 × 64 pixels, and aren't too many. Who shows
// it decodes it, as the user that it is.
func CheckIcon(png []byte) error {
	const header = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x40\x00\x00\x00\x40" // IconSize
	if len(png) > MaxIcon {
		return fmt.Errorf("it has %d bytes, more than %d", len(png), MaxIcon)
	}
	if !bytes.HasPrefix(png, []byte(header)) {
		return fmt.Errorf("it is no PNG file of %d × %d pixels", IconSize, IconSize)
	}
	return nil
}

// packed is v as it is published: JSON within a limit, compressed.
func packed(what string, l limit, v any, check func() error) ([]byte, error) {
	data, err := encode(v)
	if err == nil {
		err = l.check(what, data)
	}
	if err == nil {
		err = check()
	}
	if err != nil {
		return nil, err
	}
	return best.compress(data)
}
