// SPDX-License-Identifier: Apache-2.0

package listen

import "testing"

// TestWhoJoinsDuringAnUnlistenWaits: the connection is about to stop listening,
// though its answer has not come.
func TestWhoJoinsDuringAnUnlistenWaits(t *testing.T) {
	t.Parallel()
	h := New(Options{})
	h.closed = true // it must not open a connection
	h.mu.Lock()
	h.wantLocked("a")
	h.mu.Unlock()
	h.done(h.next(), nil) // LISTEN
	h.mu.Lock()
	h.unwantLocked("a")
	h.mu.Unlock()
	b := h.next()
	if len(b.unlisten) != 1 {
		t.Fatalf("the batch is %+v, want one UNLISTEN", b)
	}
	h.mu.Lock()
	h.wantLocked("a")
	if h.hearsLocked([]string{"a"}) {
		t.Error("who joins is told that the connection listens")
	}
	h.mu.Unlock()
	h.done(b, nil)
	if b = h.next(); len(b.listen) != 1 {
		t.Errorf("the batch after it is %+v, want one LISTEN", b)
	}
}
