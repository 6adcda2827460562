// SPDX-License-Identifier: Apache-2.0

package session

import (
	"unicode/utf8"

	"github.com/weir-pg/weir/internal/sqltext"
)

// A client's prepared statements. Each that it holds is charged to it in the
// dictionary, those in answers that are due included.

// longestKey is how many bytes of a statement's name PostgreSQL looks at: names are
// keys in a hash table of strings that short (prepare.c: InitQueryHashTable with
// NAMEDATALEN, dynahash.c). Two that differ after that are one, and those of SQL have
// been cut before, between two characters (scansup.c: truncate_identifier).
const longestKey = sqltext.LongestName

// keyed returns what counts of a statement's name.
func keyed(name []byte) []byte { return name[:min(len(name), longestKey)] }

// splits reports whether a character of the name is cut: SQL has no name for the
// statement.
func splits(name []byte) bool {
	return len(name) > longestKey && !utf8.RuneStart(name[longestKey])
}

// spelled returns a name as a message to the client may have it: with no part of a
// character at its end.
func spelled(name string) string {
	for len(name) > longestKey-utf8.UTFMax && len(name) <= longestKey {
		if r, n := utf8.DecodeLastRuneInString(name); r != utf8.RuneError || n != 1 {
			break
		}
		name = name[:len(name)-1]
	}
	return name
}

// find returns what the client calls name, nil if it has no such statement.
func (s *Session) find(name []byte) *statement {
	st, _ := s.lookup(name)
	return st
}

// lookup is find with what is kept of the name, nil for the unnamed statement and
// for none.
func (s *Session) lookup(name []byte) (st *statement, p *prepared) {
	if len(name) == 0 {
		return s.unnamed, nil
	}
	if p := s.named[string(keyed(name))]; p != nil {
		return p.statement, p
	}
	return nil, nil
}

// kept is the name as it is kept, "" for nil.
func (p *prepared) kept() string {
	if p == nil {
		return ""
	}
	return p.name
}

// setNamed gives the client a statement under a new name; the charge of p's
// statement goes over to the client.
func (s *Session) setNamed(name string, p *prepared) {
	if s.named == nil {
		s.named = make(map[string]*prepared)
	}
	s.named[name], p.name, p.span = p, name, s.span
	if p.at == 0 {
		p.at = s.env.dictionary.clock.Add(1)
	}
	s.bytes += p.size()
}

// unsetNamed takes a name away and returns what it stood for, with its charge.
func (s *Session) unsetNamed(name string) *prepared {
	p, ok := s.named[name]
	if !ok {
		return nil
	}
	delete(s.named, name)
	s.bytes -= p.size()
	return p
}

// forgetNamed takes a name away for good.
func (s *Session) forgetNamed(name string) {
	if p := s.unsetNamed(name); p != nil {
		s.env.dictionary.release(p.statement)
	}
}

// forgetAll takes all names away, as DEALLOCATE ALL and DISCARD ALL do.
func (s *Session) forgetAll() {
	for name := range s.named {
		s.forgetNamed(name)
	}
}

// setUnnamed replaces the unnamed statement for good; st may be nil, else its
// charge goes over to the client.
func (s *Session) setUnnamed(st *statement) {
	s.confirmUnnamed(st)
	s.unnamed = st
}

// assumeUnnamed replaces it as long as nothing is heard of the message that does
// so; the charge of st goes with the answer that is due.
func (s *Session) assumeUnnamed(st *statement) {
	s.unnamed, s.unnamedSpan = st, s.span
}

// confirmUnnamed takes in that PostgreSQL has made st the unnamed statement.
func (s *Session) confirmUnnamed(st *statement) {
	if s.confirmed != nil {
		s.env.dictionary.release(s.confirmed)
	}
	s.confirmed = st
}
