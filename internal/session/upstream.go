// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// Upstream is a connection to PostgreSQL in a pool, with what the pool and the
// sessions need to know of it.
type Upstream struct {
	upstream.Conn

	pool     *Pool
	node     pool.Node
	dated    bool     // it is known to have the defaults of its era
	era      *era     // whose defaults it has
	settings Settings // what it has been given beyond what it started with
	mover    uint32   // the client whose currval and lastval it remembers, by process id; 0: nobody's
	quoting  quoting  // how it reads texts, as far as it has said
	handed   bool     // somebody has used it before
	holder   uint32   // the client that had it last, by process id
	mixed    bool     // it may remember several clients'
	bounded  bool     // it started with weir's own statement_timeout
	relieved bool     // that is lifted for the session, beside settings; see relieve
	relief   Settings // its settings when relieve last looked, zero where it has to look again
	audit    audit    // of tests

	// cancels counts the cancel requests under way for it. Only the session
	// that holds it is found by a cancel, so once it is let go of the count
	// only falls.
	cancels atomic.Int32

	// sender is the process id of the client whose notifications the backend
	// sends, 0 where nobody is known to notify with it.
	sender atomic.Uint32

	mu     sync.Mutex
	parked bool   // guarded by mu; released by its client, kept until the cancels are over
	doomed string // guarded by mu; why it cannot be used once its client lets go of it, "" where it can
}

// unknownSettings is what an upstream has on which weir failed to give a client's
// settings back: nothing is known of it, and everything is set anew.
var unknownSettings = settingsOf(map[string]string{"": "unknown"})

// Loop is part of pool.Conn.
func (u *Upstream) Loop() int { return u.Stream.Loop().Index() }

// Dead is part of pool.Conn. An upstream that says something while nobody asks
// is as bad as one that is gone: mostly it says why it goes.
func (u *Upstream) Dead() bool { return !u.Quiet() }

// Node is part of pool.Conn.
func (u *Upstream) Node() *pool.Node { return &u.node }

// Close is part of pool.Conn.
func (u *Upstream) Close(why string) {
	u.pool.env.log.Debug("upstream connection closed", "pool", u.pool.name(), "pid", u.PID(), "why", why)
	u.pool.mu.Lock()
	u.pool.leftLocked(u)
	u.pool.mu.Unlock()
	u.pool.env.backends.remove(u)
	// A goodbye spares PostgreSQL a line in its log; who is gone cannot hear it.
	_, _ = u.Stream.Write(wire.AppendEmpty(nil, wire.Terminate))
	_ = u.Stream.Close()
}

// Ready hears of events while nobody holds the upstream.
func (u *Upstream) Ready(*loop.Conn) {
	u.pool.conns.Lost(u, "PostgreSQL closed it, or said something unasked")
}

// acquire gets an upstream for a request. It returns false where the client has
// to wait, and true with none where the request was refused and answered.
func (x *exchange) acquire(typ byte, size int) bool {
	for x.s.refused == nil {
		if x.s.env.aborting.Load() {
			x.s.refused = shutdown
			break
		}
		up, ok := x.s.goesBack()
		if !ok {
			up, ok = x.pool().conns.TryAcquire(x.shard(), x.s.settings)
		}
		if !ok {
			// A client in the queue owns no task: it has to take what it is
			// owed first.
			x.waiting = !x.toClient.pending()
			return false
		}
		if x.attach(up) {
			x.pool().stats.Wait.Observe(x.shard(), 0)
			return true
		}
	}
	x.refuseRequest(typ, size)
	return true
}

// refuseRequest answers a request with why there is no upstream for it. It was
// never sent to PostgreSQL.
func (x *exchange) refuseRequest(typ byte, size int) {
	err := *x.s.notToRun(sqlstate.From(x.s.refused))
	err.Severity = sqlstate.SeverityError
	x.s.refused, x.s.doubt, x.s.tries, x.s.losses = nil, nil, 0, 0
	x.s.failBlock()
	status := x.s.blockStatus()
	x.s.yieldPlace()
	x.pool().noteRefusal(&err)
	x.toUp.discard(size)
	x.toClient.insert(func(out []byte) []byte {
		out = wire.AppendError(out, &err)
		if typ == wire.Query || typ == wire.FunctionCall {
			out = wire.AppendReady(out, status)
		}
		return out
	})
	x.s.skipping = typ != wire.Query && typ != wire.FunctionCall
}

// attach makes an upstream this client's. It returns false where the upstream
// turned out unusable; if that was the client's doing, s.refused says why.
func (x *exchange) attach(up *Upstream) bool {
	if err := up.Move(x.task.Loop()); err != nil {
		x.pool().conns.Discard(up, "it could not be moved to another event loop: "+err.Error())
		return false
	}
	x.startMeter()
	x.s.link(up, x.meter.acquired)
	up.Attach(x.task)
	x.up, x.status, x.synced = up, wire.Idle, true
	x.ages(x.meter.acquired)
	x.changes.settled, x.changes.defined = x.s.settings, x.definitions()
	x.stakes = stakes{}
	if up.holder != x.s.key.pid {
		up.holder = x.s.key.pid
		up.Prepared.Disown()
	}
	if !up.dated && !x.date() || up.era != x.s.era && !x.live() {
		return false
	}
	return x.check() && x.audited() && x.bring(false) && x.proven()
}

// lostUnused takes in that an upstream was lost before the request was sent. A
// server that takes logins and then closes would have them without end: after
// some the client gets err.
func (x *exchange) lostUnused(err error) {
	s := x.s
	if s.key.pid == 0 {
		return // weir's own visit: whoever waits for it decides, see Pool.visit
	}
	if s.tries >= unsentTries {
		s.refused = err
		return
	}
	x.pause(retryPause << s.tries)
	s.tries++
}

// detach takes the upstream away from the client.
func (x *exchange) detach() *Upstream {
	up := x.up
	x.endAhead()
	up.handed = true
	up.Attach(nil)
	x.occupy()
	x.unaim(unsure)
	if st := x.s.unnamed; st != nil && st.unseen {
		x.s.setUnnamed(nil)
	}
	x.s.settleGuesses()
	x.s.link(nil, time.Time{})
	x.up, x.bound, x.altered, x.varied, x.redefines, x.rereads = nil, nil, false, false, false, false
	x.making.end(&x.s.env.dictionary.defined) // where it was lost, it may have happened, or does yet
	x.aged = false
	if x.status != wire.Idle {
		x.s.changeSettings(x.changes.settled) // what a lost block had set is rolled back
	}
	x.saveReports(up)
	reports := x.changes.reports // are of the group, which may go on elsewhere
	x.changes = x.changes.forgotten()
	x.changes.reports = reports
	x.remains, x.checks, x.bySQL = remains{}, checks{}, bySQL{}
	x.s.setPin(0)
	x.s.yieldPlace()
	x.copy = copyIn{}
	x.discarded, x.copying, x.barrier, x.fence, x.cancelled, x.opened, x.dying, x.belted = false, false, false, false, false, false, false, false
	x.listen = listening{}
	clear(x.portals)
	return up
}

// letGo gives the upstream back to its pool.
func (x *exchange) letGo() {
	if x.up.Prepared.Aliased() {
		x.discardUpstream("statements have names of its client")
		return
	}
	x.observeTransaction()
	if x.s.rests && !x.unrest() {
		return
	}
	x.record()
	notifies := x.listen.notifies
	if x.up.mover != 0 || x.s.last != nil {
		x.s.remember(x.up)
	}
	up := x.detach()
	up.node.Fit = up.settings
	if notifies {
		up.fence()
	}
	up.release()
}

// discardUpstream closes the upstream, if it has not been lost already.
func (x *exchange) discardUpstream(why string) {
	if x.up == nil {
		return
	}
	x.record()
	x.pool().conns.Discard(x.detach(), why)
}

// release gives an upstream that was let go of back to its pool, but not before
// the cancels for it are over: a late one must not hit the next client's query.
func (u *Upstream) release() {
	if u.cancels.Load() == 0 {
		u.pool.conns.Release(u)
		return
	}
	u.mu.Lock()
	u.parked = true
	u.mu.Unlock()
	u.unpark()
}

// cancelOver notes the end of one cancel. With a reason why the upstream cannot
// be used any more it is closed once it is let go of; for that its count stays
// above zero.
func (u *Upstream) cancelOver(why string) {
	u.mu.Lock()
	if why != "" && u.doomed == "" {
		u.doomed = why
		u.cancels.Add(1)
	}
	u.cancels.Add(-1)
	u.mu.Unlock()
	u.unpark()
}

// doom has the upstream closed once it is let go of.
func (u *Upstream) doom(why string) {
	u.cancels.Add(1)
	u.cancelOver(why)
}

// unpark gives up an upstream that is kept for cancels if all are over.
func (u *Upstream) unpark() {
	u.mu.Lock()
	pending, doomed := u.cancels.Load(), u.doomed
	if doomed != "" {
		pending--
	}
	free := u.parked && pending == 0
	if free {
		u.parked = false
	}
	u.mu.Unlock()
	switch {
	case !free:
	case doomed != "":
		u.pool.conns.Discard(u, doomed)
	default:
		u.pool.conns.Release(u)
	}
}

func (x *exchange) shard() int { return x.task.Loop().Index() }
