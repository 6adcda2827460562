// SPDX-License-Identifier: Apache-2.0

package session

// A client's prepared statements. Each that it holds is charged to it in the
// dictionary, those in answers that are due included.

// find returns what the client calls name, nil if it has no such statement.
func (s *Session) find(name []byte) *statement {
	st, _ := s.lookup(name)
	return st
}

// lookup is find with the name as it is kept, "" for the unnamed statement and
// for none.
func (s *Session) lookup(name []byte) (st *statement, kept string) {
	if len(name) == 0 {
		return s.unnamed, ""
	}
	if p, ok := s.named[string(name)]; ok {
		return p.statement, p.name
	}
	return nil, ""
}

// setNamed gives the client a statement under a new name; the charge of p's
// statement goes over to the client.
func (s *Session) setNamed(name string, p *prepared) {
	if s.named == nil {
		s.named = make(map[string]*prepared)
	}
	s.named[name], p.name = p, name
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
	if s.unnamed != nil {
		s.env.dictionary.release(s.unnamed)
	}
	s.unnamed = st
}
