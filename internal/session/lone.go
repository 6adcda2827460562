// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// lone is the only request under way, where there is just one: a simple query of
// one statement, or one group of the extended protocol with one statement.
type lone struct {
	text     string // of the statement; of one that is only prepared, too
	oids     string // of its parameters' types, as Parse carries them; "" for a simple query
	prepares bool   // it is not even bound
}

// lone reads all that was taken from the client since the requests under way
// began. It is not ok where that is anything but one request with its end: what
// is decided about asking again holds for everything that was sent, and a
// pipeline can have a read in front of a write.
func (x *exchange) lone() (l lone, ok bool) {
	taken := x.toUp.taken()
	if taken == nil || x.due.groups() > 1 {
		return lone{}, false
	}
	var g loneGroup
	for typ, body := range messages(taken) {
		taken = taken[wire.HeaderSize+len(body):]
		if g.ended || !g.take(x.s, typ, body) {
			return lone{}, false
		}
	}
	return g.lone, g.ended && len(taken) == 0
}

// loneGroup reads the messages of a request.
type loneGroup struct {
	lone

	begun    bool
	parsed   bool   // it has a Parse, whose text and types are in lone
	name     string // that Parse's
	bound    bool
	executed bool
	ended    bool
}

// take reads one message, and reports whether there may be one of its type.
func (g *loneGroup) take(s *Session, typ byte, body []byte) bool {
	switch typ {
	case wire.Query:
		text := bytes.TrimSuffix(body, []byte{0})
		g.text, g.ended = string(text), true
		return !g.begun && sqltext.Scan(text).Count == 1
	case wire.Sync:
		g.ended, g.prepares = true, !g.bound
		return g.begun
	case wire.Parse:
		m, err := wire.ReadParse(body)
		twice := g.parsed || g.bound
		g.begun, g.parsed, g.name = true, true, string(keyed(m.Name))
		g.text, g.oids = string(m.Text), string(m.OIDs)
		return err == nil && !twice
	case wire.Bind:
		return g.bind(s, body)
	case wire.Execute:
		twice := g.executed
		g.executed = true
		return g.bound && !twice && len(body) >= 4 && string(body[len(body)-4:]) == "\x00\x00\x00\x00"
	case wire.Describe:
		g.begun = true
		return true
	case wire.Flush:
		return true
	}
	return false
}

// bind reads the only Bind of a group. Whether it is executed or not makes no
// difference: a plan is made, for which functions may be called.
func (g *loneGroup) bind(s *Session, body []byte) bool {
	_, name, _, err := wire.ReadBind(body)
	if err != nil || g.bound {
		return false
	}
	g.begun, g.bound = true, true
	if g.parsed {
		return g.name == string(keyed(name))
	}
	st := s.find(name)
	if st == nil || st.unseen {
		return false
	}
	g.text, g.oids = st.Text, st.OIDs
	return true
}

// hasOwnTypes reports whether a parameter has a type that did not come with PostgreSQL:
// to make a value of it may call something.
func (l *lone) hasOwnTypes() bool {
	var e effect
	e.addTypes([]byte(l.oids))
	return e.newest != 0
}

// effectOfLone is what the only request under way may leave behind.
func (x *exchange) effectOfLone(l *lone) effect {
	return x.effectOfParsed([]byte(l.text), []byte(l.oids))
}
