// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqlstate"
)

// Reconfigure makes the pool of other options, but for the names by which
// clients know it. Clients stay, those who wait keep their places, transactions
// go on. Connections that were opened in another way are replaced as they become
// idle. A pool that was retired lives again.
func (p *Pool) Reconfigure(o PoolOptions) {
	old := p.options.Swap(&o)
	p.gone.Store(nil)
	p.conns.Reconfigure(p.limits(&o), o.budgets()...)
	p.ageCatalog()
	if o.opensUnlike(old) {
		p.forgetWelcomes()
		p.conns.Recycle()
	}
	p.offerPlaces()
	p.lookAround()
}

// opensUnlike reports whether connections of o differ from those of old from their
// start.
func (o *PoolOptions) opensUnlike(old *PoolOptions) bool {
	return !o.Target.Same(old.Target) ||
		o.Config.StatementTimeout != old.Config.StatementTimeout ||
		o.Config.MaxPreparedStatements != old.Config.MaxPreparedStatements
}

// forgetWelcomes has the next clients greeted with what PostgreSQL says then.
func (p *Pool) forgetWelcomes() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.welcomes)
}

// Retire sends the pool's clients away as each comes to the end of its
// transaction, with err, and closes the connections that become idle. New
// clients are the caller's to keep out.
func (p *Pool) Retire(err *sqlstate.Error) {
	p.gone.Store(err)
	p.conns.Drain()
	p.lookAround()
}

// lookAround has clients that ask nothing find out what has changed for them.
func (p *Pool) lookAround() {
	p.env.onLoops(func(s *Session) {
		if s.pool == p {
			s.look()
		}
	})
}
