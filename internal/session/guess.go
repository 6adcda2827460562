// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// A Parse of a text that PostgreSQL has accepted before is answered from memory.
// That it would refuse it now, because a table of another session is not there in
// this one, shows only when the statement is first bound or described.

// guess notes that the client was told so of a name, in the group under way.
func (s *Session) guess(name string) { s.guessed = append(s.guessed, name) }

// settleGuesses takes in that the group has ended: what PostgreSQL did not
// refuse in it the client has.
func (s *Session) settleGuesses() { s.guessed = s.guessed[:0] }

// misguessed takes in that PostgreSQL refuses st. Where the client was told in
// this group that it has st, it does not: it may prepare the name again, as it
// might after an error of its Parse.
func (x *exchange) misguessed(st *statement, code sqlstate.Code) {
	if st == nil || len(x.s.guessed) == 0 || !strings.HasPrefix(string(code), "42") || code == duplicateCursor {
		return
	}
	for _, name := range slices.Backward(x.s.guessed) {
		if p := x.s.named[name]; p != nil && p.statement == st {
			x.s.env.dictionary.retire(st)
			x.s.forgetNamed(name)
		}
	}
}

// duplicateCursor says that a portal's name is in use, which is nothing about the
// statement.
const duplicateCursor sqlstate.Code = "42P03"
