// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weir-pg/weir/internal/upstream"
)

// statements returns n statements.
func statements(n int) []*upstream.Statement {
	list := make([]*upstream.Statement, n)
	for i := range list {
		list[i] = &upstream.Statement{Name: fmt.Sprint("weir_", i)}
	}
	return list
}

// confirmed adds statements that the upstream has accepted.
func confirmed(p *upstream.Prepared, list ...*upstream.Statement) {
	for _, s := range list {
		p.Add(s)
		p.Confirm(s)
	}
}

func TestPreparedZeroValueHasRoomForNone(t *testing.T) {
	t.Parallel()
	var p upstream.Prepared
	s := statements(1)[0]
	if has, _ := p.Has(s); has || p.Len() != 0 || p.Surplus() != nil {
		t.Error("the zero value has a statement")
	}
	p.Remove(s)
	p.Confirm(s)
	p.Clear()
	confirmed(&p, s)
	if got := p.Surplus(); got != s || p.Len() != 0 {
		t.Errorf("surplus = %v, %d left; want the only one", got, p.Len())
	}
}

func TestPreparedEvictsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	var p upstream.Prepared
	p.Limit(2)
	s := statements(4)
	confirmed(&p, s[0], s[1])
	if p.Surplus() != nil {
		t.Error("a surplus at the limit")
	}
	p.Has(s[0]) // used: 1 is the oldest now
	confirmed(&p, s[2], s[3])
	for _, want := range []*upstream.Statement{s[1], s[0], nil} {
		if got := p.Surplus(); got != want {
			t.Errorf("surplus = %v, want %v", got, want)
		}
	}
	for i, want := range []bool{false, false, true, true} {
		if has, _ := p.Has(s[i]); has != want {
			t.Errorf("has statement %d: %t, want %t", i, has, want)
		}
	}
}

func TestPreparedNeverEvictsWhatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	var p upstream.Prepared
	p.Limit(1)
	s := statements(3)
	for _, s := range s {
		p.Add(s)
	}
	if got := p.Surplus(); got != nil {
		t.Errorf("surplus = %v while none is confirmed", got)
	}
	if has, sure := p.Has(s[0]); !has || sure {
		t.Errorf("has %t, confirmed %t; want true, false", has, sure)
	}
	p.Confirm(s[1])
	if got := p.Surplus(); got != s[1] {
		t.Errorf("surplus = %v, want the oldest, which is confirmed", got)
	}
	p.Remove(s[2])
	if p.Len() != 1 {
		t.Errorf("%d statements, want 1", p.Len())
	}
}

func TestPreparedClear(t *testing.T) {
	t.Parallel()
	var p upstream.Prepared
	p.Limit(1)
	s := statements(3)
	confirmed(&p, s...)
	p.Unnamed = s[0]
	p.Clear()
	if p.Len() != 0 || p.Unnamed != nil || p.Surplus() != nil {
		t.Errorf("after Clear: %d statements, unnamed %v", p.Len(), p.Unnamed)
	}
}

// TestPreparedAgainstAModel plays what an exchange may do, against a slice in
// order of use.
func TestPreparedAgainstAModel(t *testing.T) {
	t.Parallel()
	const limit = 5
	var p upstream.Prepared
	p.Limit(limit)
	all := statements(12)
	var model []*upstream.Statement // least recently used first
	sure := make(map[*upstream.Statement]bool)
	forget := func(s *upstream.Statement) {
		model = slices.DeleteFunc(model, func(o *upstream.Statement) bool { return o == s })
		delete(sure, s)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		s := all[r.IntN(len(all))]
		has, isSure := p.Has(s)
		if has != slices.Contains(model, s) || isSure != sure[s] {
			t.Fatalf("has %t, confirmed %t; the model has %v", has, isSure, model)
		}
		switch r.IntN(4) {
		case 0:
			p.Remove(s)
			forget(s)
			continue
		case 1:
			p.Confirm(s)
			if has {
				sure[s] = true
			}
		}
		if !has {
			p.Add(s)
		}
		was := sure[s]
		forget(s)
		model = append(model, s)
		if was {
			sure[s] = true
		}
		var want *upstream.Statement
		if len(model) > limit && sure[model[0]] {
			want = model[0]
			forget(want)
		}
		if got := p.Surplus(); got != want {
			t.Fatalf("surplus = %v, want %v", got, want)
		}
		if p.Len() != len(model) {
			t.Fatalf("%d statements, want %d", p.Len(), len(model))
		}
	}
}
