// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// categories adds the categories that have packages on offer, and what they are called in other
// languages. It is zero where there are none, or more than laptops take.
func (p *presolve) categories(ctx context.Context) (tree.Ref, error) {
	all, translated := filled(p.solved.Categories(), p.offered())
	if len(all) == 0 {
		return tree.Ref{}, nil
	}
	c := &tree.Categories{Format: tree.Format, Platform: p.Platform, Categories: all}
	content, err := c.Encode()
	if err != nil {
		return tree.Ref{}, err
	}
	if _, err := tree.ParseCategories(content, p.Platform); err != nil {
		return tree.Ref{}, nil
	}
	if c.Texts, err = p.addTexts(ctx, translated); err != nil {
		return tree.Ref{}, err
	}
	if content, err = c.Encode(); err != nil {
		return tree.Ref{}, err
	}
	ref := tree.NewRef("categories/", content, ".json")
	return ref, p.folder.add(ref.Path, content)
}

// filled are the categories with those of their packages that are on offer, without those that have
// none, and their texts by language.
func filled(all []solve.Category, offered map[string]bool) (left []tree.Category, texts map[string][]tree.Text) {
	full := make(map[string]bool)
	for _, x := range all {
		full[x.ID] = slices.ContainsFunc(x.Names, func(name string) bool { return offered[name] })
	}
	texts = make(map[string][]tree.Text)
	for _, x := range all {
		c := x.Category
		c.Name, c.Summary = cmp.Or(text(c.Name, tree.MaxSummary), c.ID), text(c.Summary, tree.MaxSummary)
		c.Names = slices.DeleteFunc(slices.Clone(c.Names), func(name string) bool { return !offered[name] })
		c.Groups = slices.DeleteFunc(slices.Clone(c.Groups), func(id string) bool { return !full[id] })
		if len(c.Names)+len(c.Groups) == 0 {
			continue
		}
		left = append(left, c)
		for language, t := range x.Texts {
			if t.Summary != "" || t.Description != "" {
				texts[language] = append(texts[language], t)
			}
		}
	}
	return left, texts
}
