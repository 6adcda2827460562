// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestACancelWaitsForSettingsThatGoAhead: it would undo them, and the request
// behind them would run with another client's.
func TestACancelWaitsForSettingsThatGoAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := &Upstream{}
		s := &Session{up: up}
		if !s.shield() {
			t.Fatal("a cancel was said to be under way")
		}
		ctx, cancel := context.WithCancel(t.Context())
		late, gone := make(chan *Upstream, 1), make(chan *Upstream, 1)
		go func() { late <- s.target(t.Context()) }()
		go func() { gone <- s.target(ctx) }()
		synctest.Wait()
		if n := up.cancels.Load(); n != 0 {
			t.Fatalf("%d cancels went through the shield", n)
		}
		cancel()
		if got := <-gone; got != nil {
			t.Error("a cancel whose time was over found a target")
		}
		s.unshield()
		if got := <-late; got != up || up.cancels.Load() != 1 {
			t.Errorf("the cancel found %v, with %d counted", got, up.cancels.Load())
		}
		if s.shield() {
			t.Error("a cancel was under way, and settings could go ahead")
		}
	})
}
