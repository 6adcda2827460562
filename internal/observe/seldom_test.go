// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

func TestSeldomPassesOnTheFirstAndCountsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s observe.Seldom
		var got []int
		tell := func(times int) {
			for range times {
				s.Tell(func(n int) { got = append(got, n) })
			}
			synctest.Wait()
		}
		tell(8)
		time.Sleep(500 * time.Millisecond)
		tell(2)
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		tell(1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		tell(1)
		if want := []int{1, 9, 1, 1}; !slices.Equal(got, want) {
			t.Errorf("passed on %v, want %v", got, want)
		}
		time.Sleep(2 * time.Second) // the timer ends before the bubble does
	})
}
