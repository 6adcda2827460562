// SPDX-License-Identifier: Apache-2.0

package sqltext

import (
	"strconv"
	"strings"
)

// set reads on after SET (gram.y, VariableSetStmt).
func (h *head) set() (Kind, string) {
	kind, scoped := Set, false
	if h.at("local") && !h.assigned() {
		kind, scoped = SetLocal, true
		h.advance()
	} else if h.at("session") && !h.assigned() && !h.special() {
		scoped = true
		h.advance()
	}
	if h.assigned() {
		return h.setting(kind)
	}
	switch {
	case h.at("transaction"):
		return SetTransaction, ""
	case h.at("session") && h.is(h.peek(), "characteristics"):
		return SetCharacteristics, ""
	case h.at("constraints") && !scoped:
		return SetConstraints, ""
	case h.at("role"):
		return kind, "role"
	case h.at("names"):
		return kind, "client_encoding"
	case h.at("schema"):
		return kind, "search_path"
	}
	if name := h.phrase(); name != "" {
		return kind, name
	}
	return Unknown, ""
}

// assigned reports whether the token in hand is the name of a setting because of
// what follows it, whatever else the word may mean: SET session.user = 1.
func (h *head) assigned() bool {
	next := h.peek()
	return isName(h.tok) && (next.kind == '=' || next.kind == '.' || h.is(next, "to") || h.is(next, "from"))
}

// special reports whether SESSION in hand belongs to the words after it rather
// than saying for how long a setting holds.
func (h *head) special() bool {
	next := h.peek()
	return h.is(next, "characteristics") || h.is(next, "authorization")
}

// phrase moves past the words that stand for a setting and returns its name, or
// "" if there are none. ROLE, NAMES and SCHEMA are such words after SET only.
func (h *head) phrase() string {
	name, next := "", h.peek()
	switch {
	case h.at("time") && h.is(next, "zone"):
		name = "timezone"
	case h.at("session") && h.is(next, "authorization"):
		name = "session_authorization"
	case h.at("xml") && h.is(next, "option"):
		name = "xmloption"
	default:
		return ""
	}
	h.advance()
	h.advance()
	return name
}

// setting reads the name of a setting. PostgreSQL compares these without regard
// to case even in quotes (guc_name_compare in guc.c), so they are in lower case.
func (h *head) setting(kind Kind) (Kind, string) {
	if name := h.phrase(); name != "" {
		return kind, name
	}
	if h.at("transaction") && h.is(h.peek(), "isolation") {
		return kind, "transaction_isolation"
	}
	start := h.tok.start
	name, ok := h.name()
	for ok && h.tok.kind == '.' {
		h.advance()
		var part string
		end := h.tok.end
		part, ok = h.name()
		if end-start == len(name)+len(".")+len(part) {
			name = h.text[start:end] // written without quotes or blanks
		} else {
			name += "." + part
		}
	}
	if !ok {
		return Unknown, ""
	}
	return kind, folded(name)
}

// IsDefault reports whether s, a [Set] or [SetLocal] of the text, gives the setting
// its default, as RESET does: SET x TO DEFAULT, SET TIME ZONE LOCAL, SET NAMES
// alone (gram.y, var_value and zone_value).
func IsDefault[T Text](text T, s Statement) bool {
	l := lexer{text: view(text)[:s.End], pos: s.Start}
	var last, before token
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		before, last = last, t
	}
	switch {
	case l.is(last, "default"):
		return true
	case l.is(last, "local"):
		return l.is(before, "zone")
	case l.is(last, "names"):
		return l.is(before, "set") || l.is(before, "session") || l.is(before, "local")
	}
	return false
}

// Milliseconds reads a time as PostgreSQL shows it: "0", "250ms", "90s", "2min"
// (convert_int_from_base_unit in guc.c).
func Milliseconds(shown string) (int64, bool) {
	end := strings.IndexFunc(shown, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(shown)
	}
	n, err := strconv.ParseInt(shown[:end], 10, 64)
	unit, ok := map[string]int64{"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}[shown[end:]]
	return n * unit, ok && err == nil
}
