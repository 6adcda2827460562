// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// outage is a time in which a server takes no connections.
type outage struct {
	began   time.Time
	tries   int
	err     error
	client  *sqlstate.Error // what clients are told
	tried   time.Time
	at      time.Duration // of the last try's failure
	backoff time.Duration // before the random part is taken off
	pause   time.Duration // from at to the next try, if nobody waits
	asked   bool          // somebody waits
}

// history is what a server has been through.
type history struct {
	outages uint64
	probes  uint64
	down    time.Duration // in outages that are over
}

// downLocked begins an outage, or notes that it goes on. It reports the former.
// What began before the outage was known says nothing new.
func (s *Server) downLocked(f Failure, err error, began, t time.Duration) (first bool) {
	o := s.outage
	if first = o == nil; first {
		o = &outage{began: time.Now(), backoff: downFirst / 2}
		s.outage = o
		s.past.outages++
	} else if began < o.at {
		return false
	}
	s.probing = false
	o.tries++
	o.err, o.client, o.tried = err, clientError(f, err), time.Now()
	o.at, o.asked = t, false
	o.backoff = min(2*o.backoff, downMost)
	o.pause = jitter(o.backoff, backoffJitter)
	s.armLocked(t)
	return first
}

// retry is the instant of the next try.
func (o *outage) retry(waiting bool) time.Duration {
	if waiting {
		return o.at + min(o.pause, downWaiting)
	}
	return o.at + o.pause
}

// probeLocked is the instant from which a pool may try whether an outage is over:
// never while another does.
func (s *Server) probeLocked(waiting bool, t time.Duration) time.Duration {
	if s.probing {
		return never
	}
	at := s.outage.retry(waiting)
	if t >= at {
		return t
	}
	if waiting && !s.outage.asked {
		s.outage.asked = true
		s.armLocked(t)
	}
	return never
}

// armLocked sets the timer for the next try.
func (s *Server) armLocked(t time.Duration) {
	if len(s.members) > 0 {
		s.timer.Reset(max(s.outage.retry(s.outage.asked)-t, 0))
	}
}

// wake has one of the pools try whether the outage is over: one with waiters if
// there is one, but each in turn, since it may be able to where others are not.
func (s *Server) wake() {
	s.mu.Lock()
	members := s.members
	due := s.outage != nil && !s.probing && len(members) > 0
	if due {
		// The first is the last next time.
		s.members = append(members[1:len(members):len(members)], members[0])
	}
	s.mu.Unlock()
	if !due {
		return
	}
	for _, m := range members {
		m.settle()
	}
	for _, m := range members {
		if m.probe() {
			return
		}
	}
	s.again()
}

// again sets the timer anew after a turn in which no pool could try, because all
// places are in use. Whoever gets one in the meantime tries at once.
func (s *Server) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outage != nil && !s.probing {
		s.timer.Reset(downWaiting)
	}
}

// answeredLocked takes in that the server has answered. It returns the outage that
// this ends, if there was one.
func (s *Server) answeredLocked(t time.Duration) *outage {
	o := s.outage
	s.good = t
	if o == nil {
		return nil
	}
	s.outage, s.probing = nil, false
	s.past.down += time.Since(o.began)
	s.ramped, s.next = t+rampTime, t-rampBurst*rampInterval
	s.timer.Stop()
	return o
}

// tellDown tells the log that an outage has begun, and the pools how it stands.
func (s *Server) tellDown(first bool, err error) {
	if first {
		s.cfg.Logger.Warn("PostgreSQL takes no connections; requests wait for it", "server", s.cfg.Name, "error", err)
	}
	for _, m := range s.all() {
		if first {
			m.suspect()
		}
		m.settle()
	}
}

// tellOver tells the log and the pools that an outage is over.
func (s *Server) tellOver(o *outage) {
	if o == nil {
		return
	}
	s.cfg.Logger.Info("PostgreSQL is back", "server", s.cfg.Name, "after", time.Since(o.began).Round(time.Millisecond), "tries", o.tries)
	for _, m := range s.all() {
		m.settle()
	}
}

// clientError is what clients are told of a failed connect.
func clientError(f Failure, err error) *sqlstate.Error {
	if f.Client != nil {
		return f.Client
	}
	return &sqlstate.Error{
		Code:    sqlstate.ConnectionFailure,
		Message: "cannot connect to PostgreSQL: " + err.Error(),
		Routine: sqlstate.UpstreamDown,
		Err:     err,
	}
}

// refusal is the error for those whose wait ends during an outage, nil if there
// is none. What they asked for has not been executed.
func (s *Server) refusal() *sqlstate.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.outage
	if o == nil {
		return nil
	}
	e := *o.client
	if e.Detail != "" {
		e.Detail += " "
	}
	e.Detail += fmt.Sprintf("It has taken no connections for %v; weir has tried %d times. The request was not executed.",
		time.Since(o.began).Round(time.Millisecond), o.tries)
	return &e
}

// ServerStatus is a server at one moment.
type ServerStatus struct {
	Name    string
	Address string    // where the last connect led to, "" before the first
	Since   time.Time // the beginning of the outage; zero: there is none
	Tries   int       // in this outage
	Error   error     // of the last try, while there is an outage
	TriedAt time.Time // when that was

	Outages uint64
	Probes  uint64        // connects that were to find out whether an outage is over
	Down    time.Duration // in outages, this one included
}

// Status returns the server as it is now.
func (s *Server) Status() ServerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := ServerStatus{
		Name: s.cfg.Name, Address: s.address,
		Outages: s.past.outages, Probes: s.past.probes, Down: s.past.down,
	}
	if o := s.outage; o != nil {
		st.Since, st.Tries, st.Error, st.TriedAt = o.began, o.tries, o.err, o.tried
		st.Down += time.Since(o.began)
	}
	return st
}
