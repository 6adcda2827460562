// SPDX-License-Identifier: Apache-2.0

package upstream

import "container/list"

// Statement is a prepared statement that connections can share. It does not
// change after it was made, but for what its maker keeps beside it.
type Statement struct {
	Name string // its name on every upstream
	Text string
	OIDs string // the count and the parameter types, as Parse carries them
}

// Prepared is the statements that one upstream connection has, least recently
// used last. The zero value has none and room for none. It belongs to the
// connection's owner.
type Prepared struct {
	// Unnamed is what the upstream's unnamed statement is, nil where it is not
	// known; it counts in no limit.
	Unnamed *Statement

	// aliases are further names, of clients: what is there by them.
	aliases map[string]*Statement
	aliased bool

	limit   int
	entries map[*Statement]*list.Element
	recent  list.List // of *slot
}

type slot struct {
	statement *Statement
	confirmed bool
	age       uint64
}

// someStatement stands for a statement that nobody knows.
var someStatement Statement

// Disown notes that somebody else uses the connection from now on: what its unnamed
// statement is means nothing to them.
func (p *Prepared) Disown() {
	if p.Unnamed != nil {
		p.Unnamed = &someStatement
	}
}

// Limit sets how many named statements the upstream may hold.
func (p *Prepared) Limit(n int) { p.limit = n }

// Len returns how many named statements the upstream holds.
func (p *Prepared) Len() int { return len(p.entries) }

// Has reports whether the upstream has s, and whether it has said so: one that
// was sent and not answered may still fail. It marks s as used.
func (p *Prepared) Has(s *Statement) (has, confirmed bool) {
	e, ok := p.entries[s]
	if !ok {
		return false, false
	}
	p.recent.MoveToFront(e)
	return true, e.Value.(*slot).confirmed
}

// Add notes that a Parse of s was sent.
func (p *Prepared) Add(s *Statement) {
	if p.entries == nil {
		p.entries = make(map[*Statement]*list.Element)
	}
	p.entries[s] = p.recent.PushFront(&slot{statement: s})
}

// Confirm notes that the Parse of s succeeded.
func (p *Prepared) Confirm(s *Statement) {
	if e, ok := p.entries[s]; ok {
		e.Value.(*slot).confirmed = true
	}
}

// Stamp notes as of when what the upstream has of s is known to be right, in the
// counting of its owner.
func (p *Prepared) Stamp(s *Statement, age uint64) {
	if e, ok := p.entries[s]; ok {
		e.Value.(*slot).age = age
	}
}

// Age returns what Stamp noted last.
func (p *Prepared) Age(s *Statement) (age uint64, has bool) {
	e, ok := p.entries[s]
	if !ok {
		return 0, false
	}
	return e.Value.(*slot).age, true
}

// Remove notes that the upstream does not have s.
func (p *Prepared) Remove(s *Statement) {
	if e, ok := p.entries[s]; ok {
		p.recent.Remove(e)
		delete(p.entries, s)
	}
}

// Alias returns what the upstream has under a further name, nil for nothing.
func (p *Prepared) Alias(name string) *Statement { return p.aliases[name] }

// SetAlias notes what the upstream has under a further name, nil for nothing.
func (p *Prepared) SetAlias(name string, s *Statement) {
	if s == nil {
		delete(p.aliases, name)
		return
	}
	if p.aliases == nil {
		p.aliases = make(map[string]*Statement)
	}
	p.aliases[name], p.aliased = s, true
}

// Count returns how many statements with names the upstream has.
func (p *Prepared) Count() int { return len(p.entries) + len(p.aliases) }

// Aliased reports whether there were further names since the last Clear.
func (p *Prepared) Aliased() bool { return p.aliased }

// Aliases yields the further names and what the upstream has under each.
func (p *Prepared) Aliases(yield func(string, *Statement) bool) {
	for name, s := range p.aliases {
		if !yield(name, s) {
			return
		}
	}
}

// All yields the statements that the upstream has by their own names. What is yielded
// may be removed meanwhile.
func (p *Prepared) All(yield func(string, *Statement) bool) {
	for s := range p.entries {
		if !yield(s.Name, s) {
			return
		}
	}
}

// Named returns the statement whose own name that is, nil where there is none.
func (p *Prepared) Named(name string) *Statement {
	for s := range p.entries {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Names yields the names of the statements that the upstream has and has said so.
func (p *Prepared) Names(yield func(string) bool) {
	for s, e := range p.entries {
		if e.Value.(*slot).confirmed && !yield(s.Name) {
			return
		}
	}
}

// Retain notes that of its named statements the upstream has only those of which has
// says so, and returns the others.
func (p *Prepared) Retain(has func(*Statement) bool) (gone []*Statement) {
	for s := range p.entries {
		if !has(s) {
			gone = append(gone, s)
		}
	}
	for _, s := range gone {
		p.Remove(s)
	}
	return gone
}

// Clear notes that the upstream has no statements.
func (p *Prepared) Clear() {
	p.Unnamed = nil
	clear(p.aliases)
	p.aliased = false
	clear(p.entries)
	p.recent.Init()
}

// Surplus returns the statement to close because there are more than the limit
// allows, and forgets it; nil where there are not. One that is not confirmed
// is never chosen: its Parse may be in the same write.
func (p *Prepared) Surplus() *Statement {
	if len(p.entries) <= p.limit {
		return nil
	}
	oldest := p.recent.Back()
	if oldest == nil || !oldest.Value.(*slot).confirmed {
		return nil
	}
	s := oldest.Value.(*slot).statement
	p.Remove(s)
	return s
}
