// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// In a failed block nothing can be prepared. So where a text ends the block and goes
// on with a statement that the protocol has prepared, as in ROLLBACK; EXECUTE s0, its
// first statement goes ahead of it, in the same write, and the names are aligned
// between the two. The client is answered as for one text.

// reviving are the kinds of statements after which a failed block is none.
const reviving = 1<<sqltext.Commit | 1<<sqltext.Rollback | 1<<sqltext.RollbackTo | 1<<sqltext.PrepareTransaction

// revives returns how much of a text is the statement that ends the failed block in
// which it is sent, 0 where nothing has to go ahead of it. PostgreSQL reads a text
// whole before it runs any of it, so it is asked first whether it can.
func (x *exchange) revives(e *effect, text []byte) (head int) {
	if e.mentions == nil || x.status != wire.Failed || !x.due.empty() {
		return 0
	}
	first, next, ok := sqltext.Next(text, 0)
	if _, _, more := sqltext.Next(text, next); !ok || !more || reviving&(1<<first.Kind) == 0 || !x.canRead(text) {
		return 0
	}
	return next
}

// severalStatements is the routine that refuses a Parse of a text which it could read
// and which has several statements (PostgreSQL: postgres.c).
const severalStatements = "exec_parse_message"

// canRead reports whether PostgreSQL can read a text of several statements. In a failed
// block nothing comes of it.
func (x *exchange) canRead(text []byte) bool {
	x.found.begin()
	x.synced = false
	x.up.Prepared.Unnamed = &someStatement
	x.due.push(answer{kind: 'P', fate: swallowed})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendParse(out, "", string(text), noOIDs) })
	x.ownSync()
	over := x.limit(x.pool().config().ConnectTimeout)
	x.settleDue()
	over()
	why := x.found.complaint
	return x.up != nil && why != nil && why.Code == sqlstate.SyntaxError && x.found.routine == severalStatements
}

// revive has the first statement of a text carried out, which ends the failed block,
// and returns the rest, in which it counts for a position still. What follows is in
// no failed block; if it is, it is not carried out.
func (x *exchange) revive(text []byte, head int) []byte {
	first := bytes.TrimRight(text[:head], ";")
	st := x.s.env.dictionary.passing(first, noOIDs, x.s.meaning, x.quoting())
	x.up.Prepared.Unnamed = &someStatement
	x.due.push(answer{kind: 'P', fate: swallowed, leads: true})
	x.due.push(answer{kind: 'B', fate: swallowed, leads: true})
	x.due.push(answer{kind: 'E', st: st, leads: true})
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendParse(out, "", st.Text, noOIDs)
		return wire.AppendExecute(wire.AppendBind(out, "", ""), "")
	})
	x.status = wire.InTransaction
	blank := bytes.Repeat([]byte{' '}, utf8.RuneCount(text[:head]))
	return append(blank, text[head:]...)
}

// nothing is a statement that changes nothing and takes no snapshot.
const nothing = "SHOW work_mem;"

// asSeveral has the rest of a text that was revived be several statements still, as the
// text was: PostgreSQL runs those in an implicit block, which decides what may be done
// (xact.c: BeginImplicitTransactionBlock). The client does not see the one more.
func asSeveral(text []byte, added *insertions) ([]byte, *insertions) {
	if added == nil {
		added = &insertions{}
	}
	for i := range added.list {
		added.list[i].count++
	}
	added.list = slices.Insert(added.list, 0, insertion{statements: 1, length: len(nothing)})
	return slices.Concat([]byte(nothing), text), added
}
