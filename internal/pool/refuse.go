// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// timeout is the error for waiters that AcquireTimeout took out of the queue: 08006
// if they could have been served had PostgreSQL taken connections or answered
// logins, else 53300. What they asked for has not been executed.
func (p *Pool[C]) timeout(taken int) error {
	p.mu.Lock()
	waited := p.cfg.AcquireTimeout
	p.mu.Unlock()
	return p.unserved(taken, waited)
}

// Hopeless is the error for somebody who has waited for that long in a pool that has
// no connection, and cannot open one for a reason that is known: nil if there is one,
// if it is not known yet, or if PostgreSQL is down, which is what waiting is for.
// Others may have waited for less.
func (p *Pool[C]) Hopeless(waited time.Duration) error {
	p.mu.Lock()
	open, failed := p.openLocked(), p.fault != nil
	p.mu.Unlock()
	if open > 0 || !failed || p.server().refusal() != nil {
		return nil
	}
	return p.unserved(0, waited)
}

// unserved is the error for those who have waited for that long in vain.
func (p *Pool[C]) unserved(taken int, waited time.Duration) error {
	p.mu.Lock()
	f, open, connecting, cfg := p.fault, p.openLocked(), p.connecting, p.cfg
	p.mu.Unlock()
	if open < cfg.Max {
		if err := p.server().refusal(); err != nil {
			return err
		}
	}
	if f != nil && (f.kind == Local && open < cfg.Max || f.kind != Full && open == 0) {
		return f.client
	}
	if f == nil && open == 0 && connecting > 0 {
		return p.unanswered(&cfg, waited)
	}
	s := p.Status()
	full := p.full()
	detail := p.detail(s, full, taken)
	return &sqlstate.Error{
		Code: sqlstate.TooManyConnections,
		// All in the message: Prisma, for one, shows its users nothing else.
		Message: fmt.Sprintf("query_wait_timeout: too many connections for role %q: weir refused the request because no connection to PostgreSQL became free within %v: %s",
			cfg.User, waited, detail),
		Detail:  "The request was not executed. " + detail + ".",
		Hint:    hint(s, full),
		Routine: sqlstate.QueueTimeout,
	}
}

// unanswered is the error for those who waited for logins that PostgreSQL does not
// answer.
func (p *Pool[C]) unanswered(cfg *Config[C], waited time.Duration) error {
	return &sqlstate.Error{
		Code: sqlstate.ConnectionFailure,
		Message: fmt.Sprintf("PostgreSQL at %s has not answered a login to database %q as role %q within %v",
			p.server().cfg.Name, cfg.Database, cfg.User, waited),
		Hint:    "See whether PostgreSQL hangs, or something on the way to it drops packets.",
		Routine: sqlstate.UpstreamDown,
	}
}

// full is the first of the pool's budgets that has no place left, nil if all have.
func (p *Pool[C]) full() *BudgetStatus {
	for _, b := range p.shares() {
		if s := b.Status(); s.Effective != NoLimit && s.InUse >= s.Effective {
			return &s
		}
	}
	return nil
}

// detail says what was full and who held it.
func (p *Pool[C]) detail(s Status, full *BudgetStatus, taken int) string {
	text := fmt.Sprintf("pool %q as %q: %d of %d in use, %d being opened, %d waiting",
		s.Database, s.User, s.Active, s.Max, s.Connecting, s.Waiting+taken)
	if full != nil {
		text += fmt.Sprintf("; %s: %d of %d in use over all pools", full.Name, full.InUse, full.Effective)
	}
	if p.cfg.Oldest != nil {
		if oldest := p.cfg.Oldest(); oldest != "" {
			text += "; " + oldest
		}
	}
	if s.Failing {
		text += fmt.Sprintf("; the last connect failed %v ago: %v",
			time.Since(s.LastErrorAt).Round(time.Millisecond), s.LastError)
	}
	return text
}

// hint says what to do, by what set the limit.
func hint(s Status, full *BudgetStatus) string {
	const look = "look for transactions that take long or are left open"
	switch {
	case s.Active+s.Connecting >= s.Max && s.Source != "":
		return fmt.Sprintf("The pool's limit of %d comes from %s: raise it, or %s.", s.Max, s.Source, look)
	case full != nil && full.Source != "":
		return fmt.Sprintf("The limit of %d comes from %s: raise it, or %s.", full.Limit, full.Source, look)
	}
	return "Raise the pool's limit, or " + look + "."
}
