// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/pool"
)

// fits is a pool with one idle connection for each fit, released in that order,
// on loop 0 but for those of elsewhere.
func fits(t *testing.T, elsewhere map[string]bool, list ...string) *pool.Pool[*conn] {
	t.Helper()
	s := &server{}
	p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Max = len(list) }), newBudget(100))
	t.Cleanup(func() { p.Close(nil) })
	conns := make([]*conn, len(list))
	for i := range list {
		conns[i] = mustAcquire(t, p, 0)
	}
	for i, fit := range list {
		if elsewhere[fit] {
			conns[i].loop.Store(1)
		}
		conns[i].Node().Fit = fit
		p.Release(conns[i])
	}
	return p
}

func TestAcquirePrefersWhatFits(t *testing.T) {
	t.Parallel()
	deep := make([]string, 40)
	for i := range deep {
		deep[i] = string(rune('A' + i))
	}
	for name, c := range map[string]struct {
		idle      []string
		elsewhere string
		fit, want string
	}{
		"the last released of several":    {idle: []string{"a", "b", "b2", "c"}, fit: "c", want: "c"},
		"one further down":                {idle: []string{"a", "b", "c"}, fit: "a", want: "a"},
		"of another loop":                 {idle: []string{"a", "b", "c"}, elsewhere: "a", fit: "a", want: "a"},
		"none, then used longest ago":     {idle: []string{"a", "b", "c"}, fit: "x", want: "a"},
		"none, then of its own loop":      {idle: []string{"a", "b", "c"}, elsewhere: "a", fit: "x", want: "b"},
		"too far down":                    {idle: deep, fit: "A", want: deep[24]},
		"as far down as is looked":        {idle: deep, fit: deep[24], want: deep[24]},
		"none, then not from the surplus": {idle: deep, fit: "x", want: deep[24]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := fits(t, map[string]bool{c.elsewhere: true}, c.idle...)
			got, ok := p.TryAcquire(0, c.fit)
			if !ok || got.Node().Fit != c.want {
				t.Errorf("got %v, want %s", got.Node().Fit, c.want)
			}
			p.Release(got)
		})
	}
}

// A connection for which somebody may come back goes to others last, and to them at
// any time that it is idle.
func TestAcquireLeavesAConnectionToWhoMayComeBack(t *testing.T) {
	t.Parallel()
	p := fits(t, nil, "a", "b", "b")
	first, _ := p.TryAcquire(0, "b")
	first.Node().For.Store(7)
	p.Release(first)
	for _, want := range []string{"b", "a"} {
		if got, ok := p.TryAcquire(0, "b"); !ok || got == first || got.Node().Fit != want {
			t.Errorf("got %v, which fits %v, want one that fits %s", got == first, got.Node().Fit, want)
		} else {
			defer p.Release(got)
		}
	}
	if !p.Reacquire(first) {
		t.Error("who comes back does not get it")
	}
	if p.Reacquire(first) {
		t.Error("it was given to two")
	}
	p.Release(first)
	if got, ok := p.TryAcquire(0, "b"); !ok || got != first {
		t.Error("others do not get it although no other is idle")
	}
	p.Release(first)
}
