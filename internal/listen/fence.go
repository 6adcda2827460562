// SPDX-License-Identifier: Apache-2.0

package listen

import "context"

// A backend that commits notifications signals those who listen before it
// answers, and a backend that was signalled sends what is there before it
// answers a query that comes later. So once the hub's connection has answered
// anything, all is in that was committed, and known to be, before the question.

// After calls f, on some goroutine, when the hub has passed on everything that
// was committed before the call. Without a connection that is at once: what it
// missed will never come.
func (h *Hub) After(f func()) {
	h.mu.Lock()
	if h.line != nil && !h.closed {
		h.fences = append(h.fences, f)
		h.wakeLocked()
		f = nil
	}
	h.mu.Unlock()
	if f != nil {
		f()
	}
}

// Settle waits until the hub has passed on everything that was committed before
// the call, or until ctx ends.
func (h *Hub) Settle(ctx context.Context) {
	passed := make(chan struct{})
	h.After(func() { close(passed) })
	select {
	case <-passed:
	case <-ctx.Done():
	}
}
