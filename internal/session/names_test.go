// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// newClient returns a client that has nothing prepared, and no connection.
func newClient() *Session { return &Session{env: &Env{dictionary: NewDictionary()}} }

// prepare gives the client a statement.
func (s *Session) prepare(name, text string) {
	st := s.env.dictionary.intern([]byte(text), noOIDs, "", 0)
	if name == "" {
		s.setUnnamed(st)
		return
	}
	s.setNamed(name, &prepared{statement: st})
}

// checkCharges reports whether the client and the dictionary agree on what the
// client holds.
func (s *Session) checkCharges(t *testing.T) {
	t.Helper()
	size, clients := 0, make(map[*statement]int)
	for _, p := range s.named {
		size += p.size()
		clients[p.statement]++
	}
	if s.confirmed != nil {
		clients[s.confirmed]++
	}
	if s.bytes != size {
		t.Errorf("charged with %d bytes, its statements take %d", s.bytes, size)
	}
	for st, n := range clients {
		if st.clients != n {
			t.Errorf("%s: %d clients, want %d", st.Text, st.clients, n)
		}
	}
	known, idle := s.env.dictionary.check(t)
	if known-idle != len(clients) {
		t.Errorf("%d statements are held, want %d", known-idle, len(clients))
	}
}

func TestNamesAreOneClientsOwn(t *testing.T) {
	t.Parallel()
	s := newClient()
	s.prepare("a", "select 1")
	s.prepare("b", "select 1")
	s.prepare("", "select 2")
	for name, want := range map[string]string{"a": "select 1", "b": "select 1", "": "select 2"} {
		if st := s.find([]byte(name)); st == nil || st.Text != want {
			t.Errorf("%q is %v, want %q", name, st, want)
		}
	}
	if st := s.find([]byte("c")); st != nil {
		t.Errorf("a name that was not given is %q", st.Text)
	}
	s.checkCharges(t)
	s.forgetNamed("a")
	s.forgetNamed("a")
	s.checkCharges(t)
	s.forgetAll()
	s.setUnnamed(nil)
	s.checkCharges(t)
	if s.bytes != 0 {
		t.Errorf("%d bytes are charged for nothing", s.bytes)
	}
}

// TestUndoneCloseGivesTheNameBack: the Close was skipped, so the client still
// has the statement.
func TestUndoneCloseGivesTheNameBack(t *testing.T) {
	t.Parallel()
	s := newClient()
	s.prepare("a", "select 1")
	x := &exchange{s: s}
	a := answer{kind: 'C', fate: faked, name: "a", prev: s.unsetNamed("a")}
	x.undo(&a)
	if st := s.find([]byte("a")); st == nil || st.Text != "select 1" {
		t.Errorf("the name is %v", st)
	}
	s.checkCharges(t)
}

func TestChargesBalance(t *testing.T) {
	t.Parallel()
	s := newClient()
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		name := fmt.Sprint("s", r.IntN(5))
		switch r.IntN(6) {
		case 0:
			s.forgetNamed(name)
		case 1:
			if p := s.unsetNamed(name); p != nil {
				s.setNamed(name, p)
			}
		case 2:
			s.prepare("", fmt.Sprint("select ", r.IntN(8)))
		case 3:
			s.setUnnamed(nil)
		default:
			if s.find([]byte(name)) == nil {
				s.prepare(name, fmt.Sprint("select ", r.IntN(8)))
			}
		}
		if r.IntN(50) == 0 {
			s.checkCharges(t)
		}
	}
	s.forgetAll()
	s.setUnnamed(nil)
	s.checkCharges(t)
}
