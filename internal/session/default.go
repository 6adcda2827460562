// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// RESET takes a setting back to what the upstream began with (PostgreSQL:
// reset_val, which nothing but a start-up packet sets), where a client means what
// it began with itself. So weir follows such a statement with one of its own,
// before anything else of the client's can run: in the same text, or in the same
// group of messages. Both are rolled back together.

// reset is a statement that gives a setting its default.
type reset struct {
	kind  sqltext.Kind
	name  string // of the setting; "" is all
	until int    // the statement of its text, from 0, that what gives back follows
	end   int    // where that ends in its text
}

// addReset notes a statement of a text if it gives a setting its default.
func (e *effect) addReset(text []byte, st sqltext.Statement, count int) {
	switch st.Kind {
	case sqltext.Set, sqltext.SetLocal:
		if !sqltext.IsDefault(text, st) {
			return
		}
	case sqltext.Reset, sqltext.ResetAll, sqltext.DiscardAll:
	case sqltext.SetTransaction, sqltext.Begin:
		e.delayResets(st, count)
		return
	default:
		return
	}
	e.resets = append(e.resets, reset{st.Kind, strings.Clone(st.Name), count, st.End})
}

// delayResets has what follows the resets right in front of a BEGIN or SET TRANSACTION
// follow that: where it takes a query, the transaction would have its snapshot by then.
func (e *effect) delayResets(st sqltext.Statement, count int) {
	front := count
	for i := len(e.resets) - 1; i >= 0 && e.resets[i].until+1 >= front; i-- {
		front = e.resets[i].until
		e.resets[i].until, e.resets[i].end = count, st.End
	}
}

// own returns the settings that the client began with and that r has taken back
// to the upstream's, in the order in which they have to be set. RESET ALL leaves
// alone who the session is; the end of an authorization ends the role too.
func (r reset) own(start Settings) (own [][2]string) {
	for name, value := range start.each {
		if !slices.Contains(identity[:], name) && (r.name == "" || r.name == name) {
			own = append(own, [2]string{name, value})
		}
	}
	for _, name := range identity {
		value, ok := start.get(name)
		if ok && (r.name == name || r.name == identity[0] || r.kind == sqltext.DiscardAll) {
			own = append(own, [2]string{name, value})
		}
	}
	return own
}

// statements returns those that set the client's own; none where it began like
// the upstream. SET needs no snapshot, so that the characteristics of the
// transaction can still be set after it (PostgreSQL: check_transaction_isolation).
func (r reset) statements(l *lore, start Settings) (list []string) {
	for _, own := range r.own(start) {
		s := script{lore: l, encoding: start.encoding()}
		s.give(own[0], own[1], r.kind == sqltext.SetLocal)
		list = append(list, string(s.sql))
	}
	return list
}

// insertions are the statements that weir has added to a simple query.
type insertions struct {
	list []insertion
	done int // statements that have ended
}

// insertion is some of them in a row.
type insertion struct {
	count      int // statements in front of them
	statements int
	at         int // characters in front of them in the client's text
	length     int // their characters
}

// next reports whether the next answer is that of an insertion.
func (s *insertions) next() bool {
	return s != nil && slices.ContainsFunc(s.list, func(i insertion) bool {
		return i.count <= s.done && s.done < i.count+i.statements
	})
}

// ended notes that a statement of the query has ended.
func (s *insertions) ended() {
	if s != nil {
		s.done++
	}
}

// followed returns the text of a simple query with what has to follow its
// resets, and nil where nothing has to.
func (e effect) followed(text []byte, l *lore, start Settings) ([]byte, *insertions) {
	if e.resets == nil {
		return nil, nil
	}
	var out []byte
	added := &insertions{}
	from, statements := 0, 0
	for _, r := range e.resets {
		if r.kind == sqltext.DiscardAll {
			continue // it is alone in its text: what follows is up to bring
		}
		out = append(out, text[from:r.end]...)
		from = r.end
		own := r.statements(l, start)
		if len(own) == 0 {
			continue
		}
		n := len(out)
		out = append(out, "\n;"...) // what is in front may end in a comment
		out = append(out, strings.Join(own, ";")...)
		added.list = append(added.list, insertion{
			count:      r.until + 1 + statements,
			statements: len(own),
			at:         utf8.RuneCount(text[:r.end]),
			length:     utf8.RuneCount(out[n:]),
		})
		statements += len(own)
	}
	if added.list == nil {
		return nil, nil
	}
	return append(out, text[from:]...), added
}

// restored is the portal in which settings are given back.
var restored = namePrefix + "+"

// restore follows the Execute of a reset in its own group.
func (x *exchange) restore(st *statement) {
	for _, r := range st.effect.resets {
		if r.kind == sqltext.DiscardAll {
			continue // see giveBack
		}
		for _, sql := range r.statements(x.pool().lore.Load(), x.s.start) {
			x.up.Prepared.Unnamed = &someStatement
			x.due.push(answer{kind: 'P', fate: swallowed, unnamed: true})
			x.due.push(answer{kind: 'B', fate: swallowed})
			x.due.push(answer{kind: 'E', fate: swallowed})
			x.due.push(answer{kind: 'C', fate: swallowed})
			x.toUp.insert(func(out []byte) []byte {
				out = wire.AppendParse(out, "", sql, []byte{0, 0})
				out = wire.AppendBind(out, restored, "")
				out = wire.AppendExecute(out, restored)
				return wire.AppendTarget(out, wire.Close, wire.Portal, restored)
			})
		}
	}
}

// movePosition forwards an error whose position counts characters that weir has
// inserted.
func (x *exchange) movePosition(added *insertions, body []byte, size int) {
	text := wire.Field(body, wire.FieldPosition)
	position, err := strconv.Atoi(string(text))
	if err != nil || !x.toClient.whole(size) {
		x.toClient.keep(size)
		return
	}
	for _, i := range slices.Backward(added.list) {
		before := 0 // characters inserted in front of i
		for _, j := range added.list {
			if j.at < i.at {
				before += j.length
			}
		}
		if position > i.at+before {
			position = max(position-i.length, i.at+before)
		}
	}
	x.toClient.replace(size, size, func(out []byte) []byte {
		return wire.ReplaceField(out, body, wire.FieldPosition, strconv.Itoa(position))
	})
}
