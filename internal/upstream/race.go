// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A host that says nothing, because its machine is gone, must not hold up those
// after it: the next one is tried beside it after headStart, and one that has
// failed is tried again after anew while another is silent. So a standby that
// is promoted while its old primary swallows packets is found at once. Nearly
// every host answers within headStart, and is tried alone.
const (
	headStart = 250 * time.Millisecond
	anew      = 250 * time.Millisecond
)

// race is one login to a target, which whichever host is first may win.
type race struct {
	hosts    []*host // in the order of their turns
	running  int
	outcomes chan outcome // has room for one of each host
}

// host is one host in a race.
type host struct {
	address string
	tries   []*attempt // one for each kind of transport security
	fresh   bool       // not tried yet
	running bool
	due     time.Time // when it may be tried beside others
}

// outcome is what came of trying a host: a connection, or errors.
type outcome struct {
	host *host
	try  *attempt // that made conn, or that reached a server which is not preferred
	conn *pgconn.PgConn
	errs []error
}

// connect tries the hosts and calls use with the first connection. It stops
// early at an answer that would be the same from every host.
func (t *Target) connect(ctx context.Context, params map[string]string, use func(*attempt, *pgconn.PgConn) error) error {
	failed := &Error{Database: t.Database(), Role: t.User()}
	ctx, stop := context.WithCancel(ctx)
	r := t.newRace(params)
	defer r.end(stop)
	for {
		o, ok := r.next(ctx)
		if !ok {
			return failed
		}
		if o.conn != nil {
			err := use(o.try, o.conn)
			if err == nil {
				t.hosts.found(o.host.address)
				return nil
			}
			o.errs = append(o.errs, err)
		}
		if failed.replace(o.host.address, o.errs) {
			return failed
		}
	}
}

func (t *Target) newRace(params map[string]string) *race {
	r := &race{}
	begin := time.Now()
	for _, a := range t.attempts(params) {
		address := a.route.address()
		if n := len(r.hosts); n > 0 && r.hosts[n-1].address == address {
			r.hosts[n-1].tries = append(r.hosts[n-1].tries, a)
			continue
		}
		due := begin.Add(time.Duration(len(r.hosts)) * t.headStart)
		r.hosts = append(r.hosts, &host{address: address, tries: []*attempt{a}, fresh: true, due: due})
	}
	r.outcomes = make(chan outcome, len(r.hosts))
	return r
}

// next returns what came of the next host that is done, false if none is left.
func (r *race) next(ctx context.Context) (outcome, bool) {
	for {
		timer := time.NewTimer(r.start(ctx))
		if r.running == 0 {
			timer.Stop()
			return outcome{}, false
		}
		select {
		case o := <-r.outcomes:
			timer.Stop()
			r.running--
			o.host.finished(o)
			return o, true
		case <-timer.C:
		}
	}
}

// start starts the hosts that are due, and one that is fresh if none runs. It
// returns when it has to be called again.
func (r *race) start(ctx context.Context) time.Duration {
	wait := time.Hour // longer than any login
	for _, h := range r.hosts {
		if h.running || ctx.Err() != nil && !r.hosts[0].fresh {
			continue
		}
		left := time.Until(h.due)
		if r.running > 0 && left <= 0 || r.running == 0 && h.fresh {
			r.running++
			h.running, h.fresh = true, false
			go func() { r.outcomes <- h.run(ctx) }()
			continue
		}
		wait = min(wait, left)
	}
	return max(wait, 0)
}

// end stops the hosts that still run and closes what they reach.
func (r *race) end(stop context.CancelFunc) {
	stop()
	for ; r.running > 0; r.running-- {
		if o := <-r.outcomes; o.conn != nil {
			_ = o.conn.Conn().Close() // it has lost; PostgreSQL sees the end
		}
	}
}

// run tries the ways to the host until one succeeds or the rest would be in vain.
func (h *host) run(ctx context.Context) outcome {
	o := outcome{host: h}
	for _, a := range h.tries {
		a.reached = false
		conn, err := a.login(ctx)
		if err == nil {
			o.try, o.conn, o.errs = a, conn, nil
			return o
		}
		o.errs = append(o.errs, err)
		if _, ok := errors.AsType[*pgconn.NotPreferredError](err); ok && o.try == nil {
			o.try = a
		}
		if !a.reached || final(err) || ctx.Err() != nil {
			break // another kind of security does not change that
		}
	}
	return o
}

// finished notes that the host was tried. A server that works but is not
// preferred (target_session_attrs=prefer-standby) is better than none: it is
// taken as it is when its turn comes again.
func (h *host) finished(o outcome) {
	h.running, h.due = false, time.Now().Add(h.tries[0].target.anew)
	if o.conn == nil && o.try != nil {
		h.fresh, h.tries = true, []*attempt{o.try}
		o.try.config.ValidateConnect = nil
	}
}
