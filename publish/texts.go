// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"maps"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// texts adds what the repositories say of the packages on offer in other languages: a file for
// each. It gives references by language; nil: there are none.
func (p *presolve) texts(ctx context.Context) (refs map[string]tree.Ref, err error) {
	offered := make(map[string]bool)
	for _, e := range p.entries {
		offered[e.Name] = true
	}
	for language, all := range p.solved.Texts() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		t := &tree.Texts{Format: tree.Format, Platform: p.Platform, Language: language}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if x := all[name]; offered[name] && (x.Summary != "" || x.Description != "") {
				t.Texts = append(t.Texts, *x)
			}
		}
		content, err := encodeTexts(t)
		if err != nil {
			return nil, err
		}
		if content == nil {
			continue
		}
		ref := tree.NewRef("texts/"+language+"@", content, ".json")
		if err := p.folder.add(ref.Path, content); err != nil {
			return nil, err
		}
		if refs == nil {
			refs = make(map[string]tree.Ref)
		}
		refs[language] = ref
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
