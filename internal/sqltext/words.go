// SPDX-License-Identifier: Apache-2.0

package sqltext

import "slices"

// Words returns every keyword and identifier of the text, each once, as
// PostgreSQL keeps them: in lower case, or as quoted. They are all names that a
// function, table or column could have. It is not ok where some cannot be read:
// the text is not terminated, or has a U&"…".
func Words[T Text](text T) (words []string, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	seen := make(map[string]bool)
	for h.advance(); h.tok.kind != tokenEnd; {
		if h.tok.kind == tokenUnicode || h.tok.kind == tokenBroken {
			return nil, false
		}
		if !isName(h.tok) {
			h.advance()
			continue
		}
		if word, _ := h.name(); !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return words, h.flags&Unterminated == 0
}

// modes are what may follow BEGIN, START TRANSACTION and SET TRANSACTION and
// cannot fail at the beginning of a transaction. A standby refuses READ WRITE
// and SERIALIZABLE (variable.c, check_transaction_read_only and
// check_transaction_isolation).
var modes = [][]string{
	{"isolation", "level", "read", "committed"},
	{"isolation", "level", "read", "uncommitted"},
	{"isolation", "level", "repeatable", "read"},
	{"read", "only"},
	{"deferrable"},
	{"not", "deferrable"},
}

// Opens reports whether the text is one BEGIN, START TRANSACTION or SET
// TRANSACTION that PostgreSQL carries out whatever its state, as long as nothing
// else has run in the transaction. The tag is that of its CommandComplete.
func Opens[T Text](text T) (kind Kind, tag string, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	h.advance()
	switch {
	case h.accept("begin"):
		kind, tag = Begin, "BEGIN"
		if !h.accept("work") {
			h.accept("transaction")
		}
	case h.accept("start") && h.accept("transaction"):
		kind, tag = Begin, "START TRANSACTION"
	case h.accept("set") && h.accept("transaction") && !h.ended():
		kind, tag = SetTransaction, "SET"
	default:
		return Unknown, "", false
	}
	for !h.ended() {
		if !slices.ContainsFunc(modes, h.acceptAll) {
			return Unknown, "", false
		}
		if h.tok.kind == ',' {
			h.advance()
			if h.ended() {
				return Unknown, "", false
			}
		}
	}
	return kind, tag, h.last()
}

// Ends reports whether the text is one COMMIT, END, ROLLBACK or ABORT after which
// no transaction follows at once.
func Ends[T Text](text T) (kind Kind, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	h.advance()
	switch {
	case h.accept("commit"), h.accept("end"):
		kind = Commit
	case h.accept("rollback"), h.accept("abort"):
		kind = Rollback
	default:
		return Unknown, false
	}
	if !h.accept("work") {
		h.accept("transaction")
	}
	h.acceptAll([]string{"and", "no", "chain"})
	return kind, h.ended() && h.last()
}

// acceptAll moves past the keywords if all of them follow.
func (h *head) acceptAll(keywords []string) bool {
	ahead := *h
	for _, k := range keywords {
		if !ahead.accept(k) {
			return false
		}
	}
	*h = ahead
	return true
}

// last reports whether nothing but semicolons and comments is left.
func (h *head) last() bool {
	for h.tok.kind == ';' {
		h.advance()
	}
	return h.tok.kind == tokenEnd && h.flags&Unterminated == 0
}
