// SPDX-License-Identifier: Apache-2.0

package routine_test

import (
	"strconv"
	"testing"

	"github.com/weir-pg/weir/internal/routine"
)

func TestAHistoryTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	var h routine.History
	set := func(name string) routine.Effect {
		return routine.Effect{Leaves: routine.Sets, Settings: []string{name}}
	}
	h.Add(set("a.b"))
	h.Add(routine.Effect{})
	h.Add(set("c.d"))
	h.Add(set("c.d"))
	for n, want := range []int{2, 1, 1, 1, 0} {
		if got := h.Since(uint64(n)); len(got.Settings) != want {
			t.Errorf("since %d: %+v, want %d settings", n, got, want)
		}
	}
	for i := range 300 {
		h.Add(set("a.b" + strconv.Itoa(i)))
	}
	if h.Since(0).Leaves&routine.Unknowable == 0 {
		t.Error("what is forgotten leaves nothing")
	}
	if got := h.Since(h.Count() - 5); len(got.Settings) != 5 || got.Leaves != routine.Sets {
		t.Errorf("of the latest five: %+v", got)
	}
	if h.Count() != 304 {
		t.Errorf("%d definitions", h.Count())
	}
}

func TestAHistoryKnowsWhatMayBeThereAtAnyMoment(t *testing.T) {
	t.Parallel()
	var h routine.History
	set := func(name string) routine.Effect {
		return routine.Effect{Leaves: routine.Sets, Settings: []string{name}}
	}
	h.Open()
	h.Open()
	h.Widen(set("a.b"))
	h.Widen(set("c.d"))
	if got := h.Since(h.Count()); !h.Publishing() || len(got.Settings) != 2 {
		t.Errorf("while two may be there: %+v", got)
	}
	h.Close()
	if got := h.Since(h.Count()); !h.Publishing() || len(got.Settings) != 2 {
		t.Errorf("while one may be there: %+v", got)
	}
	h.Close()
	if got := h.Since(h.Count()); h.Publishing() || !got.Empty() {
		t.Errorf("afterwards: %+v", got)
	}
}
