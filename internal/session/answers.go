// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
)

// fate is what becomes of the answer to a message.
type fate uint8

const (
	// forwarded: the upstream answers, the client gets it.
	forwarded fate = iota
	// swallowed: the upstream answers a message that weir added.
	swallowed
	// faked: the message was not sent; weir answers when its turn comes.
	faked
	// replaced: the upstream will answer with an error, in whose place the
	// client gets weir's own.
	replaced
)

// answer is one answer that is due: what the client or weir asked, in order.
//
// Names are brought forward when a message is sent; what is needed to take that
// back, should the message fail or be skipped, is here. The unnamed statement that
// a Parse defines, and that in prev, are charged to the client until the answer is
// in.
type answer struct {
	kind    byte // the type of the message that asks; internal for weir's own commands
	fate    fate
	first   bool                // Bind: the client has never used the statement, and does not know what it returns
	stamp   uint64              // Bind: when it was sent, where that has to be known; see current
	unnamed bool                // Parse, Close, Query: the unnamed statement is another after it
	unread  bool                // Parse, Query: PostgreSQL may have refused to read it
	adds    bool                // Parse: it gave the upstream a named statement
	name    string              // Parse, Bind, Describe, Close: the client's name for the statement, "" where it has none
	st      *statement          // Parse, Bind, Describe, Execute: the statement, where it matters
	prev    *prepared           // Close: what name stood for
	portal  *portalNote         // Bind: its portal; mostly nil
	opens   bool                // Execute of weir's own: the block is open after it
	strays  bool                // Close of weir's own: it takes the portal of that away
	alias   string              // Parse, Close: a client's name as SQL knows it, see align
	had     *upstream.Statement // Close of an alias: what it was
	alone   bool                // Query: its text is one statement; false where nobody asks
	returns bool                // Query: it may do ROLLBACK TO SAVEPOINT, whose tag is that of ROLLBACK
	leads   bool                // a Query comes next, which is skipped if this fails
	frees   []string            // Query: what it deallocates
	pins    reasons             // Query, Parse, Bind, FunctionCall: what it may leave behind
	span    uint64              // Sync: its number, see span
	ignored bool                // Sync: it was sent while PostgreSQL copied in, which may ignore it
	err     *sqlstate.Error     // replaced: weir's own
	added   *insertions         // Query: what weir has put into it; mostly nil
	steps   []step              // Query: the statements that are followed, see journal
}

const (
	// internal is the kind of a whole simple query of weir's own, which is
	// waited for.
	internal = '*'
	// ahead is the kind of one that goes ahead of the client's request, in the
	// same write.
	ahead = '+'
)

// own reports whether weir asked, not the client.
func (a *answer) own() bool {
	return a.kind == internal || a.kind == ahead || a.fate == swallowed
}

// hidden reports whether the client does not get what comes next.
func (a *answer) hidden() bool { return a.own() || a.added.next() }

// ends reports whether ReadyForQuery is the end of the answer.
func (a *answer) ends() bool {
	switch a.kind {
	case 'Q', 'S', 'F', internal, ahead:
		return true
	}
	return false
}

// answers is the queue of answers that are due. Its storage is used again.
type answers struct {
	list []answer
	head int
	ends int  // how many of those due end in ReadyForQuery
	open bool // the group that the client has sent last has not ended yet

	closes  int // how many are faked answers to Close
	aliases int // how many change what a name is on the upstream as SQL knows it
}

func (q *answers) reset() {
	clear(q.list)
	q.list, q.head, q.ends, q.closes, q.aliases, q.open = q.list[:0], 0, 0, 0, 0, false
}

func (q *answers) empty() bool { return q.head == len(q.list) }

// last reports whether one answer is due.
func (q *answers) last() bool { return q.head == len(q.list)-1 }

// between reports whether what is sent next begins a group.
func (q *answers) between() bool { return q.empty() || q.list[len(q.list)-1].ends() }

// lead takes in that a Query comes next, and that whatever has been sent since the last
// group would have it skipped if it failed. It reports whether that may fail: all but
// a Close.
func (q *answers) lead() (fallible bool) {
	for i := len(q.list) - 1; i >= q.head && !q.list[i].ends(); i-- {
		q.list[i].leads = true
		fallible = fallible || q.list[i].kind != 'C'
	}
	return fallible
}

// clean reports whether nothing that is due can have PostgreSQL skip what is sent
// next.
func (q *answers) clean() bool {
	if q.empty() {
		return true
	}
	last := q.list[len(q.list)-1].kind
	return last == 'S' || last == ahead
}

// groups returns how many ReadyForQuery are due.
func (q *answers) groups() int { return q.ends }

// groupsOfClient is groups without what went ahead of the first.
func (q *answers) groupsOfClient() int {
	if a := q.first(); a != nil && a.kind == ahead {
		return q.ends - 1
	}
	return q.ends
}

// asksBehind reports whether the client has asked something behind the group that is
// answered. What weir asks there by itself keeps nothing.
func (q *answers) asksBehind() bool {
	list := q.list[q.head:]
	for len(list) > 0 && !list[0].ends() {
		list = list[1:]
	}
	return len(list) > 0 && slices.ContainsFunc(list[1:], func(a answer) bool { return !a.own() })
}

// first returns the answer that is due next, nil where none is.
func (q *answers) first() *answer {
	if q.empty() {
		return nil
	}
	return &q.list[q.head]
}

// real returns the first answer that is PostgreSQL's to give, nil where none is
// due.
func (q *answers) real() *answer {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i].fate != faked {
			return &q.list[i]
		}
	}
	return nil
}

// own reports whether the answer that is due next is to a question of weir's.
func (q *answers) own() bool {
	return q.head < len(q.list) && q.list[q.head].own()
}

// faked reports whether the answer that is due next is weir's own.
func (q *answers) faked() bool {
	return q.head < len(q.list) && q.list[q.head].fate == faked
}

func (q *answers) push(a answer) {
	if q.head > 64 && q.head > len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	ends := a.ends()
	if ends {
		q.ends++
	}
	if !a.own() {
		q.open = !ends
	}
	if a.kind == 'C' && a.fate == faked {
		q.closes++
	}
	if a.alias != "" {
		q.aliases++
	}
	q.list = append(q.list, a)
}

// pop takes the first answer off.
func (q *answers) pop() {
	a := &q.list[q.head]
	if a.ends() {
		q.ends--
	}
	if a.kind == 'C' && a.fate == faked {
		q.closes--
	}
	if a.alias != "" {
		q.aliases--
	}
	*a = answer{}
	q.head++
	if q.empty() {
		q.list, q.head = q.list[:0], 0
	}
}

// asksItself reports whether the group that is answered is weir's own, which
// ends in a Sync that is swallowed.
func (q *answers) asksItself() bool {
	for _, a := range q.list[q.head:] {
		if a.ends() {
			return a.fate == swallowed
		}
	}
	return false
}

// parses reports whether the span that has not ended yet has a Parse that gives the
// upstream st. One of the unnamed statement with the same text does not.
func (q *answers) parses(st *statement) bool {
	for i := len(q.list) - 1; i >= q.head && q.list[i].kind != 'S'; i-- {
		if q.list[i].adds && q.list[i].st == st {
			return true
		}
	}
	return false
}

// dependsOn reports whether a span before the present one has a Close of name, or
// changes what it is on the upstream as SQL knows it.
func (q *answers) dependsOn(name []byte) bool {
	if q.closes == 0 && q.aliases == 0 {
		return false
	}
	i := len(q.list) - 1
	for i >= q.head && q.list[i].kind != 'S' {
		i--
	}
	for ; i >= q.head; i-- {
		if a := &q.list[i]; a.kind == 'C' && a.fate == faked && a.name == string(name) || a.alias == string(name) {
			return true
		}
	}
	return false
}

// changesUnnamed reports whether the unnamed statement is another after one of
// those that are due.
func (q *answers) changesUnnamed() bool {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i].unnamed {
			return true
		}
	}
	return false
}

// untilSync returns the answers in front of the first Sync: after an error in
// the extended protocol the server skips what asks for them. synced is false
// where that Sync has not been sent yet.
func (q *answers) untilSync() (list []answer, synced bool) {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i].kind == 'S' {
			return q.list[q.head:i], true
		}
	}
	return q.list[q.head:], false
}
