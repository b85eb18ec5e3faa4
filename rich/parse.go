// SPDX-License-Identifier: GPL-2.0-or-later

package rich

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds on one dependency. The longest that are known, of kernels and their firmware, have less
// than 1 KiB; nobody nests them deeper than three.
const (
	MaxLength = 4096 // bytes
	MaxDepth  = 32   // parentheses within each other
)

// An Op is what joins the operands of a dependency.
type Op uint8

// The operators. Plain is a dependency without one.
const (
	Plain Op = iota
	And
	Or
	If     // A is needed if B is there, else C, where there is a C
	Unless // A is needed, and B must not be there; or C is needed if B is there
	With   // one package has A and B
	Without
)

var ops = [...]string{"", "and", "or", "if", "unless", "with", "without"}

// An Expr is a dependency, plain or rich.
type Expr struct {
	Op   Op
	Dep  Dep   // of Plain
	A, B *Expr // of all others
	C    *Expr // what stands after "else"; nil: nothing does
}

// Parse reads a dependency as packages have it: "libtext >= 2:0.9", "(plugin if editor)". What rpm
// refuses is an error, and so is an "else" that no "if" comes before, and what is beyond the bounds.
func Parse(s string) (*Expr, error) {
	if !strings.HasPrefix(s, "(") {
		d, err := ParseDep(s)
		if err != nil {
			return nil, fmt.Errorf("the dependency %.80q: %w", s, err)
		}
		return &Expr{Dep: d}, nil
	}
	e, err := parseRich(s)
	if err != nil {
		return nil, fmt.Errorf("the dependency %.80q: %w", s, err)
	}
	return e, nil
}

func parseRich(s string) (*Expr, error) {
	if len(s) > MaxLength {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(s), MaxLength)
	}
	p := parser{rest: s}
	e, err := p.rich(1)
	if err == nil && p.rest != "" {
		err = errors.New("something follows its last parenthesis")
	}
	return e, err
}

type parser struct{ rest string }

// blank are the characters between words: rpm takes commas for spaces.
const blank = " \t\n\v\f\r,"

func (p *parser) skip() { p.rest = strings.TrimLeft(p.rest, blank) }

// word is what comes up to a space, or to a parenthesis that none in it opened.
func (p *parser) word() string {
	open, end := 0, len(p.rest)
scan:
	for i := range len(p.rest) {
		switch c := p.rest[i]; {
		case strings.IndexByte(blank, c) >= 0, c == ')' && open == 0:
			end = i
			break scan
		case c == '(':
			open++
		case c == ')':
			open--
		}
	}
	w := p.rest[:end]
	p.rest = p.rest[end:]
	return w
}

// rich reads from a parenthesis to the one that closes it.
func (p *parser) rich(depth int) (*Expr, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", MaxDepth)
	}
	p.rest = p.rest[1:]
	var operands []*Expr
	var op Op // of all operands
	otherwise := false
	for {
		operand, err := p.operand(depth)
		if err != nil {
			return nil, err
		}
		operands = append(operands, operand)
		p.skip()
		if strings.HasPrefix(p.rest, ")") {
			p.rest = p.rest[1:]
			return join(op, operands)
		}
		next, word := Plain, p.operator()
		for i, text := range ops[1:] {
			if word == text {
				next = Op(i + 1)
			}
		}
		switch {
		case word == "else" && (op == If || op == Unless) && !otherwise:
			otherwise = true
		case next == Plain:
			return nil, fmt.Errorf("%.20q stands where an operator should", word)
		case op == Plain:
			op = next
		case next != op || op != And && op != Or && op != With:
			return nil, fmt.Errorf("%q can't follow %q without parentheses", word, ops[op])
		}
	}
}

// operator is the word up to a space or parenthesis. In a version it can't be told from one.
func (p *parser) operator() string {
	end := strings.IndexAny(p.rest, " \t\n\v\f\r)")
	if end < 0 {
		end = len(p.rest)
	}
	w := p.rest[:end]
	p.rest = p.rest[end:]
	return w
}

func (p *parser) operand(depth int) (*Expr, error) {
	p.skip()
	if strings.HasPrefix(p.rest, "(") {
		return p.rich(depth + 1)
	}
	d := Dep{Name: p.word()}
	if d.Name == "" {
		return nil, errors.New("an operand is missing")
	}
	p.skip()
	before := p.rest
	if d.Sense = parseSense(p.word()); d.Sense == 0 {
		p.rest = before
		return &Expr{Dep: d}, nil
	}
	p.skip()
	if d.EVR = p.word(); d.EVR == "" {
		return nil, errors.New("a version is missing")
	}
	return &Expr{Dep: d}, nil
}

// join joins operands: "a or b or c" is a or (b or c).
func join(op Op, operands []*Expr) (*Expr, error) {
	switch {
	case op == Plain:
		return operands[0], nil
	case op == If || op == Unless:
		e := &Expr{Op: op, A: operands[0], B: operands[1]}
		if len(operands) == 3 {
			e.C = operands[2]
		}
		return e, nil
	}
	e := operands[len(operands)-1]
	for i := len(operands) - 2; i >= 0; i-- {
		e = &Expr{Op: op, A: operands[i], B: e}
	}
	if op == With || op == Without {
		for _, o := range operands {
			if !o.ofOne() {
				return nil, fmt.Errorf("%q takes only what one package can have", ops[op])
			}
		}
	}
	return e, nil
}

// ofOne tells whether an expression can be about one package.
func (e *Expr) ofOne() bool {
	return e.Op == Plain || (e.Op == With || e.Op == Without || e.Op == Or) && e.A.ofOne() && e.B.ofOne()
}

// String writes the expression as Parse reads it, with a pair of parentheses for each operator.
func (e *Expr) String() string {
	if e.Op == Plain {
		return e.Dep.String()
	}
	s := "(" + e.A.String() + " " + ops[e.Op] + " " + e.B.String()
	if e.C != nil {
		s += " else " + e.C.String()
	}
	return s + ")"
}
