// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"maps"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// addTexts adds what the repositories say of the packages on offer in other languages: a file for
// each.
func (b *builder) addTexts(p *tree.Platform, keep *keep) error {
	offered := make(map[string]bool)
	for _, e := range b.entries {
		offered[e.Name] = true
	}
	for language, all := range b.solved.Texts() {
		t := &tree.Texts{Format: tree.Format, Platform: b.Platform, Language: language}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if x := all[name]; offered[name] && (x.Summary != "" || x.Description != "") {
				t.Texts = append(t.Texts, *x)
			}
		}
		content, err := encodeTexts(t)
		if err != nil {
			return err
		}
		if content == nil {
			continue
		}
		ref := tree.NewRef("texts/"+language+"@", content, ".json")
		if err := b.folder.add(ref.Path, content); err != nil {
			return err
		}
		keep.add(ref.Path)
		if p.Texts == nil {
			p.Texts = make(map[string]tree.Ref)
		}
		p.Texts[language] = ref
	}
	return nil
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
