// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// SetLocale sets the language of summaries and descriptions by the name of a locale, "pt_BR.UTF-8".
// A source's texts in it come with the next refresh, or whenever all of its catalogue is loaded.
func (o *Offers) SetLocale(locale string) {
	o.languages = languages(locale)
	language := ""
	if len(o.languages) > 0 {
		language = o.languages[0]
	}
	o.Record.SetLanguage(language)
}

// languages are those that a locale asks for, the best first: "sr_RS.UTF-8@latin" is sr_RS@latin,
// sr@latin, sr_RS, sr. "C" asks for none.
func languages(locale string) []string {
	locale, modifier, _ := strings.Cut(locale, "@")
	locale, _, _ = strings.Cut(locale, ".")
	language, country, _ := strings.Cut(strings.ReplaceAll(locale, "-", "_"), "_")
	var all []string
	for _, m := range []string{"@" + modifier, ""} {
		for _, c := range []string{"_" + country, ""} {
			if m == "@" || c == "_" {
				continue
			}
			if l := language + c + m; tree.CheckLanguage(l) == nil {
				all = append(all, l)
			}
		}
	}
	return all
}

// loadTexts loads a source's texts in the best of the languages that are asked for. Without them
// everything works: the error is ctx's alone.
func (o *Offers) loadTexts(ctx context.Context, source Source) error {
	p := o.view.platforms[source.ID]
	if p == nil {
		return nil
	}
	for _, l := range o.languages {
		ref, ok := p.Texts[l]
		if !ok {
			continue
		}
		err := o.keepTexts(ctx, source, l, ref)
		if err != nil && ctx.Err() == nil {
			o.Log.Warn("a source's texts in another language can't be loaded", "source", source.ID, "language", l, "error", err)
		}
		return ctx.Err()
	}
	return nil
}

func (o *Offers) keepTexts(ctx context.Context, source Source, language string, ref tree.Ref) error {
	asked := o.languages[0] // what they are kept as: pt may do for pt_BR
	have, err := o.Record.TextsFrom(source.ID, asked)
	if err != nil || have == ref.SHA256 {
		return err
	}
	if err := o.room(source, fileRoom(ref.Size)); err != nil {
		return err
	}
	body, err := o.Net.Get(ctx, o.publishedURLs(source.ID, ref.Path), ref)
	if err != nil {
		return err
	}
	t, err := tree.ParseTexts(body, o.Platform, language)
	if err != nil {
		return err
	}
	return o.Record.SetTexts(ctx, source.ID, asked, ref.SHA256, t.Texts)
}
