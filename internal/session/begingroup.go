// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// group is a whole group of the extended protocol that runs one statement of
// a block's frame: Parse or not, Bind, Describe or not, Execute, Sync.
type group struct {
	size  int  // of its messages so far
	parse bool // the statement is new
	bound bool
	ran   bool
	name  string
	text  []byte
	reply []byte // the answers to the messages before Execute
}

// holdBackGroup is holdBack for the extended protocol. A driver sends such a group
// in one write; what comes in pieces, or together with work, is not held back.
func (x *exchange) holdBackGroup(typ byte, size int) bool {
	if !x.mayFrame(typ, x.toUp.body(size)) {
		return false
	}
	var g group
	if !x.readGroup(&g, x.toUp.buf[x.toUp.seen:x.toUp.fill]) {
		return false
	}
	tag := x.s.advance(g.text)
	if tag == "" {
		return false
	}
	if g.parse {
		x.s.define(g.name, g.text, noOIDs)
	}
	x.s.framed = true
	x.toUp.discard(g.size)
	status := x.s.blockStatus()
	x.announce(status)
	x.toClient.insert(func(out []byte) []byte {
		return wire.AppendReady(wire.AppendComplete(append(out, g.reply...), tag), status)
	})
	return true
}

// mayFrame is a quick look at the first message of a group.
func (x *exchange) mayFrame(typ byte, body []byte) bool {
	if typ == wire.Parse {
		m, err := wire.ReadParse(body)
		return err == nil && maybeBlock(m.Text)
	}
	_, name, _, err := wire.ReadBind(body)
	if err != nil {
		return false
	}
	st := x.s.find(name)
	return st != nil && frameKinds&(1<<st.kind) != 0
}

// frameKinds are the kinds of statements that holdBack may answer.
const frameKinds = 1<<sqltext.Begin | 1<<sqltext.SetTransaction | 1<<sqltext.Commit | 1<<sqltext.Rollback

// readGroup reads a group at the beginning of b. It returns false where there is
// more to it, or less.
func (x *exchange) readGroup(g *group, b []byte) bool {
	for {
		typ, size, ok, err := wire.Header(b)
		if !ok || err != nil || size > len(b) {
			return false
		}
		g.size += size
		if typ == wire.Sync {
			return g.ran && size == wire.HeaderSize
		}
		if !x.readMessage(g, typ, b[wire.HeaderSize:size]) {
			return false
		}
		b = b[size:]
	}
}

// readMessage reads one message of a group and notes its answer.
func (x *exchange) readMessage(g *group, typ byte, body []byte) bool {
	switch {
	case g.ran:
		return false
	case typ == wire.Parse && !g.parse && !g.bound:
		g.parse = true
		g.reply = wire.AppendEmpty(g.reply, wire.ParseComplete)
		return x.readParseOf(g, body)
	case typ == wire.Bind && !g.bound:
		g.bound = true
		g.reply = wire.AppendEmpty(g.reply, wire.BindComplete)
		return x.readBindOf(g, body)
	case typ == wire.Describe && g.bound:
		// The unnamed portal: no such statement returns rows.
		g.reply = wire.AppendEmpty(g.reply, wire.NoData)
		kind, name, err := wire.ReadTarget(body)
		return err == nil && kind == wire.Portal && len(name) == 0
	case typ == wire.Execute && g.bound:
		g.ran = true
		return len(body) > 0 && body[0] == 0
	}
	return false
}

// readParseOf reads the Parse of a group. A name that the client uses already is
// for PostgreSQL to refuse.
func (x *exchange) readParseOf(g *group, body []byte) bool {
	m, err := wire.ReadParse(body)
	g.name, g.text = string(keyed(m.Name)), m.Text
	return err == nil && string(m.OIDs) == string(noOIDs) && x.s.named[g.name] == nil
}

// readBindOf reads a Bind without parameters of the group's statement, or of one
// that the client has.
func (x *exchange) readBindOf(g *group, body []byte) bool {
	portal, name, rest, err := wire.ReadBind(body)
	if err != nil || len(portal) > 0 || len(rest) < 4 || rest[0]|rest[1]|rest[2]|rest[3] != 0 {
		return false
	}
	if g.parse {
		return string(keyed(name)) == g.name
	}
	st := x.s.find(name)
	if st == nil || st.unseen {
		return false
	}
	g.text = []byte(st.Text)
	return true
}

// define gives the client a statement that has not been sent.
func (s *Session) define(name string, text, oids []byte) {
	st := s.env.dictionary.intern(text, oids, s.meaning, s.quoting())
	if name == "" {
		s.setUnnamed(st)
		return
	}
	s.setNamed(name, &prepared{statement: st})
}
