// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// textDifferences is from how many earlier files of a language there are differences: texts change
// less often than packages, and platform.json has those of all languages.
const textDifferences = 4

// texts adds what the repositories say of the packages on offer in other languages: a search file
// for each. A language that has more than laptops take is left out.
func (p *presolve) texts(ctx context.Context) error {
	offered := p.offered()
	p.next.Texts = make(map[string]tree.Search)
	for language, texts := range p.solved.Texts() {
		var lines [][]byte
		for name, x := range texts {
			if offered[name] && (x.Summary != "" || x.Description != "") {
				lines = append(lines, (&tree.Entry{NEVRA: tree.NEVRA{Name: name}, Summary: x.Summary, Description: x.Description}).Line())
			}
		}
		if len(lines) == 0 {
			continue
		}
		var was tree.Search
		if p.was != nil {
			was = p.was.Texts[language]
		}
		s, err := p.searchFile(ctx, "texts", "texts/"+language+"@", lines, was, textDifferences)
		if err != nil {
			return err
		}
		if s.Lines <= tree.MaxEntries && s.Unpacked <= tree.MaxUnpacked && s.Size <= tree.MaxSearchFile {
			p.next.Texts[language] = s
		}
	}
	return nil
}

// offered are the names of the top-level packages.
func (p *presolve) offered() map[string]bool {
	all := make(map[string]bool)
	for _, e := range p.entries {
		all[e.Name] = true
	}
	return all
}

// addTexts adds a file for each language in which categories have texts.
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
