// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A State is how far a transaction is.
type State string

// The states of a transaction. After Done or Failed it is over.
const (
	Downloading State = "downloading" // its RPMs are being downloaded
	Installing  State = "installing"  // rpm may have begun
	Done        State = "done"
	Failed      State = "failed"
)

func (s State) known() bool {
	return slices.Contains([]State{Downloading, Installing, Done, Failed}, s)
}

// A Transaction is what a command set out to do.
type Transaction struct {
	ID      int64
	Began   time.Time
	Command string
	State   State
	Plan    []Planned
}

// Planned is one package that a transaction installs or removes.
type Planned struct {
	tree.NEVRA
	Source  string   `json:"source"`           // id
	Asked   bool     `json:"asked"`            // a user asked for it
	By      []string `json:"by"`               // the top-level packages whose trees have it
	Kept    bool     `json:"kept,omitzero"`    // it is installed already; only By is recorded
	Removed bool     `json:"removed,omitzero"` // it is to go; nothing is recorded of it
	// InstallOnly: it is installed beside its older versions.
	InstallOnly bool `json:"installonly,omitzero"`
}

// Begin writes a transaction down before it begins, in state Downloading, and gives it its ID.
func (r *Record) Begin(ctx context.Context, t *Transaction) error {
	plan, err := json.Marshal(t.Plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	t.State = Downloading
	return r.failed("updating", r.writeJournal(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec("INSERT INTO journal (began, command, state, plan) VALUES (?, ?, ?, ?)", t.Began.Unix(), t.Command, t.State, plan)
		if err != nil {
			return err
		}
		if t.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		// A hundred of them are history enough.
		_, err = tx.Exec("DELETE FROM journal WHERE id <= ? - 100 AND state IN (?, ?)", t.ID, Done, Failed)
		return err
	}))
}

// SetPlan replaces the plan of a transaction, whose packages are known better now.
func (r *Record) SetPlan(ctx context.Context, t *Transaction, plan []Planned) error {
	text, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return r.failed("updating", r.writeJournal(ctx, func(tx *sql.Tx) error {
		if err := put(tx, t, t.State, text); err != nil {
			return err
		}
		t.Plan = plan
		return nil
	}))
}

// put writes a transaction down anew. A record that was rebuilt since it began may have lost it.
func put(tx *sql.Tx, t *Transaction, s State, plan []byte) error {
	_, err := tx.Exec("INSERT OR REPLACE INTO journal (id, began, command, state, plan) VALUES (?, ?, ?, ?, ?)", t.ID, t.Began.Unix(), t.Command, s, plan)
	return err
}

// SetState writes down how far a transaction is. It must be, whether the command was cancelled or
// not: a lock is waited for as long as lockWait, and no signal ends that.
func (r *Record) SetState(t *Transaction, s State) error {
	plan, err := json.Marshal(t.Plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return r.failed("updating", r.writeJournal(context.Background(), func(tx *sql.Tx) error {
		if err := put(tx, t, s, plan); err != nil {
			return err
		}
		t.State = s
		return nil
	}))
}

// Conclude ends a transaction whose rpm run is over, whatever became of it: of the packages that it
// planned, those that are installed now are recorded as this backend's own, with why. The installed
// packages must have been updated before (UpdateInstalled). It waits as SetState does.
func (r *Record) Conclude(t *Transaction, s State) error {
	plan, err := json.Marshal(t.Plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return r.failed("updating", r.writeJournal(context.Background(), func(tx *sql.Tx) error {
		if err := conclude(tx, t.Plan); err != nil {
			return err
		}
		t.State = s
		return put(tx, t, s, plan)
	}))
}

func conclude(tx *sql.Tx, plan []Planned) error {
	do := inLoop(tx)
	for _, p := range plan {
		if p.Removed {
			continue // where it is gone, so is what was recorded of it; where rpm failed, that still holds
		}
		var n int
		if err := do.row("SELECT count(*) FROM installed WHERE name = ? AND evr = ? AND arch = ?", p.Name, p.EVR(), p.Arch).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if !p.Kept {
			if err := do.exec("INSERT OR REPLACE INTO own (name, evr, arch, source, asked) VALUES (?, ?, ?, ?, ?)", p.Name, p.EVR(), p.Arch, p.Source, p.Asked); err != nil {
				return err
			}
		} else if p.Asked {
			if err := do.exec("UPDATE own SET asked = 1 WHERE name = ? AND evr = ? AND arch = ?", p.Name, p.EVR(), p.Arch); err != nil {
				return err
			}
		}
		for _, by := range p.By {
			if err := do.exec("INSERT OR IGNORE INTO needed (name, by) VALUES (?, ?)", p.Name, by); err != nil {
				return err
			}
		}
	}
	return nil
}

// Unfinished are the transactions that were begun and not ended, the oldest first.
func (r *Record) Unfinished() ([]*Transaction, error) {
	return r.transactions("SELECT id, began, command, state, plan FROM journal WHERE state NOT IN (?, ?) ORDER BY id", Done, Failed)
}

// A Begun is a package that a transaction was to install and did not.
type Begun struct {
	tree.NEVRA
	Now bool // the transaction isn't over
}

// Begun are those of the last ten transactions, which run, were cut off, or failed. What was
// downloaded for them is wanted when a person tries again.
func (r *Record) Begun() ([]Begun, error) {
	last, err := r.transactions("SELECT * FROM (SELECT id, began, command, state, plan FROM journal ORDER BY id DESC LIMIT 10) WHERE state != ?", Done)
	if err != nil {
		return nil, err
	}
	var all []Begun
	for _, t := range last {
		for _, p := range t.Plan {
			if p.Removed || p.Kept {
				continue
			}
			installed, err := r.InstalledByName(p.Name)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(installed, func(is Package) bool { return is.NEVRA == p.NEVRA }) {
				all = append(all, Begun{p.NEVRA, t.State != Failed})
			}
		}
	}
	return all, nil
}

// Meant are the packages that the newest transaction that was to install a program was to install,
// those that were there already among them; none where the journal doesn't know any more.
func (r *Record) Meant(program tree.NEVRA) ([]Planned, error) {
	all, err := r.transactions("SELECT id, began, command, state, plan FROM journal ORDER BY id DESC")
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		var meant []Planned
		found := false
		for _, p := range t.Plan {
			if p.Removed {
				continue
			}
			meant = append(meant, p)
			found = found || !p.Kept && p.NEVRA == program
		}
		if found {
			return meant, nil
		}
	}
	return nil, nil
}

// NotRemoved are the packages that transactions were to remove and did not, and that none since then
// had to do with. What was to go for something else doesn't count.
func (r *Record) NotRemoved() ([]tree.NEVRA, error) {
	all, err := r.transactions("SELECT id, began, command, state, plan FROM journal ORDER BY id")
	if err != nil {
		return nil, err
	}
	var meant []tree.NEVRA
	for _, t := range all {
		for _, p := range t.Plan {
			meant = slices.DeleteFunc(meant, func(q tree.NEVRA) bool { return q == p.NEVRA })
			if t.State == Failed && !slices.ContainsFunc(t.Plan, func(p Planned) bool { return !p.Removed }) {
				meant = append(meant, p.NEVRA)
			}
		}
	}
	return meant, nil
}

// transactions are those that a query selects, with all their columns.
func (r *Record) transactions(query string, args ...any) ([]*Transaction, error) {
	return rows(r, query, func(s scan) (*Transaction, error) {
		t := new(Transaction)
		var began int64
		var plan []byte
		if err := s(&t.ID, &began, &t.Command, &t.State, &plan); err != nil {
			return nil, err
		}
		t.Began = time.Unix(began, 0)
		if !t.State.known() {
			return nil, r.Damaged(fmt.Errorf("a transaction is %q", t.State))
		}
		if err := json.Unmarshal(plan, &t.Plan); err != nil {
			return nil, r.Damaged(err)
		}
		return t, nil
	}, args...)
}
