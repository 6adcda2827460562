// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Reserve takes a place from all of the budgets, for a connection that belongs
// to no pool, and waits for one at most for timeout; zero waits until ctx ends.
// It waits as a pool does whose clients wait: pools close idle connections for
// it, and released ones once it has waited longer than their own clients. Give
// gives the place back. The error is ctx's cause or an *sqlstate.Error with
// 53300 that names the budget which is full.
func Reserve(ctx context.Context, timeout time.Duration, budgets ...*Budget) error {
	s := &seeker{budgets: inOrder(budgets), since: now(), found: make(chan struct{})}
	s.feed()
	late := after(s.since, timeout)
	for pause := evictPatience; ; pause *= 2 {
		s.hunt()
		timer := time.NewTimer(min(pause, late-now()))
		select {
		case <-s.found:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return s.leave(context.Cause(ctx))
		case <-timer.C:
			if now() >= late {
				return s.leave(s.timeout(timeout))
			}
		}
	}
}

// seeker is who waits for a place without having a pool. To the pools that
// share its budgets it is a peer that is always hungry and has nothing to give.
type seeker struct {
	// Fixed after construction.
	budgets []*Budget // in the order of their numbers
	since   time.Duration
	found   chan struct{} // closed when the place is taken

	mu   sync.Mutex // comes before Budget.mu
	over bool       // guarded by mu; found, or not wanted any more
	full *Budget    // guarded by mu; whose list of the hungry this one is in
}

// waiting is described at peer.
func (s *seeker) waiting() time.Duration { return s.since }

// spare is described at peer.
func (s *seeker) spare() (since time.Duration, surplus bool) { return never, false }

// unused is described at peer.
func (s *seeker) unused(time.Duration) int { return 0 }

// evict is described at peer.
func (s *seeker) evict(time.Duration) bool { return false }

// feed is described at peer.
func (s *seeker) feed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withdrawLocked()
	if s.over {
		return
	}
	if full := take(s.budgets); full != nil {
		s.full = full
		full.starve(s)
		return
	}
	s.over = true
	close(s.found)
}

// withdrawLocked takes the seeker out of the hungry.
func (s *seeker) withdrawLocked() {
	if s.full != nil {
		s.full.sate(s)
		s.full = nil
	}
}

// hunt closes an idle connection of some pool, as Pool.hunt does.
func (s *seeker) hunt() {
	full := s.at()
	if full == nil {
		return
	}
	full.feed() // a place may have come free after it was refused and before the seeker was hungry
	if full = s.at(); full == nil {
		return
	}
	before := now()
	if before-s.since < evictPatience {
		before -= evictPatience
	}
	full.reclaim(s, before)
}

// at is the budget that is full, nil where the place is found.
func (s *seeker) at() *Budget {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// leave ends the wait with why, unless the place has been found meanwhile.
func (s *seeker) leave(why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	s.over = true
	s.withdrawLocked()
	return why
}

// timeout is the error at the end of a wait in vain.
func (s *seeker) timeout(waited time.Duration) error {
	err := &sqlstate.Error{
		Code:    sqlstate.TooManyConnections,
		Message: fmt.Sprintf("too many connections: none to PostgreSQL became free within %v", waited),
		Routine: sqlstate.QueueTimeout,
	}
	if full := s.at(); full != nil {
		now := full.Status()
		detail := fmt.Sprintf("%s: %d of %d in use over all pools", now.Name, now.InUse, now.Effective)
		err.Message += ": " + detail
		err.Detail = "The request was not executed. " + detail + "."
		err.Hint = fmt.Sprintf("The limit of %d comes from %s: raise it, or look for transactions that take long or are left open.", now.Limit, now.Source)
	}
	return err
}
