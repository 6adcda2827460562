// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// Env is what all sessions of a gateway share.
type Env struct {
	// Fixed after construction.
	loops      *loop.Group
	log        *slog.Logger
	dictionary *Dictionary
	idle       [][]*exchange      // by loop; each belongs to its loop's goroutine
	sweepEvery chan time.Duration // holds what KeepTime has not heard of yet
	backends   backends

	// cutting ends, by cut, when weir's time is over: whatever else is waited for.
	// severing does when what Abort has asked for was not done in time either.
	cutting, severing context.Context
	cutNow, severNow  context.CancelFunc

	cancelOnDisconnect atomic.Bool

	farewell atomic.Int64 // clients with a process id below it are sent away, see Drain; 0: nobody
	aborting atomic.Bool  // weir stops now: whatever runs is cut
	cut      atomic.Int64 // clients that Abort has cut in what they did

	mu         sync.Mutex
	maxClients int                 // guarded by mu
	sessions   map[uint32]*Session // guarded by mu; by process id
	relays     map[uint32]*relay   // guarded by mu; by process id
	empty      chan struct{}       // guarded by mu; closed when the last one leaves, nil while nobody waits for it
}

// NewEnv returns an Env that lets nobody in until Configure.
func NewEnv(loops *loop.Group, log *slog.Logger) *Env {
	e := &Env{
		loops:      loops,
		log:        log,
		dictionary: NewDictionary(),
		idle:       make([][]*exchange, loops.Len()),
		sweepEvery: make(chan time.Duration, 1),
		sessions:   make(map[uint32]*Session),
		relays:     make(map[uint32]*relay),
	}
	e.cutting, e.cutNow = context.WithCancel(context.Background())
	e.severing, e.severNow = context.WithCancel(context.Background())
	return e
}

// Configure lets at most maxClients clients in, from now on. With
// cancelOnDisconnect a query that runs outside a block is cancelled when its
// client goes, instead of finished.
func (e *Env) Configure(maxClients int, cancelOnDisconnect bool) {
	e.cancelOnDisconnect.Store(cancelOnDisconnect)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.maxClients = maxClients
}

// BoundStatements lets the prepared statements of all clients take so many bytes,
// from now on; 0 is without bound.
func (e *Env) BoundStatements(bytes int64) { e.dictionary.limit.Store(bytes) }

// StatementBytes returns how many they take.
func (e *Env) StatementBytes() int64 { return e.dictionary.held.Load() }

// idleExchanges bounds the exchanges that a loop keeps for the next client.
const idleExchanges = 256

// borrow takes an exchange, with its buffers, for a task of loop l.
func (e *Env) borrow(l *loop.Loop) *exchange {
	list := &e.idle[l.Index()]
	if n := len(*list); n > 0 {
		x := (*list)[n-1]
		*list = (*list)[:n-1]
		return x
	}
	return &exchange{}
}

// giveBack puts an exchange away for the loop's next task.
func (e *Env) giveBack(x *exchange) {
	list := &e.idle[x.task.Loop().Index()]
	x.s.x = nil
	x.s, x.task = nil, nil
	if len(*list) < idleExchanges {
		*list = append(*list, x)
	}
}

// Len returns how many clients are logged in, or are being sent away.
func (e *Env) Len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions) + len(e.relays)
}

// Clients counts the clients that are logged in, by state.
func (e *Env) Clients() (c observe.Clients) {
	for _, s := range e.all() {
		switch s.State() {
		case Idle:
			c.Idle++
		case Waiting:
			c.Waiting++
		case Active:
			c.Active++
		case Closing, Closed:
		}
	}
	c.Replicating = len(e.allRelays())
	c.Total = c.Idle + c.Waiting + c.Active + c.Replicating
	return c
}

// forget takes a session that has ended out of the registry.
func (e *Env) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.key.pid)
	e.emptiedLocked()
}

// forgetRelay is forget for a client that replicated.
func (e *Env) forgetRelay(r *relay) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.relays, r.key.pid)
	e.emptiedLocked()
}

// emptiedLocked tells who waits for it that the last client has left.
func (e *Env) emptiedLocked() {
	if len(e.sessions)+len(e.relays) == 0 && e.empty != nil {
		close(e.empty)
		e.empty = nil
	}
}

// all returns the sessions that are logged in.
func (e *Env) all() []*Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		list = append(list, s)
	}
	return list
}

// allRelays returns the clients that replicate.
func (e *Env) allRelays() []*relay {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.relays))
}

// abortPatience is how long PostgreSQL may take to cancel what is cut, and severEvery
// how often what does not end by then is cut off, until nothing is left.
const (
	abortPatience = time.Second
	severEvery    = 100 * time.Millisecond
)

// Abort closes every client now, whatever it does, and returns when none is
// left. gone is what Drain returned. What runs is cancelled, so that nothing of it
// is left at PostgreSQL; an upstream that does not answer is cut. Who calls it
// while another does only waits.
func (e *Env) Abort(gone <-chan struct{}) {
	if e.aborting.Swap(true) {
		<-gone
		return
	}
	e.farewell.Store(everyone)
	e.cutNow()
	e.onLoops((*Session).abort)
	for _, r := range e.allRelays() {
		e.cut.Add(1)
		r.stop()
	}
	for late := time.NewTimer(abortPatience); ; late.Reset(severEvery) {
		select {
		case <-gone:
			late.Stop()
			return
		case <-late.C:
			e.severNow()
			e.onLoops((*Session).sever)
			for _, r := range e.allRelays() {
				r.sever()
			}
		}
	}
}

// Cut returns how many clients Abort has cut in what they did.
func (e *Env) Cut() int { return int(e.cut.Load()) }

// onLoops calls f for every session, on its loop.
func (e *Env) onLoops(f func(*Session)) {
	for _, s := range e.all() {
		s.post(func() { f(s) })
	}
}

// post calls f on the session's loop. A client that is about to be handed to its
// loop is passed over: it looks itself for what it has missed, see Welcome.
func (s *Session) post(f func()) {
	if l := s.client.Loop(); l != nil {
		l.Post(loop.Func(f))
	}
}

// shutdown is the goodbye of a gateway that stops.
var shutdown = &sqlstate.Error{
	Severity: sqlstate.SeverityFatal,
	Code:     sqlstate.AdminShutdown,
	Message:  "terminating connection because weir is shutting down",
	Hint:     "Connect again: another weir, or this one after its restart, takes over.",
	Routine:  sqlstate.ShuttingDown,
}

// dismiss sends a client away that is served by no task.
func (s *Session) dismiss(why *sqlstate.Error) {
	last := *s.notToRun(why)
	last.Severity = sqlstate.SeverityFatal
	_, _ = s.client.Write(wire.AppendError(nil, &last)) // best effort: the connection closes
	s.linger()
}

// abort ends a client in whatever state it is.
func (s *Session) abort() {
	switch s.State() {
	case Idle:
		if len(s.opening) > 0 && !s.client.Gone() {
			s.env.cut.Add(1) // the others ask nothing
		}
		s.dismiss(shutdown)
		s.close()
	case Waiting:
		s.env.cut.Add(1)
		if !s.leaveWait() {
			s.client.Break() // its task is about to begin
			return
		}
		s.dismiss(shutdown)
		s.close()
	case Active:
		s.env.cut.Add(1)
		s.client.Break()
		if s.x != nil {
			s.x.cutOff()
		}
	case Closing:
		s.close()
	case Closed:
	}
}

// cutOff has the task end its client, whatever it waits for: the end of the client's
// stream would be found only behind what came before it.
func (x *exchange) cutOff() {
	x.leaving, x.hungUp = true, true
	x.task.Wake()
}

// sever ends a client that could not be ended in good order: it breaks the upstream
// for which it waits.
func (s *Session) sever() {
	if s.State() == Closing {
		s.close()
		return
	}
	if up, _ := s.held(); up != nil {
		up.Break()
	}
	if s.x != nil {
		s.x.cutOff()
	}
}

// logPanic reports a defect in weir.
func (e *Env) logPanic(p any, s *Session) {
	e.log.Error("defect in weir while serving a client", "client", s.describe(), "pool", s.pool.name(), "panic", p, "stack", string(debug.Stack()))
}
