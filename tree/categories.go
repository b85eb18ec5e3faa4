// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"unicode/utf8"
)

// Bounds on categories. Fedora has 200 groups in 30 environments.
const (
	MaxCategories     = 4096    // how many
	MaxCategoriesFile = 1 << 20 // bytes
	MaxCategoryLines  = 1 << 14 // how often categories are listed below others
	maxCategoryID     = 200     // bytes
)

// Categories are menus of the packages on offer, as distributions arrange them: the groups of comps
// below its categories and environments, and the patterns of openSUSE.
type Categories struct {
	Format     int        `json:"format"`
	Platform   string     `json:"platform"`
	Categories []Category `json:"categories"` // in the order of menus
	// Texts are what categories are called in other languages, by language: Texts whose names are
	// ids of categories, whose summaries are names, and whose descriptions are summaries.
	Texts map[string]Ref `json:"texts,omitempty"`
}

// A Category is at the top, or, where it has no Groups, below all those whose Groups have its ID.
type Category struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Summary string   `json:"summary,omitempty"`
	Icon    string   `json:"icon,omitempty"`   // a name and no path
	Names   []string `json:"names,omitempty"`  // of the packages on offer that are in it, sorted
	Groups  []string `json:"groups,omitempty"` // ids of those below it, which have no Groups
}

// CheckCategory tells whether a text may be the id of a category.
func CheckCategory(id string) error {
	if len(id) > maxCategoryID {
		return fmt.Errorf("an id has %d bytes, more than %d", len(id), maxCategoryID)
	}
	return CheckName(id)
}

// ParseCategories reads and checks the categories of a platform.
func ParseCategories(data []byte, platform string) (*Categories, error) {
	c := new(Categories)
	if err := unmarshal("list of categories", data, categoriesLimit, &c.Format, c); err != nil {
		return nil, err
	}
	if c.Platform != platform {
		return nil, fmt.Errorf("these are the categories of %.80q and not of %q", c.Platform, platform)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("the categories: %w", err)
	}
	return c, nil
}

// Encode writes the categories as they are published.
func (c *Categories) Encode() ([]byte, error) { return encode(c) }

func (c *Categories) check() error {
	if len(c.Categories) > MaxCategories || len(c.Texts) > maxLanguages {
		return fmt.Errorf("%d in %d languages are more than %d in %d", len(c.Categories), len(c.Texts), MaxCategories, maxLanguages)
	}
	leaf := make(map[string]bool)
	lines := 0
	for i := range c.Categories {
		x := &c.Categories[i]
		if err := x.check(); err != nil {
			return err
		}
		if _, twice := leaf[x.ID]; twice {
			return fmt.Errorf("%s is there twice", x.ID)
		}
		leaf[x.ID] = len(x.Groups) == 0
		lines += len(x.Groups)
	}
	if lines > MaxCategoryLines {
		return fmt.Errorf("%d are below others, more than %d", lines, MaxCategoryLines)
	}
	for _, x := range c.Categories {
		seen := make(map[string]bool)
		for _, g := range x.Groups {
			if !leaf[g] || seen[g] {
				return fmt.Errorf("%s has %.80q below it, which isn't there, is there twice, or has groups itself", x.ID, g)
			}
			seen[g] = true
		}
	}
	for language, ref := range c.Texts {
		if err := CheckLanguage(language); err != nil {
			return err
		}
		if err := ref.check("texts"); err != nil {
			return err
		}
	}
	return nil
}

func (x *Category) check() error {
	if err := CheckCategory(x.ID); err != nil {
		return err
	}
	if x.Name == "" || len(x.Name) > MaxSummary || len(x.Summary) > MaxSummary || !utf8.ValidString(x.Name+x.Summary) {
		return fmt.Errorf("%s: its name or summary is missing, too long or not UTF-8", x.ID)
	}
	if x.Icon != "" {
		if err := CheckName(x.Icon); err != nil {
			return fmt.Errorf("%s: its icon: %w", x.ID, err)
		}
	}
	for _, name := range x.Names {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("%s: %w", x.ID, err)
		}
	}
	return nil
}
