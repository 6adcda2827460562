// SPDX-License-Identifier: Apache-2.0

package routine

import (
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// hidden stands for an identifier or a value in a text that code puts together. No
// name is like it: it has a control character. trigger stands for the name of the
// relation whose trigger runs.
const (
	hidden  = "\x01"
	trigger = "\x05"
)

// execute reads on after EXECUTE. In PL/pgSQL it runs a text; where every part of
// that can be seen, but for identifiers and values in quotes, it is read like the
// rest.
func (r *reader) execute(i int) {
	switch r.word(i + 1) {
	case "function", "procedure", "on":
		return // of a trigger, or a privilege
	}
	if !r.procedural {
		r.code.Leaves |= Executes | Objects | Sets
		r.statement(i + 1)
		return
	}
	text, ok := r.expression(i + 1)
	if !ok || !isWhole(text) {
		r.code.Leaves |= Unknowable | Anything
		return
	}
	r.include(text)
}

// isWhole reports whether every part of a text that cannot be seen is an identifier
// or a value of its own. In a string, a comment or a body in dollars it could end
// that, and at a word or a quote it would be a part of it.
func isWhole(text string) bool {
	hid := 0
	for i := range len(text) {
		if text[i] != hidden[0] {
			continue
		}
		hid++
		if i > 1 && isJoined(text[i-2]) || i+2 < len(text) && isJoined(text[i+2]) {
			return false
		}
	}
	if hid == 0 {
		return true
	}
	list, _ := sqltext.Elements(text)
	for _, e := range list {
		if e.Name == hidden || e.String && e.Value == hidden {
			hid--
		}
	}
	return hid == 0
}

// isJoined reports whether a byte makes one word or string with what it is next to.
func isJoined(c byte) bool {
	return c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("_$'\"\x01-", c) >= 0
}

// statement notes the name of a prepared statement at i.
func (r *reader) statement(i int) {
	if i >= len(r.list) || r.list[i].Name == "" {
		return
	}
	if r.list[i].Name == hidden {
		r.code.Leaves |= Unknowable
		return
	}
	r.code.Statements = union(r.code.Statements, []string{strings.Clone(r.list[i].Name)})
}

// expression puts the text together that stands from i on.
func (r *reader) expression(i int) (string, bool) {
	var out strings.Builder
	for {
		part, next, ok := r.term(i)
		if !ok {
			return "", false
		}
		out.WriteString(part)
		switch i = next; {
		case i >= len(r.list), r.punct(i) == ';', r.word(i) == "into", r.word(i) == "using", r.word(i) == "loop":
			return out.String(), true
		case r.punct(i) == '|' && r.punct(i+1) == '|':
			i += 2
		default:
			return "", false
		}
	}
}

const (
	identifier = `"` + hidden + `"`
	value      = `'` + hidden + `'`
)

// parts are functions whose result is one identifier or value of SQL, whatever it
// is.
var parts = map[string]string{
	"quote_ident": identifier, "quote_literal": value, "quote_nullable": value,
}

// known are PL/pgSQL's variables that hold the name of a relation.
var known = map[string]bool{"tg_table_name": true, "tg_table_schema": true, "tg_relname": true}

// term reads one operand of a concatenation.
func (r *reader) term(i int) (part string, next int, ok bool) {
	if text, ok := r.text(i); ok {
		return text, i + 1, true
	}
	word := r.word(i)
	switch part, known := parts[word], known[word]; {
	case known:
		return ` "` + trigger + `" `, i + 1, true
	case r.punct(i+1) != '(':
		return r.cast(i)
	case part != "":
		next, ok = r.closed(i + 1)
		return part, next, ok
	case word == "format":
		if format, known := r.text(i + 2); known && (r.punct(i+3) == ',' || r.punct(i+3) == ')') {
			part, ok = filled(format)
			next, closes := r.closed(i + 1)
			return part, next, ok && closes
		}
	}
	return "", 0, false
}

// cast reads a variable that is cast to a type whose text is a name in quotes where
// needed, or a number.
func (r *reader) cast(i int) (part string, next int, ok bool) {
	if r.word(i) == "" {
		return "", 0, false
	}
	for i++; r.punct(i) == '.' && r.word(i+1) != ""; i += 2 {
	}
	if r.punct(i) != ':' || r.punct(i+1) != ':' {
		return "", 0, false
	}
	switch r.word(i + 2) {
	case "regclass", "regtype", "regproc", "regprocedure", "regrole", "regnamespace":
		return identifier, i + 3, true
	case "int", "integer", "bigint", "oid":
		return value, i + 3, true
	}
	return "", 0, false
}

// closed returns what follows the parenthesis at i and all in it.
func (r *reader) closed(i int) (next int, ok bool) {
	depth := 0
	for ; i < len(r.list); i++ {
		switch r.punct(i) {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
	}
	return i, false
}

// filled returns what format makes of its first argument, where that has nothing
// but identifiers and values in quotes put into it.
func filled(format string) (string, bool) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(format, "%")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		after = strings.TrimLeft(after, "0123456789$-")
		if after == "" {
			return "", false
		}
		switch after[0] {
		case 'I':
			out.WriteString(identifier)
		case 'L':
			out.WriteString(value)
		case '%':
			out.WriteString("%")
		default:
			return "", false // %s may be anything
		}
		format = after[1:]
	}
}
