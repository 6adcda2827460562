// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var everyOrder = flag.Bool("orders", false, "interleave scripts in every order, not only in the telling ones")

// TestTwoClientsAtEveryBoundary runs each script in each form, with one client's
// steps between any two of the other's.
func TestTwoClientsAtEveryBoundary(t *testing.T) {
	t.Parallel()
	for _, s := range load(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := newGround(t)
			for _, f := range [...]form{simple, extended, prepared} {
				t.Run(f.String(), func(t *testing.T) { s.check(t, g, f) })
			}
		})
	}
}

// check runs a script and reports a difference, or that there is none though
// one is known.
func (s script) check(t *testing.T, g *ground, f form) {
	d := s.compare(t, g, f)
	why := unlike[s.name] + unlike[s.name+"/"+f.String()]
	switch {
	case d != nil && why == "":
		t.Error(d)
	case d == nil && why != "":
		t.Errorf("the answers are the same, but are listed as different: %s", why)
	}
}

// compare runs a script in the orders of a form up to the first difference: on as
// many upstreams as it needs and, where that is one, on two, on which blocks of
// the two clients can overlap.
func (s script) compare(t *testing.T, g *ground, f form) *difference {
	list := f.share(orders(len(s.steps[0]), len(s.steps[1])))
	if d := s.playAll(t, g, s.pool, f, list); d != nil || s.pool > 1 {
		return d
	}
	return s.playAll(t, g, 2, f, list[len(list)-mixed/2:])
}

// share returns the orders in which a form is sent: all are for simple queries,
// the two forms of the extended protocol have one half each.
func (f form) share(orders [][]int) (mine [][]int) {
	for i, order := range orders {
		if f == simple || *everyOrder || i%2 == int(f)%2 {
			mine = append(mine, order)
		}
	}
	return mine
}

func (s script) playAll(t *testing.T, g *ground, pool int, f form, orders [][]int) *difference {
	w := g.open(t, pool)
	defer func() {
		if err := w.close(); err != nil {
			t.Errorf("close weir: %v", err)
		}
	}()
	for _, order := range orders {
		if d := s.play(t, w, f, order); d != nil {
			return d
		}
	}
	return nil
}

// play runs the script in one order. Where a client has to wait for the other's
// upstream, the other goes first.
func (s script) play(t *testing.T, w *world, f form, order []int) (d *difference) {
	t.Helper()
	w.exec(t, strings.Join(s.setup, ";"))
	w.begin(s.params)
	defer func() {
		if err := w.end(); err != nil && d == nil {
			d = w.differ([]string{err.Error()}, nil, "a goodbye failed")
		}
	}()
	var at [2]int
	for _, who := range order {
		for _, i := range [...]int{who, 1 - who} {
			if at[i] == len(s.steps[i]) {
				continue
			}
			next := step{who: i, form: f, text: s.steps[i][at[i]]}
			if !w.room(next) {
				continue
			}
			at[i]++
			if d := w.do(next); d != nil {
				return d
			}
			if at[i] == len(s.steps[i]) {
				if d := w.do(step{who: i, text: quit}); d != nil {
					return d
				}
			}
			break
		}
	}
	if at[0] < len(s.steps[0]) || at[1] < len(s.steps[1]) {
		return w.differ(nil, nil, "the script cannot go on")
	}
	return w.settle()
}

// mixed is how many orders are shuffled ones.
const mixed = 5

// orders returns in which order two clients with so many steps take turns: each
// whole script between any two steps of the other, turn by turn, and some more.
func orders(one, two int) (all [][]int) {
	if *everyOrder {
		return everyOne(one, two)
	}
	for i := range one + 1 {
		all = append(all, slices.Concat(turns(0, i), turns(1, two), turns(0, one-i)))
	}
	for i := 1; i < two; i++ {
		all = append(all, slices.Concat(turns(1, i), turns(0, one), turns(1, two-i)))
	}
	deck := slices.Concat(turns(0, one), turns(1, two))
	r := rand.New(rand.NewPCG(1, 2))
	for range mixed {
		r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		all = append(all, slices.Clone(deck))
	}
	return all
}

// everyOne returns all orders.
func everyOne(one, two int) (all [][]int) {
	if one == 0 || two == 0 {
		return [][]int{slices.Concat(turns(0, one), turns(1, two))}
	}
	for _, rest := range everyOne(one-1, two) {
		all = append(all, append([]int{0}, rest...))
	}
	for _, rest := range everyOne(one, two-1) {
		all = append(all, append([]int{1}, rest...))
	}
	return all
}

// turns is n turns of one client.
func turns(who, n int) []int { return slices.Repeat([]int{who}, n) }
