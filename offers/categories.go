// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Categories gives the categories of each source that has some, with what they are called in the
// best of the languages that are asked for, by their ids (tree.Categories.Texts). What a source has
// that can't be had is passed over; the error is that of the first. The sources must be Ready for
// no name.
func (o *Offers) Categories(ctx context.Context, p Progress, yield func(c *tree.Categories, texts map[string]tree.Text)) error {
	var failed error
	for _, s := range slices.Clone(o.Sources) {
		err := o.try(ctx, attempt{s, true}, true, func(ctx context.Context) error {
			err := o.categories(ctx, s, yield)
			if !movedOn(err) {
				return err
			}
			if err := o.CatchUp(ctx, p, s.ID, []string{}, err); err != nil {
				return err
			}
			return o.categories(ctx, s, yield)
		})
		if Ends(err) {
			return err
		}
		failed = cmp.Or(failed, sourceError(s, err))
	}
	return failed
}

func (o *Offers) categories(ctx context.Context, s Source, yield func(*tree.Categories, map[string]tree.Text)) error {
	platform := o.view.platforms[s.ID]
	if platform == nil {
		return nil
	}
	c, err := kept(ctx, o, s.ID, platform.Categories, func(body []byte) (*tree.Categories, error) {
		return tree.ParseCategories(body, o.Platform)
	})
	if err != nil || c == nil {
		return err
	}
	texts, err := o.categoryTexts(ctx, s, c)
	if err == nil {
		yield(c, texts)
	}
	return err
}

// categoryTexts are what a source's categories are called in the best of the languages. Without them
// everything works: the error is one that ends what is being done.
func (o *Offers) categoryTexts(ctx context.Context, s Source, c *tree.Categories) (map[string]tree.Text, error) {
	i := slices.IndexFunc(o.languages, func(l string) bool { return !c.Texts[l].IsZero() })
	if i < 0 {
		return nil, nil
	}
	language := o.languages[i]
	t, err := kept(ctx, o, s.ID, c.Texts[language], func(body []byte) (*tree.Texts, error) {
		return tree.ParseTexts(body, o.Platform, language)
	})
	if err != nil {
		if Ends(err) {
			return nil, err
		}
		o.Log.Warn("what a source's categories are called in another language can't be loaded", "source", s.ID, "language", language, "error", err)
		return nil, nil
	}
	texts := make(map[string]tree.Text)
	for _, x := range t.Texts {
		texts[x.Name] = x
	}
	return texts, nil
}
