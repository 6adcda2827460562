// SPDX-License-Identifier: Apache-2.0

package sqltext

import (
	"strings"
	"unicode/utf8"
)

// head reads the first words of a statement, with one token in hand.
type head struct {
	lexer
	tok token
}

// advance takes the next token in hand.
func (h *head) advance() { h.tok = h.lexer.next() }

// at reports whether the token in hand is the keyword.
func (h *head) at(keyword string) bool { return h.is(h.tok, keyword) }

// peek returns the token after the one in hand.
func (h *head) peek() token {
	ahead := h.lexer
	return ahead.next()
}

// accept moves past the keyword if it is in hand.
func (h *head) accept(keyword string) bool {
	if !h.at(keyword) {
		return false
	}
	h.advance()
	return true
}

// noise moves past a keyword that may be left out, if a name follows. Where none
// does, the keyword is the name itself, as in DEALLOCATE prepare.
func (h *head) noise(keyword string) {
	if h.at(keyword) && isName(h.peek()) {
		h.advance()
	}
}

// isName reports whether the token can be an identifier.
func isName(t token) bool {
	return t.kind == tokenWord || t.kind == tokenQuoted || t.kind == tokenUnicode
}

// ended reports whether the statement has no further token.
func (h *head) ended() bool { return h.tok.kind == tokenEnd || h.tok.kind == ';' }

// name moves past an identifier and returns it as PostgreSQL keeps it: in lower
// case, or as quoted, and cut where it is too long.
func (h *head) name() (string, bool) {
	t := h.tok
	h.advance()
	switch t.kind {
	case tokenWord:
		return cut(folded(h.text[t.start:t.end])), true
	case tokenQuoted:
		return cut(strings.ReplaceAll(h.text[t.start+1:t.end-1], `""`, `"`)), true
	case tokenUnicode:
		name, ok := unescaped(strings.ReplaceAll(h.text[t.start+len(`U&"`):t.end-1], `""`, `"`))
		return cut(name), ok && !h.at("uescape")
	}
	return "", false
}

// LongestName is the longest identifier in bytes; PostgreSQL cuts longer ones
// between two characters (NAMEDATALEN, truncate_identifier in scansup.c).
const LongestName = 63

// cut returns a name as PostgreSQL keeps it.
func cut(name string) string {
	if len(name) <= LongestName {
		return name
	}
	n := LongestName
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}

// cutAnywhere reports whether a name is too long and PostgreSQL may cut it elsewhere:
// between two characters of the database's encoding, as long as they are there.
func (h *head) cutAnywhere(t token) bool {
	length := t.end - t.start
	if t.kind == tokenQuoted {
		length -= 2
	}
	return length > LongestName && strings.ContainsFunc(h.text[t.start:t.end], func(r rune) bool { return r >= utf8.RuneSelf })
}

// named returns the kind with the name in hand, or Unknown if there is none.
func (h *head) named(kind Kind) (Kind, string) {
	name, ok := h.name()
	if !ok {
		return Unknown, ""
	}
	return kind, name
}

// only returns the kind with the name in hand, or Unknown unless the statement
// ends with it.
func (h *head) only(kind Kind) (Kind, string) {
	kind, name := h.named(kind)
	if !h.ended() {
		return Unknown, ""
	}
	return kind, name
}

// whole returns the kind, or Unknown unless the statement ends after the token in
// hand.
func (h *head) whole(kind Kind) (Kind, string) {
	h.advance()
	if !h.ended() {
		return Unknown, ""
	}
	return kind, ""
}
