// SPDX-License-Identifier: Apache-2.0

package sqltext

import (
	"slices"
	"strings"
)

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

// Opening is a statement with which a transaction begins.
type Opening struct {
	Kind Kind   // Begin or SetTransaction
	Tag  string // of its CommandComplete
	SQL  string // the statement in its shortest form, without comments
}

// Opens reads one BEGIN, START TRANSACTION or SET TRANSACTION that PostgreSQL
// carries out whatever its state, as long as nothing else has run in the
// transaction. It is not ok for every other text.
func Opens[T Text](text T) (o Opening, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	h.advance()
	switch {
	case h.accept("begin"):
		o = Opening{Begin, "BEGIN", "BEGIN"}
		if !h.accept("work") {
			h.accept("transaction")
		}
	case h.accept("start") && h.accept("transaction"):
		o = Opening{Begin, "START TRANSACTION", "BEGIN"}
	case h.accept("set") && h.accept("transaction") && !h.ended():
		o = Opening{SetTransaction, "SET", "SET TRANSACTION"}
	default:
		return o, false
	}
	for !h.ended() {
		i := slices.IndexFunc(modes, h.acceptAll)
		if i < 0 {
			return o, false
		}
		o.SQL += " " + strings.Join(modes[i], " ")
		if h.tok.kind == ',' {
			h.advance()
			if h.ended() {
				return o, false
			}
		}
	}
	return o, h.last()
}

// Ends reports whether the text is one COMMIT, END, ROLLBACK or ABORT after which
// no transaction follows at once.
func Ends[T Text](text T) (kind Kind, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	h.advance()
	h.skipEmpty()
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
	h.skipEmpty()
	return h.tok.kind == tokenEnd && h.flags&Unterminated == 0
}

// skipEmpty moves past semicolons.
func (h *head) skipEmpty() {
	for h.tok.kind == ';' {
		h.advance()
	}
}
