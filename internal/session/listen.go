// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/listen"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// A client's LISTEN goes to the upstream as it is: PostgreSQL checks it, undoes
// it with its transaction or savepoint, and from the commit on the upstream
// listens. When the transaction has ended, and before the client hears of that,
// the channels are moved to the pool's hub, see handOver and ADR 7.

// listening is what an exchange knows of LISTEN and NOTIFY while it holds an
// upstream. The zero value is that of a client that does neither.
type listening struct {
	began    bool    // a LISTEN was sent: the upstream may listen for the client
	notifies bool    // something was sent that may notify
	owes     bool    // the client is owed the ReadyForQuery of a transaction that has ended
	ticket   string  // of the hub, while channels are moved to it
	moved    bool    // the mark has come: what follows it is the hub's to give
	undo     journal // the UNLISTENs of the transaction
}

// listenKind is the kind that makes an upstream listen.
const listenKind = 1 << sqltext.Listen

// triggering are the kinds whose triggers may notify.
const triggering = 1<<sqltext.Insert | 1<<sqltext.Update | 1<<sqltext.Delete | 1<<sqltext.Merge | 1<<sqltext.With |
	1<<sqltext.Copy | 1<<sqltext.Call | 1<<sqltext.Do | 1<<sqltext.Execute | 1<<sqltext.Unknown

// noteListening notes what a statement that is about to be sent has to do with
// notifications.
func (x *exchange) noteListening(e *effect) {
	if x.pool().sessionMode() {
		return
	}
	x.catchUp(e.kinds)
	x.listen.began = x.listen.began || e.kinds&listenKind != 0
	if e.notifies || x.s.ears != nil && e.kinds&triggering != 0 {
		x.mayNotify()
	}
}

// withholds reports whether the ReadyForQuery that answers a waits until the
// client's listening is settled.
func (x *exchange) withholds(a *answer) bool {
	return x.unsettledListening() && x.status == wire.Idle && x.due.last() &&
		!a.own() && a.fate == forwarded
}

// unsettledListening reports whether something has to be done about
// notifications when the transaction has ended.
func (x *exchange) unsettledListening() bool {
	return x.listen.began || x.listen.owes || x.listen.notifies && x.s.ears != nil && !x.leaving
}

// settleListening does it, and then tells the client that its transaction has
// ended, with what it was notified of.
func (x *exchange) settleListening() {
	owes := x.listen.owes
	if x.listen.began {
		x.handOver()
	}
	if x.listen.notifies && x.s.ears != nil {
		x.awaitOwn()
	}
	x.listen.began, x.listen.moved, x.listen.owes, x.listen.ticket = false, false, false, ""
	if !owes || x.leaving {
		return
	}
	if x.s.ears != nil {
		x.relate(x.s.ears)
	}
	x.toClient.insert(func(out []byte) []byte { return wire.AppendReady(out, wire.Idle) })
}

// channelsQuery asks what the session listens to. A session that has no upstream
// to itself listens to nothing before its LISTEN.
const channelsQuery = `SELECT l.n, l.channel FROM pg_catalog.pg_listening_channels() WITH ORDINALITY AS l(channel, n)`

// handOver moves what the upstream listens to for the client to the hub. Until
// the mark, which the upstream makes, the client is given what the upstream is
// notified of, after the mark what the hub is: nothing twice, and nothing that
// was committed after the client's transaction is missed. Where the hub cannot
// have them the client keeps the upstream, which listens.
func (x *exchange) handOver() {
	names, err := x.newChannels()
	switch {
	case err != nil:
		x.listenLost(err)
		return
	case len(names) == 0 || x.leaving:
		x.stopListening()
		return
	}
	if err := x.join(names); err != nil {
		x.keepListening(names, err)
		return
	}
	marker := quoteName(x.pool().hub.Marker())
	if err := x.command("LISTEN " + marker + "; NOTIFY " + marker + ", '" + x.listen.ticket + "'"); err != nil {
		x.s.unlisten(names...)
		if x.up == nil {
			x.listenLost(err)
			return
		}
		x.keepListening(names, err)
		return
	}
	x.s.ears.add(atHub, names...)
	x.stopListening()
}

// showChannels has the upstream listen to what the hub has for the client, for a
// statement that asks for it outside a block. What it is notified of is the hub's to
// give, and when the transaction has ended it listens no more. If the upstream was
// lost over that, it returns false, and whether the statement was handled without it.
func (x *exchange) showChannels() (ok, done bool) {
	names := x.s.ears.names()
	slices.Sort(names)
	var sql strings.Builder
	for _, name := range names {
		sql.WriteString("LISTEN " + quoteIdentifier(name) + ";")
	}
	held := x.keeps()
	err := x.command(sql.String())
	if err == nil {
		x.listen.began = true
		return true, false
	}
	x.discardUpstream("it did not listen for a client that asked for its channels: " + err.Error())
	if held {
		x.bereave(err)
		return false, true
	}
	return false, x.again()
}

// quoteIdentifier quotes one name, which may have dots.
func quoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// newChannels returns the channels that the upstream listens to and the hub does
// not give to the client yet.
func (x *exchange) newChannels() (names []string, err error) {
	has, err := x.ask(channelsQuery)
	for _, name := range has {
		if x.s.ears == nil || !x.s.ears.hub(name) {
			names = append(names, name)
		}
	}
	return names, err
}

// stopListening makes the upstream fit for others.
func (x *exchange) stopListening() {
	if err := x.command("UNLISTEN *"); err != nil {
		if x.keeps() {
			x.listenLost(err)
			return
		}
		x.discardUpstream("UNLISTEN failed after a client's LISTEN: " + err.Error())
	}
}

// errEncoding says why the hub cannot serve a client.
var errEncoding = errors.New("its client_encoding is not that of the connection that listens for the others")

// join subscribes the client to channels, of which it is not given anything
// before the mark.
func (x *exchange) join(names []string) error {
	hub, s := x.pool().hub, x.s
	if !hub.Speaks(x.up.Params) {
		return errEncoding
	}
	if s.ears == nil {
		s.ears = &ears{s: s, channels: make(map[string]place)}
		s.pool.listeners.Add(1)
	}
	e := s.ears
	e.add(atUpstream, names...)
	err := x.await(x.pool().config().AcquireTimeout, func(ctx context.Context) (err error) {
		x.listen.ticket, err = hub.Join(ctx, e, names...)
		return err
	})
	if err != nil {
		s.unlisten(names...)
	}
	return err
}

// keepListening has the client keep its upstream, because the hub cannot listen
// for it.
func (x *exchange) keepListening(names []string, err error) {
	x.s.env.log.Warn("the shared connection cannot listen for a client", "channels", strings.Join(names, ", "), "error", err, "client", x.s.describe())
	x.leftBehind(listens)
}

// listenLost ends a client whose upstream was lost when it had begun to listen,
// and before the hub did: it would wait for notifications that never come.
func (x *exchange) listenLost(err error) {
	x.discardUpstream("it did not say what it listens to: " + err.Error())
	if x.leaving {
		return
	}
	x.refuse(&sqlstate.Error{
		Code:    sqlstate.ConnectionFailure,
		Message: "connection to PostgreSQL was lost after a LISTEN",
		Detail:  "The transaction was committed, but nothing listens to its channels.",
		Hint:    "Connect again.",
		Routine: sqlstate.UpstreamLost,
		Err:     err,
	})
}

// isListen reports whether a request is a LISTEN and nothing else, with a quick
// look at its first letter.
func (x *exchange) isListen(typ byte, size int) bool {
	text := x.toUp.body(size)
	if typ == wire.Parse {
		_, text, _ = wire.CString(text)
	}
	return (typ == wire.Query || typ == wire.Parse) && len(text) > 0 && text[0]|0x20 == 'l' &&
		sqltext.First(text).Kind == sqltext.Listen
}

// awaitHub has a request that listens wait until the hub could take its channels
// over, before it has an upstream where that can be seen in time: the hub's
// connection may need the place. It reports whether the request was answered, or
// has to be looked at again.
func (x *exchange) awaitHub(typ byte, size int) (handled bool) {
	hub := x.pool().hub
	if x.pool().sessionMode() || hub.Up() {
		return false
	}
	err := x.await(x.pool().config().AcquireTimeout, hub.Ready)
	switch {
	case err == nil:
		return x.up == nil
	case x.up == nil:
		x.s.refused = x.cannotListen(err)
		x.refuseRequest(typ, size)
	default:
		if typ == wire.Query {
			x.s.setUnnamed(nil) // as any simple query does
		}
		x.provokeStatement(size, x.cannotListen(err))
	}
	return true
}

// cannotListen is the error for a LISTEN without a hub. Where nothing has failed,
// the hub waits for a place.
func (x *exchange) cannotListen(err error) *sqlstate.Error {
	p := x.pool()
	e := &sqlstate.Error{
		Code:    sqlstate.ConnectionFailure,
		Message: fmt.Sprintf("cannot LISTEN: the connection that listens for the clients of %s could not be opened within %v", p.name(), p.config().AcquireTimeout),
		Detail:  err.Error(),
		Hint:    "It needs a place beside the pool's connections.",
		Err:     err,
	}
	if cause, ok := errors.AsType[*sqlstate.Error](err); ok {
		e.Code, e.Routine = cause.Code, cause.Routine
	}
	for _, b := range p.options.Load().budgets() {
		if s := b.Status(); errors.Is(err, context.DeadlineExceeded) && s.Effective != pool.NoLimit && s.InUse >= s.Effective {
			e.Code, e.Routine = sqlstate.TooManyConnections, sqlstate.QueueTimeout
			e.Detail = fmt.Sprintf("%s: %d of %d in use over all pools.", s.Name, s.InUse, s.Effective)
		}
	}
	return e
}

// notification handles a NotificationResponse of the upstream. In transaction
// mode that is the client's only where it has just begun to listen, or keeps its
// upstream: another may have made it listen behind weir's back.
func (x *exchange) notification(size int) {
	p := &x.toClient
	pid, channel, payload, err := listen.ReadNotification(p.body(size))
	if err != nil || !x.expects(string(channel), string(payload)) {
		p.discard(size)
		return
	}
	known := x.s.env.knownAs(x.up.Address(), pid)
	if pid == x.up.PID() {
		known = x.s.key.pid
	}
	putPID(p.body(size), known)
	p.keep(size)
}

// expects reports whether a notification on the upstream is for the client.
func (x *exchange) expects(channel, payload string) bool {
	switch {
	case x.pool().sessionMode():
		return true
	case channel == x.pool().hub.Marker():
		x.listen.moved = x.listen.moved || payload == x.listen.ticket
		return false
	case x.listen.moved, !x.listen.began && !x.keeps() && x.remains.possible&(listens|opaque) == 0:
		return false
	}
	return x.s.ears == nil || !x.s.ears.hub(channel)
}
