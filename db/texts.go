// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// SetLanguage makes summaries and descriptions be in this language from now on, where SetTexts gave
// them; empty: as the catalogue has them. The caller has checked it (tree.CheckLanguage).
func (r *Record) SetLanguage(language string) { r.language = language }

// SetTexts replaces the texts of a source in a language by those of a file.
func (r *Record) SetTexts(ctx context.Context, source, language, sha256 string, texts []tree.Text) error {
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM localised WHERE source = ? AND language = ?", source, language); err != nil {
			return err
		}
		for _, t := range texts {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT OR REPLACE INTO localised (language, name, source, summary, description, words) VALUES (?, ?, ?, ?, ?, ?)",
				language, t.Name, source, t.Summary, t.Description, strings.ToLower(t.Summary+"\n"+t.Description)); err != nil {
				return err
			}
		}
		_, err := tx.Exec("INSERT OR REPLACE INTO texts (source, language, sha256) VALUES (?, ?, ?)", source, language, sha256)
		return err
	}))
}

// TextsFrom is the digest of the file that a source's texts in a language come from; empty: there
// are none.
func (r *Record) TextsFrom(source, language string) (sha256 string, err error) {
	_, err = found(r.row("SELECT sha256 FROM texts WHERE source = ? AND language = ?", source, language).Scan(&sha256))
	return sha256, r.failed("reading", err)
}

// text is the SQL for a column of the table p, "summary" or "description", in the language. The
// language is the first parameter of the query: see inLanguage.
func (r *Record) text(column string) string {
	if r.language == "" {
		return "p." + column
	}
	return "coalesce((SELECT t." + column + " FROM localised t WHERE t.language = ?1 AND t.name = p.name AND t." + column + " <> '' LIMIT 1), p." + column + ")"
}

// inLanguage puts the language before the parameters of a query that text is in.
func (r *Record) inLanguage(args []any) []any {
	if r.language == "" {
		return args
	}
	return append([]any{r.language}, args...)
}

// whereText turns what a query asks of the texts into SQL conditions: all of it is true of the
// catalogue's own texts, or of those in the language.
func (r *Record) whereText(q Query, index string) (where []string, args []any) {
	where, args = Query{Text: q.Text}.where(index)
	if r.language == "" || len(q.Text) == 0 {
		return where, args
	}
	localised := "t.language = ?1"
	for _, term := range q.Text {
		localised += " AND instr(t.words, ?) > 0"
		args = append(args, strings.ToLower(term))
	}
	return []string{"(" + strings.Join(where, " AND ") + " OR p.name IN (SELECT t.name FROM localised t WHERE " + localised + "))"}, args
}
