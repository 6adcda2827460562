// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// serverConnecting is how many connects of all pools of a server may be in flight,
// or as many as the pool with the largest MaxConnecting may have. PostgreSQL forks
// for each, so twenty pools with four each would be a storm.
const serverConnecting = 8

// A server that is back takes up to rampBurst connects at once, then one each
// rampInterval, until rampTime is over: it has caches to fill and perhaps a log to
// replay, and all pools want all their connections back.
const (
	rampTime     = 10 * time.Second
	rampInterval = 10 * time.Millisecond
	rampBurst    = 8
)

// ServerConfig describes a server.
type ServerConfig struct {
	Name   string       // for messages: host:port, several separated by commas
	Single bool         // of several addresses one at a time is the right one: see Server.moved
	Logger *slog.Logger // nil discards
}

// Server is a PostgreSQL server as all pools that connect to it see it: whether
// it takes connections, and how fast they are opened. While it is down, one
// connect at a time is tried over all of the pools, and the first that succeeds
// stays in use: there is no other probe.
type Server struct {
	cfg ServerConfig

	mu         sync.Mutex
	members    []member // replaced, never changed
	most       int      // connects in flight at the most
	connecting int
	blocked    []member // wait for connecting to fall, the first come first
	outage     *outage  // nil while the server takes connections
	recycled   time.Duration
	probing    bool // while there is an outage: a connect is in flight that will tell
	good       time.Duration
	ramped     time.Duration // the end of the ramp
	next       time.Duration // the ramp's next connect, less the burst
	address    string        // where the last connect led to
	timer      *time.Timer   // probes during an outage
	past       history
}

// member is a pool as its server sees it. All methods are called with no lock held.
type member interface {
	// settle opens what is needed and possible.
	settle()
	// probe starts a connect although nobody waits for it. It returns false where
	// the pool cannot.
	probe() bool
	// suspect has the connections that are idle now checked before their next use.
	suspect()
	// moved closes the connections to any other address than this one, those in
	// use when they are released.
	moved(address string)
	// Recycle closes what is open, what is in use when it is released.
	Recycle()
}

// NewServer makes a server of which nothing is known.
func NewServer(cfg ServerConfig) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, most: serverConnecting, good: longAgo, ramped: longAgo, recycled: longAgo}
	s.timer = time.AfterFunc(time.Hour, s.wake)
	s.timer.Stop() // until an outage
	return s
}

// join adds a pool.
func (s *Server) join(m member, connecting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, connecting)
	s.members = append(slices.Clone(s.members), m)
}

// part takes a pool out again.
func (s *Server) part(m member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := func(n member) bool { return n == m }
	s.members = slices.DeleteFunc(slices.Clone(s.members), other)
	s.blocked = slices.DeleteFunc(s.blocked, other)
	if len(s.members) == 0 {
		s.timer.Stop()
	}
}

// all lists the pools.
func (s *Server) all() []member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members
}

// take takes places in the budgets and leave to connect to the server. It takes
// neither where a budget is full, which it returns, nor where the time for it is
// at, after t; never means that the server will call settle. The pool's lock is held.
func (s *Server) take(m member, budgets []*Budget, waiting bool, t time.Duration) (full *Budget, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at = s.gateLocked(m, waiting, t); at > t {
		return nil, at
	}
	if full = take(budgets); full != nil {
		return full, t
	}
	s.connecting++
	if s.outage != nil {
		s.probing = true
		s.past.probes++
	}
	if t < s.ramped {
		s.next = max(s.next, t-rampBurst*rampInterval) + rampInterval
	}
	return nil, t
}

// gateLocked is the instant from which the pool may connect, as far as the server
// is concerned.
func (s *Server) gateLocked(m member, waiting bool, t time.Duration) time.Duration {
	switch {
	case s.outage != nil:
		return s.probeLocked(waiting, t)
	case s.connecting >= s.most:
		if !slices.Contains(s.blocked, m) {
			s.blocked = append(s.blocked, m)
		}
		return never
	case t < s.ramped:
		return s.next
	}
	return t
}

// unblock lets pools that were blocked try again while there is room.
func (s *Server) unblock() {
	for m := s.unblocked(); m != nil; m = s.unblocked() {
		m.settle()
	}
}

// unblocked takes out the pool that was blocked first, nil if there is none or no
// room.
func (s *Server) unblocked() (m member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.blocked) > 0 && s.connecting < s.most && s.outage == nil {
		m, s.blocked = s.blocked[0], s.blocked[1:]
	}
	return m
}

// opened takes in that a connect which began at the given instant has succeeded.
func (s *Server) opened(address string, began time.Duration) {
	t := now()
	s.mu.Lock()
	s.connecting--
	over := s.answeredLocked(t)
	moved := s.address != address && s.address != "" && s.cfg.Single
	s.address = address
	s.mu.Unlock()
	s.tellOver(over)
	if moved {
		s.cfg.Logger.Warn("PostgreSQL's primary is at another address; connections to the old one are closed", "server", s.cfg.Name, "address", address)
		for _, m := range s.all() {
			m.moved(address)
		}
	}
}

// recycleInterval is how often Recycle may do its work: where no better server is
// found, connections to the present one must not be closed all the time.
const recycleInterval = time.Second

// Recycle closes the connections of all pools, those in use when they are released,
// because they lead to the wrong server.
func (s *Server) Recycle(why string) {
	t := now()
	s.mu.Lock()
	due := t-s.recycled >= recycleInterval
	if due {
		s.recycled = t
	}
	s.mu.Unlock()
	if !due {
		return
	}
	s.cfg.Logger.Warn("connections to PostgreSQL are closed to look for another server", "server", s.cfg.Name, "why", why)
	for _, m := range s.all() {
		m.Recycle()
	}
}

// failed takes in that a connect which began at the given instant has failed, and
// reports whether that is the server's state, which all pools share, and not
// the business of one pool alone. One that this machine had no room for neither
// begins nor ends an outage.
func (s *Server) failed(f Failure, err error, began time.Duration) bool {
	if f.Kind == Local {
		s.abandoned(began)
		return false
	}
	t := now()
	s.mu.Lock()
	s.connecting--
	if f.Kind != Down {
		over := s.answeredLocked(t) // a refusal is an answer
		s.mu.Unlock()
		s.tellOver(over)
		return false
	}
	if s.outage == nil && s.good > began {
		s.mu.Unlock()
		return false // others got through in the meantime
	}
	first := s.downLocked(f, err, began, t)
	s.mu.Unlock()
	s.tellDown(first, err)
	return true
}

// abandoned takes in that a connect which began at the given instant ended without
// telling anything of the server.
func (s *Server) abandoned(began time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connecting--
	if s.outage != nil && began >= s.outage.at {
		s.probing = false
		s.armLocked(now())
	}
}
