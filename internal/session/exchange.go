// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"io"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// exchange is what serving a client takes besides the client: two pipes, the
// answers that are due, and for as long as it is needed an upstream. It is
// borrowed from the loop when the client asks something and given back when
// all is answered.
type exchange struct {
	s    *Session
	task *loop.Task

	toUp     pipe // client to upstream
	toClient pipe // upstream to client
	due      answers

	// up is the upstream connection while one is held; nobody else uses it then.
	up        *Upstream
	status    byte // the transaction state in the last ReadyForQuery
	synced    bool // nothing was sent to up since its last ReadyForQuery
	copying   bool // up is copying in: the client's data are not answered
	copy      copyIn
	dying     bool                  // up has said that it is about to go
	discarded bool                  // DISCARD ALL has run in the group under way, and what follows has not come yet
	fatal     []byte                // the error with which PostgreSQL ended the connection
	portals   map[string]*statement // open portals whose statement has to be noticed when it runs
	meter     meter

	// The client's next messages wait,
	barrier bool // but not its data, until all answers are in
	fence   bool // until the groups before theirs are answered

	// The client
	waiting   bool            // is in the queue; the task ends
	leaving   bool            // has said goodbye, or has gone
	refused   bool            // is sent away with an error
	hungUp    bool            // cannot be written to any more
	cancelled bool            // has gone, and a cancel was sent for what it left
	late      *sqlstate.Error // has no more time

	// The requests under way.
	stakes    stakes            // what they may have done if the upstream is lost
	bound     *statement        // what was bound last
	stray     bool              // the upstream's unnamed portal may be that of weir's own BEGIN
	strayed   uint64            // one more than the span in which that was closed last, 0 for none
	opened    bool              // the block that was held back is being opened
	altered   bool              // something sent may have changed what statements mean; see unsure
	varied    bool              // something sent may have changed settings
	redefines bool              // the transaction may have changed the schema
	making    making            // what routines the transaction may have made
	aged      bool              // the pool's catalog is older than it may be
	rereads   bool              // they may change how PostgreSQL reads later texts
	vacated   []string          // databases that were freed for them
	aims      []aim             // upstreams at which signals of this client may be on their way
	notes     []*sqlstate.Error // what weir has to say at the next ReadyForQuery
	listen    listening         // what LISTEN and NOTIFY leave to be done
	changes   changes           // what they do to settings
	remains   remains           // what they leave behind
	bySQL     bySQL             // what SQL has prepared on the upstream

	// Asking them again.
	marks     marks
	answering bool    // part of the present group's answer has gone to the client
	hurt      *injury // an error that may be healed, from its arrival to the end of its group
	checks    checks  // whether a statement is current
	healed    bool    // the present group was sent again; that is done once
	belted    bool    // up is READ ONLY for what may have run before, see onlyReading

	// What weir itself sends.
	advance advance
	found   findings
}

// run serves the client until it is idle, waits in the queue, or has left. Each
// turn moves what can be moved in both directions; where nothing can, the task
// parks until a socket is ready.
func (x *exchange) run() {
	for {
		moved := x.fromClient()
		if x.up != nil {
			moved = x.exchangeUpstream() || moved
		}
		moved = x.hear() || moved
		moved = x.deliver() || moved
		switch {
		case x.up != nil && x.hurt != nil && x.due.empty():
			x.mend()
		case x.up != nil && x.unsettledListening() && x.between():
			x.settleListening()
		case x.up != nil && x.leaving && !moved:
			x.leave()
		case x.up != nil && x.undecided() && x.between():
			x.decide()
		case x.up != nil && x.keeps() && x.between() && x.s.unwelcome() != nil && !x.leaving:
			farewell := *x.s.unwelcome()
			x.refuse(&farewell)
		case x.up != nil && x.changes.touched && x.between():
			x.learn()
		case x.up != nil && x.finished() && !x.meter.looked && x.catalogDue():
			x.readCatalog()
		case x.up != nil && x.finished():
			if x.clearNames() {
				x.letGo()
			}
		case x.up == nil && x.atRest(moved):
			return
		case !moved:
			x.task.Park()
		}
	}
}

// fromClient takes the client's messages and prepares them for the upstream.
func (x *exchange) fromClient() (moved bool) {
	if x.copy.unsure {
		x.askSyncs()
	}
	for x.listening() {
		typ, size, ok, err := x.toUp.next()
		if err != nil {
			x.refuse(violation("the client sent a message of type %q with an impossible length; the connection is closed", typ))
			return true
		}
		if ok && (x.request(typ, size) || x.fence && x.pastAhead()) {
			moved = true
			continue
		}
		if x.waiting || x.leaving || ok && x.toUp.whole(size) {
			return moved // the message waits for something other than its own bytes
		}
		n, err := x.toUp.read(&x.s.client)
		moved = moved || n > 0
		if err != nil {
			x.clientFailed(err)
			return moved
		}
		if x.copy.unsure {
			x.askSyncs()
		}
	}
	return moved
}

// listening reports whether the client's next message may be looked at. The rest of
// one that has begun to go to the upstream does not wait for answers: there will be
// none without it.
func (x *exchange) listening() bool {
	return x.hurt == nil && (!x.barrier && !x.fence || x.copying || x.copy.ended || x.toUp.pass > 0) && !x.waiting && !x.leaving && !x.toUp.crowded() && !x.toClient.crowded() &&
		(!x.belted || x.due.groups() == 0) // what is behind a request that is asked again may write
}

// clientFailed takes in that the client's stream gave nothing.
func (x *exchange) clientFailed(err error) {
	if loop.IsAgain(err) {
		return
	}
	x.leaving = true
	if !errors.Is(err, io.EOF) {
		x.hungUp = true
	}
}

// exchangeUpstream sends what is prepared and takes the answers.
func (x *exchange) exchangeUpstream() (moved bool) {
	if x.due.faked() && x.due.real() == nil {
		x.fake() // nobody else has anything to say
		x.lift()
	}
	n, err := x.toUp.write(&x.up.Stream)
	x.count(n, 0)
	moved = n > 0
	if err != nil && !loop.IsAgain(err) {
		// What PostgreSQL said before it closed is still to be read.
		x.toUp.waste()
	}
	return x.fromUpstream() || moved
}

// fromUpstream takes the upstream's messages and prepares them for the client. What
// answers weir itself is taken whether the client reads or not.
func (x *exchange) fromUpstream() (moved bool) {
	for x.up != nil && (!x.toClient.crowded() || x.due.own()) {
		typ, size, ok, err := x.toClient.next()
		if err != nil {
			x.upstreamLost(err)
			return true
		}
		if ok && x.reply(typ, size) {
			moved = true
			continue
		}
		if ok && x.toClient.whole(size) {
			return moved
		}
		if x.due.own() {
			x.toClient.spill()
		}
		n, err := x.toClient.read(&x.up.Stream)
		x.count(0, n)
		moved = moved || n > 0
		if err != nil {
			if !loop.IsAgain(err) {
				x.upstreamLost(err)
				return true
			}
			return moved
		}
	}
	return moved
}

// deliver writes to the client what is prepared for it.
func (x *exchange) deliver() (moved bool) {
	if x.up != nil && (x.hurt != nil || x.fatal != nil || x.dying) {
		return false // what came before the error may be taken back
	}
	if x.hungUp {
		moved = x.toClient.pending()
		x.toClient.waste()
		return moved
	}
	if !x.toClient.pending() {
		if x.s.client.Drained() {
			return false
		}
		_ = x.s.client.Flush() // what fails now fails again at the next write
		return false
	}
	n, err := x.toClient.write(&x.s.client)
	if err != nil && !loop.IsAgain(err) {
		x.leaving, x.hungUp = true, true
		return true
	}
	if x.making.defines && !x.making.publishes && x.toClient.pending() {
		x.making.publish(&x.s.env.dictionary.defined) // its end may be among what is not read
	}
	return n > 0
}

// finished is the one list of reasons to keep the upstream: answers are due, a
// message is half sent, nothing has ended in ReadyForQuery since something was
// sent, a transaction block is open, a copy runs, or the client has left
// something in the session, or the pool gives each client its upstream anyway.
func (x *exchange) finished() bool { return x.between() && !x.keeps() }

// between reports whether the client is between two transactions.
func (x *exchange) between() bool {
	return x.synced &&
		x.status == wire.Idle &&
		x.due.empty() &&
		!x.toUp.pending() && x.toUp.pass == 0 &&
		!x.copying
}

// atRest reports whether a client without an upstream needs no task: it is in
// the queue, has left, or has nothing to be done for it.
func (x *exchange) atRest(moved bool) bool {
	if x.waiting {
		return true
	}
	if moved || x.toClient.pending() && !x.hungUp {
		return false
	}
	return x.leaving || x.s.client.Drained()
}

// begin takes up the client where it was left.
func (x *exchange) begin(s *Session, t *loop.Task) {
	x.start(s, t)
	if s.idleTimer != nil {
		s.idleTimer.Stop()
		s.idleTimer = nil
	}
	s.client.Attach(t)
	x.toUp.drop, s.drop = s.drop, 0
	x.toUp.load(s.in)
	s.in = nil
	x.leaving = s.env.aborting.Load()
	x.hungUp = x.leaving
	if up := s.granted; up != nil {
		s.granted = nil
		x.attach(up)
	}
}

// start makes the exchange as new, on the storage that it has.
func (x *exchange) start(s *Session, t *loop.Task) {
	x.toUp.reset()
	x.toClient.reset()
	x.due.reset()
	*x = exchange{
		s: s, task: t,
		status: wire.Idle, synced: true,
		toUp: x.toUp, toClient: x.toClient, due: x.due,
		portals: x.portals, changes: x.changes.forgotten(),
		advance: advance{script: x.advance.script},
		marks:   marks{parsed: x.marks.parsed[:0]},
	}
	s.x = x
}

// end puts the client down: what it sent ahead and the state of a refused
// group stay with it.
func (x *exchange) end() {
	s := x.s
	switch {
	case x.refused && x.late != nil:
		s.dismiss(x.late)
		return
	case x.refused && !x.hungUp:
		s.linger()
		return
	case x.leaving:
		s.close()
		return
	}
	if rest := x.toUp.buf[x.toUp.seen:x.toUp.fill]; len(rest) > 0 {
		s.in = append([]byte(nil), rest...)
	}
	s.drop = x.toUp.drop
	s.client.Attach(nil)
	if !x.waiting {
		s.setState(Idle)
		if s.rests {
			s.timeIdle()
		}
		if why := s.unwelcome(); why != nil {
			s.dismiss(why)
		}
		return
	}
	s.setState(Waiting)
	s.queued = time.Now()
	if s.lined != nil {
		s.lined.lineUp()
		return
	}
	s.waiter.Loop, s.waiter.Owner, s.waiter.Fit = s.client.Loop().Index(), s, s.settings
	s.pool.conns.Wait(&s.waiter)
}

// refuse ends the client with an error of its own making.
func (x *exchange) refuse(err *sqlstate.Error) {
	err.Severity = sqlstate.SeverityFatal
	x.s.env.log.Info("client refused", "error", err.Message, "sqlstate", string(err.Code), "client", x.s.describe())
	x.toClient.insert(func(out []byte) []byte { return wire.AppendError(out, err) })
	x.leaving, x.refused = true, true
}

// farewell writes a last message as far as the socket takes it.
func (x *exchange) farewell(err *sqlstate.Error) {
	_, _ = x.s.client.Write(wire.AppendError(nil, err)) // best effort: the connection closes
}

func (x *exchange) pool() *Pool { return x.s.pool }
