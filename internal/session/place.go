// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// places bounds how many clients of a pool may be pinned at once (max_pinned), so
// that the others still find connections. A client takes a place before it sends
// what may pin it, and gives it back when it lets go of its upstream.
//
// Where none is left, a statement that begins a transaction waits for one, without
// an upstream, up to the acquire timeout; so does the first one after a BEGIN that
// was held back. One later in a transaction is let through:
// its client holds the upstream already, to wait would hold it idle, to refuse
// would undo work that is done, and mostly the end of the transaction takes away
// what was made in it.
type places struct {
	mu    sync.Mutex
	taken int         // guarded by mu
	queue []*pinQueue // guarded by mu; the oldest first
}

// pinQueue is a client's wait for a place. Its fields but since belong to the
// client's loop.
type pinQueue struct {
	s     *Session
	spare bool // the spare place would do
	since time.Time
	timer *time.Timer
}

// room is how many clients may be pinned. One place more is spare: for a statement
// that mostly leaves nothing, such as a lock that is only tried, and that its
// client does not expect to wait.
func (p *Pool) room(spare bool) int {
	most := p.config().MaxPinned.Of(p.conns.Status().Limit)
	if spare {
		most++
	}
	return most
}

// take takes a place; false where none is left, unless it has to be.
func (p *places) take(room int, forced bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= room && !forced {
		return false
	}
	p.taken++
	return true
}

// yieldPlace gives the client's place back, if it has one.
func (s *Session) yieldPlace() {
	if !s.place {
		return
	}
	s.place = false
	p := s.pool
	p.places.mu.Lock()
	p.places.taken--
	p.places.mu.Unlock()
	p.offerPlaces()
}

// offerPlaces lets those go on who have waited longest and may have a place, while
// there are any: one was given back, or a reload has made more.
func (p *Pool) offerPlaces() {
	room, spare := p.room(false), p.room(true)
	p.places.mu.Lock()
	defer p.places.mu.Unlock()
	p.places.queue = slices.DeleteFunc(p.places.queue, func(w *pinQueue) bool {
		if p.places.taken >= room && (!w.spare || p.places.taken >= spare) {
			return false
		}
		p.places.taken++
		w.grant()
		return true
	})
}

// grant has the client go on with the place that was taken for it.
func (w *pinQueue) grant() {
	w.s.client.Loop().Post(loop.Func(func() {
		w.timer.Stop()
		w.s.lined, w.s.place = nil, true
		w.s.Run()
	}))
}

// admitted reports whether the client may send what may pin it. Where it may not,
// it has let go of its upstream, and waits once it has taken what it is owed.
func (x *exchange) admitted(spare bool) bool {
	s := x.s
	if s.place || x.pool().sessionMode() {
		return true
	}
	first := x.due.empty() && !x.toUp.pending() && x.status == wire.Idle && !x.changes.touched
	if s.place = x.pool().places.take(x.pool().room(spare), !first); s.place {
		return true
	}
	x.letGo()
	if x.waiting = !x.toClient.pending(); x.waiting {
		s.lined = &pinQueue{s: s, spare: spare}
	}
	return false
}

// lineUp begins the wait for a place. It may be over at once.
func (w *pinQueue) lineUp() {
	p := w.s.pool
	w.since = time.Now()
	w.timer = w.s.client.Loop().After(p.config().AcquireTimeout, loop.Func(w.late))
	room := p.room(w.spare)
	p.places.mu.Lock()
	defer p.places.mu.Unlock()
	if p.places.taken < room {
		p.places.taken++
		w.grant()
		return
	}
	p.places.queue = append(p.places.queue, w)
}

// late ends a wait that has lasted too long.
func (w *pinQueue) late() {
	if !w.leave() {
		return
	}
	w.s.refused = w.s.pool.pinTimeout()
	w.s.Run()
}

// leave ends the wait without a place. It returns false where it has ended, or is
// about to.
func (w *pinQueue) leave() bool {
	p := &w.s.pool.places
	p.mu.Lock()
	i := slices.Index(p.queue, w)
	if i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		return false
	}
	w.timer.Stop()
	w.s.lined = nil
	return true
}

// waiting returns how many wait for a place, and how long the oldest has.
func (p *places) waiting() (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return 0, 0
	}
	return len(p.queue), time.Since(p.queue[0].since)
}

// pinTimeout is the error for a client that waited in vain for a place.
func (p *Pool) pinTimeout() error {
	n, _ := p.places.waiting()
	detail := fmt.Sprintf("pool %q as %q: at most %d clients may be pinned, %d wait; %s",
		p.database, p.user, p.room(false), n+1, strings.Join(p.holders(namedHolders), "; "))
	return &sqlstate.Error{
		Code: sqlstate.TooManyConnections,
		Message: fmt.Sprintf("query_wait_timeout: too many clients of role %q keep their connections to PostgreSQL: weir refused the request because none let go of one within %v: %s",
			p.target().User(), p.config().AcquireTimeout, detail),
		Detail: "The request was not executed. " + detail + ".",
		Hint: fmt.Sprintf("End what pins them, or raise pool.max_pinned, which is %s of at most %d connections.",
			p.config().MaxPinned, p.conns.Status().Limit),
		Routine: sqlstate.QueueTimeout,
		Reason:  sqlstate.MaxPinned,
	}
}
