// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"os"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// texts adds what the repositories say of the packages on offer in other languages: a search file
// for each, and the index that leads to them. A language that has more than laptops take is left
// out.
func (p *presolve) texts(ctx context.Context) error {
	offered, was := p.offered(), p.textsBefore()
	lines := make(map[string][][]byte) // of the index
	for language, texts := range p.solved.Texts() {
		var of [][]byte
		for name, x := range texts {
			if offered[name] && (x.Summary != "" || x.Description != "") {
				of = append(of, (&tree.Entry{NEVRA: tree.NEVRA{Name: name}, Summary: x.Summary, Description: x.Description}).Line())
			}
		}
		if len(of) == 0 {
			continue
		}
		s, err := p.searchFile(ctx, "texts", "texts/"+language+"@", of, was[language])
		if err != nil {
			return err
		}
		if s.Lines > tree.MaxEntries || s.Unpacked > tree.MaxUnpacked || s.Size > tree.MaxSearchFile {
			continue
		}
		line, err := (&tree.Language{Language: language, Search: s}).Line()
		if err != nil {
			return err
		}
		lines[language] = [][]byte{line}
	}
	if len(lines) == 0 {
		return nil
	}
	var err error
	p.next.Texts, err = p.addIndex(ctx, "texts", lines, tree.LanguageShards(len(lines)), tree.LanguageShard)
	return err
}

// textsBefore are the search files of languages that were published last, as far as they are there.
func (p *presolve) textsBefore() map[string]tree.Search {
	all := make(map[string]tree.Search)
	if p.was == nil || p.was.Texts.IsZero() {
		return all
	}
	for i := range p.was.Texts.Shards {
		file, err := os.ReadFile(p.folder.path(p.was.Texts.Path("texts", i)))
		if err != nil {
			continue
		}
		// What is damaged has no differences, and is told by whoever reads it.
		_ = p.was.Texts.Lines(i, file, func(line []byte) error {
			l, err := p.was.Texts.ParseLanguage(i, line)
			if err == nil {
				all[l.Language] = l.Search
			}
			return err
		})
	}
	return all
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
