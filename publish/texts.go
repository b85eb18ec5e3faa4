// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// texts adds what the repositories say of the packages on offer in other languages: a file for
// each. It gives references by language.
func (p *presolve) texts(ctx context.Context) (refs map[string]tree.Ref, err error) {
	offered := p.offered()
	all := make(map[string][]tree.Text)
	for language, texts := range p.solved.Texts() {
		for name, x := range texts {
			if offered[name] && (x.Summary != "" || x.Description != "") {
				all[language] = append(all[language], *x)
			}
		}
	}
	return p.addTexts(ctx, all)
}

// offered are the names of the top-level packages.
func (p *presolve) offered() map[string]bool {
	all := make(map[string]bool)
	for _, e := range p.entries {
		all[e.Name] = true
	}
	return all
}

// addTexts adds a file for each language that has texts.
func (p *presolve) addTexts(ctx context.Context, all map[string][]tree.Text) (refs map[string]tree.Ref, err error) {
	refs = make(map[string]tree.Ref)
	for language, texts := range all {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		slices.SortFunc(texts, func(a, b tree.Text) int { return cmp.Compare(a.Name, b.Name) })
		content, err := encodeTexts(&tree.Texts{Format: tree.Format, Platform: p.Platform, Language: language, Texts: texts})
		if err != nil {
			return nil, err
		}
		if content == nil {
			continue
		}
		refs[language] = tree.NewRef("texts/"+language+"@", content, ".json")
		if err := p.folder.add(refs[language].Path, content); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// encodeTexts leaves out descriptions where they make it more than a laptop reads; it is nil where
// that is so without them, and where there is nothing to tell.
func encodeTexts(t *tree.Texts) ([]byte, error) {
	if len(t.Texts) == 0 {
		return nil, nil
	}
	content, err := t.Encode()
	if err != nil || len(content) <= tree.MaxTexts {
		return content, err
	}
	for i := range t.Texts {
		t.Texts[i].Description = ""
	}
	if content, err = t.Encode(); err != nil || len(content) > tree.MaxTexts {
		return nil, err
	}
	return content, nil
}
