// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// noOIDs is the parameter types of a Parse that names none.

// check reports what is out of balance in d: idle statements that are held, that
// are not in the entries, or that are not what idleSize says. It returns how
// many statements are known, and how many of them are idle.
func (d *Dictionary) check(t *testing.T) (known, idle int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	free := make(map[*statement]bool)
	size := 0
	for s := d.idle.next; s != &d.idle; s = s.next {
		if s.clients != 0 || free[s] || s.next.prev != s {
			t.Errorf("idle statement %s has %d clients, or the ring is broken", s.Name, s.clients)
		}
		free[s] = true
		size += s.size()
	}
	if size != d.idleSize || size > dictionaryIdle {
		t.Errorf("idle statements have %d bytes, counted are %d, the limit is %d", size, d.idleSize, dictionaryIdle)
	}
	for hash, same := range d.entries {
		if len(same) == 0 {
			t.Error("an entry without statements was kept")
		}
		for _, s := range same {
			known++
			if s.hash != hash || !s.shared || free[s] != (s.clients == 0) || free[s] != (s.next != nil) {
				t.Errorf("statement %s: %d clients, shared %t, idle %t", s.Name, s.clients, s.shared, free[s])
			}
			delete(free, s)
		}
	}
	if len(free) != 0 {
		t.Errorf("%d idle statements are in no entry", len(free))
	}
	for s := d.idle.next; s != &d.idle; s = s.next {
		idle++
	}
	return known, idle
}

func TestDictionaryTellsStatementsApart(t *testing.T) {
	t.Parallel()
	d := NewDictionary()
	first := d.intern([]byte("select $1"), noOIDs, "", 0)
	tests := []struct {
		name, text, oids, meaning string
		same                      bool
	}{
		{"the same", "select $1", "\x00\x00", "", true},
		{"another text", "select  $1", "\x00\x00", "", false},
		{"other types", "select $1", "\x00\x01\x00\x00\x00\x17", "", false},
		{"another meaning", "select $1", "\x00\x00", "search_path\x00a\x00", false},
		{"bytes moved over", "select $", "1\x00\x00", "", false},
	}
	for _, tt := range tests {
		s := d.intern([]byte(tt.text), []byte(tt.oids), tt.meaning, 0)
		if same := s == first; same != tt.same || same != (s.Name == first.Name) {
			t.Errorf("%s: %s and %s, want the same: %t", tt.name, s.Name, first.Name, tt.same)
		}
		if !strings.HasPrefix(s.Name, namePrefix) || s.Text != tt.text || s.OIDs != tt.oids || s.meaning != tt.meaning {
			t.Errorf("%s: interned as %+v", tt.name, &s.Statement)
		}
	}
}

func TestDictionaryCountsItsClients(t *testing.T) {
	t.Parallel()
	d := NewDictionary()
	s := d.intern([]byte("select 1"), noOIDs, "", 0)
	d.hold(s)
	if d.intern([]byte("select 1"), noOIDs, "", 0) != s {
		t.Error("a statement in use was not found")
	}
	for range 3 {
		if _, idle := d.check(t); idle != 0 {
			t.Error("idle with clients")
		}
		d.release(s)
	}
	if known, idle := d.check(t); known != 1 || idle != 1 {
		t.Errorf("after its last client: %d known, %d idle", known, idle)
	}
	if d.intern([]byte("select 1"), noOIDs, "", 0) != s {
		t.Error("an idle statement was not found")
	}
	if known, idle := d.check(t); known != 1 || idle != 0 {
		t.Errorf("in use again: %d known, %d idle", known, idle)
	}
	d.release(nil)
	d.release(s)
}

func TestDictionaryDoesNotShareLongTexts(t *testing.T) {
	t.Parallel()
	d := NewDictionary()
	text := []byte("select '" + strings.Repeat("x", sharedText) + "'")
	a, b := d.intern(text, noOIDs, "", 0), d.intern(text, noOIDs, "", 0)
	if a == b || a.Name == b.Name {
		t.Errorf("two clients share %s, a text of %d bytes", a.Name, len(text))
	}
	d.release(a)
	d.release(b)
	if known, idle := d.check(t); known != 0 || idle != 0 {
		t.Errorf("%d known, %d idle, want none", known, idle)
	}
}

// TestDictionaryForgetsTheLongestIdle prepares and forgets more than the
// dictionary keeps, of both long and short texts.
func TestDictionaryForgetsTheLongestIdle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, count, most int }{
		{60 << 10, 400, dictionaryIdle / (60 << 10)},
		{20, 100_000, 70_000},
	} {
		t.Run(fmt.Sprint(tt.size), func(t *testing.T) {
			t.Parallel()
			d := NewDictionary()
			text := func(i int) []byte { return fmt.Appendf(nil, "%-*d", tt.size, i) }
			for i := range tt.count {
				d.release(d.intern(text(i), noOIDs, "", 0))
			}
			known, idle := d.check(t)
			if known != idle || known > tt.most || known < tt.most/2 {
				t.Errorf("%d known, %d idle, want about %d of %d", known, idle, tt.most, tt.count)
			}
			before := d.last
			d.release(d.intern(text(tt.count-1), noOIDs, "", 0))
			if d.last != before {
				t.Error("the latest was forgotten")
			}
			d.release(d.intern(text(0), noOIDs, "", 0))
			if d.last == before {
				t.Error("the oldest was kept")
			}
		})
	}
}

func TestDictionaryRetires(t *testing.T) {
	t.Parallel()
	d := NewDictionary()
	text := []byte("select * from t")
	for _, held := range []bool{true, false} {
		old := d.intern(text, noOIDs, "", 0)
		if !held {
			d.release(old)
		}
		d.retire(old)
		d.retire(old) // by another client, at the same time
		fresh := d.intern(text, noOIDs, "", 0)
		if fresh == old || fresh.Name == old.Name {
			t.Errorf("held %t: %s was given out after it was retired", held, old.Name)
		}
		if held {
			d.release(old)
		}
		d.release(fresh)
		d.retire(fresh)
		if known, idle := d.check(t); known != 0 || idle != 0 {
			t.Errorf("held %t: %d known, %d idle, want none", held, known, idle)
		}
	}
}

func TestDictionaryStress(t *testing.T) {
	t.Parallel()
	d := NewDictionary()
	var all sync.WaitGroup
	for client := range uint64(8) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(client, 1))
			var held []*statement
			for range 5000 {
				if n := len(held); n > 0 && r.IntN(2) == 0 {
					i := r.IntN(n)
					if r.IntN(20) == 0 {
						d.retire(held[i])
					}
					d.release(held[i])
					held[i] = held[n-1]
					held = held[:n-1]
					continue
				}
				text := fmt.Appendf(nil, "select %d", r.IntN(40))
				s := d.intern(text, noOIDs, "", 0)
				if s.Text != string(text) {
					t.Errorf("%q became %q", text, s.Text)
				}
				held = append(held, s)
				if r.IntN(4) == 0 {
					d.hold(s)
					held = append(held, s)
				}
			}
			for _, s := range held {
				d.release(s)
			}
		})
	}
	all.Wait()
	if known, idle := d.check(t); known != idle || known == 0 || known > 40 {
		t.Errorf("%d known, %d idle at the end, want all idle", known, idle)
	}
}

func BenchmarkDictionary(b *testing.B) {
	d := NewDictionary()
	text := []byte("select abalance from pgbench_accounts where aid = $1")
	b.ReportAllocs()
	for b.Loop() {
		d.release(d.intern(text, noOIDs, "", 0))
	}
}
