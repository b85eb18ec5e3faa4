// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// SetLocale sets the language of summaries and descriptions by the name of a locale, "pt_BR.UTF-8".
// A source's texts in it come with the next refresh, or whenever its search file does.
func (o *Offers) SetLocale(locale string) {
	o.languages = Languages(locale)
	o.outdated()
}

// Spoken are the languages of the locale, the best first.
func (o *Offers) Spoken() []string { return o.languages }

// Languages are those that a locale asks for, the best first: "sr_RS.UTF-8@latin" is sr_RS@latin,
// sr@latin, sr_RS, sr. "C" asks for none.
func Languages(locale string) []string {
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

// languagesIn reads a shard of a platform's index of texts into all.
func languagesIn(x tree.Index, number int, all map[string]tree.Search) func(line []byte) error {
	return func(line []byte) error {
		l, err := x.ParseLanguage(number, line)
		if err == nil {
			all[l.Language] = l.Search
		}
		return err
	}
}

// best is the best of the languages that are asked for.
func (o *Offers) best(all map[string]tree.Search) (language string, s tree.Search, ok bool) {
	for _, l := range o.languages {
		if s, ok = all[l]; ok {
			return l, s, true
		}
	}
	return "", tree.Search{}, false
}

// shardOfTexts is the number of the shard that has the languages that are asked for, which are all
// variants of one; false where none is asked for, or the platform has none.
func (o *Offers) shardOfTexts(platform *tree.Platform) (number int, ok bool) {
	if len(o.languages) == 0 || platform.Texts.IsZero() {
		return 0, false
	}
	return tree.LanguageShard(o.languages[0], platform.Texts.Shards), true
}

// keptTexts are the texts in the best of the languages that are asked for, as far as it is known here
// where they are.
func (o *Offers) keptTexts(source Source, platform *tree.Platform) (language string, s tree.Search, ok bool, err error) {
	number, ok := o.shardOfTexts(platform)
	if !ok {
		return "", s, false, nil
	}
	all := make(map[string]tree.Search)
	x := platform.Texts
	_, err = o.Record.KeptShard(source.ID, texts, x, number, func(body []byte) error { return x.Lines(number, body, languagesIn(x, number, all)) })
	language, s, ok = o.best(all)
	return language, s, ok, err
}

// bringTexts brings a platform's texts in the best of the languages that are asked for. Without them
// everything works: the error is one that ends the command.
func (o *Offers) bringTexts(ctx context.Context, p Progress, source Source, platform *tree.Platform) error {
	number, ok := o.shardOfTexts(platform)
	if !ok {
		return nil
	}
	all := make(map[string]tree.Search)
	err := o.shard(ctx, p, source, texts, platform.Texts, number, languagesIn(platform.Texts, number, all))
	if language, s, ok := o.best(all); err == nil && ok {
		if err = o.bring(ctx, p, source, s, o.view.texts[source.ID], nil); err != nil {
			err = fmt.Errorf("in %s: %w", language, err)
		}
	}
	if err != nil && !Ends(err) {
		o.Log.Warn("a source's texts in another language can't be loaded", "source", source.ID, "error", err)
		return nil
	}
	return err
}

// translate puts what a source calls a package in the user's language in the place of its summary and
// description.
func (o *Offers) translate(p *db.Package) error {
	for _, s := range o.Sources {
		f := o.view.texts[s.ID]
		if f == nil {
			continue
		}
		all, err := f.Find(p.Name)
		if err != nil || len(all) == 0 {
			return err
		}
		p.Summary, p.Description = cmp.Or(all[0].Summary, p.Summary), cmp.Or(all[0].Description, p.Description)
	}
	return nil
}

// Translate is translate for an installed package, as far as the texts are here.
func (o *Offers) Translate(ctx context.Context, p *db.Package) error {
	if len(o.languages) == 0 {
		return nil
	}
	if err := o.readView(ctx); err != nil {
		return err
	}
	return o.translate(p)
}

// Translated are the names of the packages whose texts in the user's language have each of these
// words, sorted.
func (o *Offers) Translated(ctx context.Context, words []string) ([]string, error) {
	if len(o.languages) == 0 {
		return nil, nil
	}
	if err := o.readView(ctx); err != nil {
		return nil, err
	}
	return o.translatedNames(words)
}

func (o *Offers) translatedNames(words []string) ([]string, error) {
	var names []string
	for _, f := range o.view.texts {
		if err := f.Search(catalogue.Query{Text: words}, func(e *tree.Entry) error {
			names = append(names, e.Name)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
