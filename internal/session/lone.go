// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// lone returns the text of the only statement under way, where there is just
// one: a simple query, or what one group of the extended protocol executes, to
// its last row. The text is empty where a group only prepares.
func (x *exchange) lone() (text string, ok bool) {
	var l loneGroup
	for b := x.toUp.marked(); ; {
		typ, size, whole, err := wire.Header(b)
		if !whole || err != nil || size > len(b) {
			return "", false
		}
		body := b[wire.HeaderSize:size]
		switch {
		case typ == wire.Query && !l.begun:
			return string(body[:len(body)-1]), sqltext.Scan(body[:len(body)-1]).Count == 1
		case typ == wire.Sync:
			return l.executed, true
		case !l.take(x.s, typ, body):
			return "", false
		}
		b = b[size:]
	}
}

// loneGroup reads the messages of a group.
type loneGroup struct {
	begun    bool
	parsed   *string // the text of its Parse, nil before that
	name     string  // that Parse's
	bound    *string // the text that its Bind binds, nil before that
	executed string
}

// take reads one message, and reports whether there may be one of its type.
func (l *loneGroup) take(s *Session, typ byte, body []byte) bool {
	l.begun = true
	switch typ {
	case wire.Parse:
		m, err := wire.ReadParse(body)
		text := string(m.Text)
		twice := l.parsed != nil
		l.parsed, l.name = &text, string(m.Name)
		return err == nil && !twice
	case wire.Bind:
		_, name, _, err := wire.ReadBind(body)
		if err != nil || l.bound != nil {
			return false
		}
		if l.parsed != nil && l.name == string(name) {
			l.bound = l.parsed
		} else if st := s.find(name); st != nil && !st.unseen {
			l.bound = &st.Text
		}
		return l.bound != nil
	case wire.Execute:
		if l.bound == nil || l.executed != "" || len(body) < 4 || string(body[len(body)-4:]) != "\x00\x00\x00\x00" {
			return false
		}
		l.executed = *l.bound
		return true
	case wire.Describe, wire.Flush:
		return true
	}
	return false
}
