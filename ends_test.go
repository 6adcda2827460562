// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"testing"
	"time"
)

// mostOverTime is how long a gateway may take to end after the time for its clients
// is over. What a loaded machine takes from everybody comes on top of it.
const mostOverTime = 2 * time.Second

// endsInTime shuts a gateway down and checks how long it takes.
func endsInTime(t testing.TB, g *gateway, timeout time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
	defer stop()
	began, before := time.Now(), lag()
	_ = ended(t, g.shutdown(ctx)) // with or without a cut client
	took := time.Since(began)
	if most := timeout + mostOverTime + 20*max(before, lag()); took > most {
		t.Errorf("the gateway took %v to end, want at most %v", took, most)
	}
}

// lag is how much later than asked for a goroutine goes on: what the machine takes.
func lag() time.Duration {
	worst := time.Duration(0)
	for range 5 {
		began := time.Now()
		<-time.After(time.Millisecond)
		worst = max(worst, time.Since(began)-time.Millisecond)
	}
	return worst
}
