// SPDX-License-Identifier: Apache-2.0

// Package session is one client's life: its login, the exchange of its requests
// and their answers, what follows it from one upstream connection to the next,
// and when it lets go of one. Read exchange.go first.
package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// State is where a client is in its life.
type State uint32

const (
	// Idle: nothing is asked. Becomes Active when bytes arrive, Closed when the
	// client leaves.
	Idle State = iota
	// Waiting: a request waits for an upstream connection. Becomes Active when
	// one is granted or the wait is refused, Closed when the client leaves.
	Waiting
	// Active: a task serves the client. Becomes Idle, Waiting, Closing or Closed.
	Active
	// Closing: the client was told why it is sent away, and may still read it.
	// Becomes Closed when the client has closed its side, or soon.
	Closing
	// Closed is the end.
	Closed
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Idle:
		return "idle"
	case Waiting:
		return "waiting"
	case Active:
		return "active"
	case Closing:
		return "closing"
	default:
		return "closed"
	}
}

// Session is one client that has logged in. While it is idle, this struct and
// its socket are all that it costs.
type Session struct {
	// Fixed after login.
	client loop.Stream
	env    *Env
	pool   *Pool
	key    key

	application string // the application_name that it asked for

	// accepted: PostgreSQL has accepted its settings, now and whenever they
	// change. Only those of a client that is logging in are not.
	accepted bool

	state atomic.Uint32 // a turn, see the method; written by its loop

	seen glimpse // owned by the sweep: what it saw of an idle client

	// Owned by its loop.
	x           *exchange // while a task serves it, else nil
	start       Settings  // what it asked for at login, as PostgreSQL says it, and what its login's era gave it since; see live
	era         *era      // whose defaults it has
	settings    Settings
	meaning     string     // of settings, as part of a statement's key
	rests       bool       // settings has some that act on an idle connection
	reads       quoting    // what settings say of how texts are read
	decided     quoting    // of what they say something
	span        uint64     // how many Syncs were sent, see span
	over        uint64     // up to this span everything is answered
	unnamed     *statement // as it is once all that was sent is done
	confirmed   *statement // as PostgreSQL has said
	described   described  // the unnamed statement that was described last
	unnamedSpan uint64     // in which the unnamed statement was last changed, here or on the upstream
	named       map[string]*prepared
	guessed     []string  // names of those in the group under way whose Parse weir answered
	snapshot    snapshot  // of its transaction
	bytes       int       // that the statements in named take
	in          []byte    // what the client sent and nobody has looked at yet
	drop        int       // how many more bytes of a refused message are to come
	skipping    bool      // an error was answered: discard until Sync
	pin         *pin      // why it keeps its upstream between transactions, nil where it does not; see pin
	place       bool      // it may be pinned; see places
	lined       *pinQueue // its wait for that, nil where it does not wait
	lost        bool      // its upstream was lost inside a transaction block
	opening     []string  // a block that it has begun and PostgreSQL has not, see begin.go
	framed      bool      // the last statement of that is the client's unnamed portal
	tries       uint8     // how often the request under way was asked again
	losses      uint8     // how often because its upstream was lost while it ran
	doubt       *doubt    // what must be known before it may be
	ending      ending    // how far it is with ending a lost block
	refused     error     // why its wait ended in vain
	granted     *Upstream
	last        *Upstream // the one that has its currval and lastval, if it was let go of with them
	waiter      pool.Waiter[*Upstream]
	ears        *ears     // of a client that listens, else nil
	queued      time.Time // when it began to wait

	// loss is what it has to be told of a lost block, nil where it knows.
	loss *sqlstate.Error

	// idleTimer ends it by its own idle_session_timeout, nil where nothing does.
	idleTimer *time.Timer

	// mu guards the link to the upstream against cancel requests, which come
	// from other goroutines. It comes before Upstream.mu.
	mu    sync.Mutex
	up    *Upstream // guarded by mu
	since time.Time // guarded by mu; when it got up

	// While shielded, cancels wait until bare is closed, which the first of them
	// makes. See shield.
	shielded bool          // guarded by mu
	bare     chan struct{} // guarded by mu
	cancels  atomic.Uint32 // cancel requests that found it
}

// prepared is a client's name for a statement.
type prepared struct {
	*statement

	name string // set by setNamed
	at   uint64 // when the client prepared it, by the dictionary's clock; set by setNamed
	used bool   // the client has bound it
	// rows is a hash of the columns that the client was last told the statement
	// returns, 0 where it was not told.
	rows uint64
	span uint64 // in which the client was given it, see Session.span
}

// described is what the client was last told of the columns of an unnamed statement.
type described struct {
	name string // weir's, of the statement
	rows uint64 // as in prepared
}

// setState is the only place where the state changes.
func (s *Session) setState(to State) {
	s.state.Store(s.state.Load()&^stateMask + 1<<stateBits + uint32(to))
}

// State returns where the client is; any goroutine may ask.
func (s *Session) State() State { return State(s.turn() & stateMask) }

// turn is the state with the number of changes before it: as long as it stays
// the same, nothing has happened to the client. Any goroutine may ask.
func (s *Session) turn() uint32 { return s.state.Load() }

// stateBits of a turn are the state.
const (
	stateBits = 3
	stateMask = 1<<stateBits - 1
)

// Ready is told of events on the client's socket while no task serves it.
func (s *Session) Ready(*loop.Conn) {
	switch s.State() {
	case Idle:
		s.client.Loop().Go(s)
	case Waiting:
		if s.client.Gone() {
			s.leaveQueue()
		}
	case Closing:
		s.lingerOn()
	case Active, Closed:
	}
}

// leaveQueue ends the wait of a client that has gone. One that said goodbye
// after its request is served first, as PostgreSQL would.
func (s *Session) leaveQueue() {
	s.readAhead()
	if endsInTerminate(s.in) || !s.leaveWait() {
		return
	}
	s.close()
}

// leaveWait takes the client out of the queue where it waits. It returns false
// where the wait has ended, or is about to.
func (s *Session) leaveWait() bool {
	if s.lined != nil {
		return s.lined.leave()
	}
	return s.pool.conns.Leave(&s.waiter)
}

// readAhead takes in what a client that has gone left in its socket, as far as
// that is not more than a request.
func (s *Session) readAhead() {
	var b [1 << 10]byte
	for len(s.in) < pipeSize {
		n, err := s.client.Read(b[:])
		s.in = append(s.in, b[:n]...)
		if err != nil {
			return
		}
	}
}

// endsInTerminate reports whether the last whole message in b is Terminate.
func endsInTerminate(b []byte) bool {
	for {
		typ, size, ok, err := wire.Header(b)
		if !ok || err != nil || size > len(b) {
			return false
		}
		if typ == wire.Terminate {
			return true
		}
		b = b[size:]
	}
}

// Granted is told by the pool that the wait is over. It may come from any
// goroutine.
func (s *Session) Granted(up *Upstream) {
	s.granted = up
	s.client.Loop().Post(s)
}

// Refused is told by the pool that the wait was in vain. It may come from any
// goroutine.
func (s *Session) Refused(err error) {
	s.refused = err
	s.client.Loop().Post(s)
}

// Run goes on, on the session's loop, after Granted or Refused.
func (s *Session) Run() {
	s.pool.stats.Wait.Observe(s.client.Loop().Index(), time.Since(s.queued))
	s.client.Loop().Go(s)
}

// Serve is a task: it serves the client until nothing is left to do for it at
// the moment.
func (s *Session) Serve(t *loop.Task) {
	s.setState(Active)
	x := s.env.borrow(t.Loop())
	defer s.env.giveBack(x)
	defer s.crashed(x)
	x.begin(s, t)
	x.run()
	x.end()
}

// crashed is deferred around everything a task does for a client. A defect in
// weir ends this client, and nobody else.
func (s *Session) crashed(x *exchange) {
	p := recover()
	if p == nil {
		return
	}
	s.env.logPanic(p, s)
	x.discardUpstream("a defect in weir while it served a client")
	x.farewell(&sqlstate.Error{
		Severity: sqlstate.SeverityFatal,
		Code:     sqlstate.InternalError,
		Message:  "internal error in weir; its log has the cause",
	})
	s.close()
}

// close ends the client's life.
func (s *Session) close() {
	if s.State() == Closed {
		return
	}
	s.retire(Closed)
	_ = s.client.Close() // nobody is left to hear of it
	s.env.forget(s)
}

// retire gives back what the client has but its socket.
func (s *Session) retire(to State) {
	if s.State() < Closing {
		s.client.Attach(nil)
		s.unlistenAll()
		if s.idleTimer != nil {
			s.idleTimer.Stop()
		}
		s.env.dictionary.release(s.confirmed)
		for _, p := range s.named {
			s.env.dictionary.release(p.statement)
		}
		s.forgetOpening()
		s.forgetLast()
		s.unnamed, s.confirmed, s.named, s.in = nil, nil, nil, nil
		s.yieldPlace()
		s.pool.Drop()
	}
	s.setState(to)
}

// held returns the upstream that the client holds, and since when.
func (s *Session) held() (*Upstream, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up, s.since
}

// link ties the client to an upstream, nil to none.
func (s *Session) link(up *Upstream, since time.Time) {
	s.mu.Lock()
	s.up, s.since = up, since
	s.mu.Unlock()
}
