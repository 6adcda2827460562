// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// checkPatience bounds the check of an upstream that was idle for long, or since
// before PostgreSQL was last down. One whose peer has vanished without a word
// never answers.
const checkPatience = 2 * time.Second

// check asks an upstream that may be dead whether it is still there. Where one
// does not answer, the other idle ones are not tried one by one.
func (x *exchange) check() bool {
	if !x.up.node.NeedsCheck() {
		return true
	}
	err := x.commandWithin(min(checkPatience, x.pool().config().ConnectTimeout), "")
	if err == nil {
		return true
	}
	x.discardUpstream("no answer to a check: " + err.Error())
	x.pool().conns.DropIdle("another did not answer a check")
	return false
}

// command runs SQL of weir's own on the upstream. Nothing may be under way
// there. The error is what PostgreSQL answered, or that it was lost, or said
// nothing for connect_timeout; then the exchange has no upstream any more.
func (x *exchange) command(sql string) error {
	return x.commandWithin(x.pool().config().ConnectTimeout, sql)
}

// cancelTries bounds how often a command is run again that was cancelled: by a
// statement_timeout of the client's, which counts from the message on, or by a
// cancel request that came late. PostgreSQL has undone all of it then.
const cancelTries = 10

// commandWithin is command with a patience of its own, over all tries.
func (x *exchange) commandWithin(patience time.Duration, sql string) error {
	up := x.up
	over := x.limit(patience)
	err := x.commandOnce(sql)
	for tries := 1; tries < cancelTries && x.up != nil && x.status == wire.Idle && isCancel(err); tries++ {
		err = x.commandOnce(sql)
	}
	if over() {
		x.discardUpstream("it did not answer a command of weir's own in time")
		return &sqlstate.Error{
			Code:    sqlstate.ConnectionFailure,
			Message: fmt.Sprintf("PostgreSQL at %s did not answer weir within %v; the connection to it was closed", up.Address(), patience),
			Routine: sqlstate.UpstreamLost,
		}
	}
	return err
}

// commandOnce is one try. Its caller bounds it.
func (x *exchange) commandOnce(sql string) error {
	up := x.up
	x.found.begin()
	x.synced = false
	up.Prepared.Unnamed = nil // a simple query ends it
	x.due.push(answer{kind: internal})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendQuery(out, sql) })
	x.settleDue()
	switch {
	case x.found.complaint != nil:
		return x.found.complaint
	case x.up == nil: // it answered, and was lost in the same breath
		return connectionLost(up.Address())
	}
	return nil
}

func isCancel(err error) bool {
	e, ok := errors.AsType[*sqlstate.Error](err)
	return ok && e.Code == sqlstate.QueryCanceled
}

// limit breaks the upstream when the time is up, unless over is called before:
// it reports whether that happened.
func (x *exchange) limit(patience time.Duration) (over func() (late bool)) {
	up, task := x.up, x.task
	var late, ended bool // of the task's loop
	timer := task.Loop().After(patience, loop.Func(func() {
		if !ended {
			late = true
			up.Break()
			task.Wake()
		}
	}))
	return func() bool {
		timer.Stop()
		ended = true
		return late
	}
}

// settleDue waits until all answers are in, of which the next is to weir's own
// question: it is read whether the client takes anything or not, and so is the
// end of the stream, which limit brings about. The caller sets the limit.
func (x *exchange) settleDue() {
	for !x.due.empty() {
		if !x.exchangeUpstream() && !x.due.empty() {
			x.task.Park()
		}
	}
}

// await runs f on an ordinary goroutine and waits for it. The context ends after
// patience, when weir's time is over, and when the client has gone without a
// goodbye: then nobody needs the outcome.
func (x *exchange) await(patience time.Duration, f func(ctx context.Context) error) error {
	ctx, stop := context.WithTimeout(x.s.env.cutting, patience)
	defer stop()
	return x.task.AwaitWatching(func() error { return f(ctx) }, func() {
		if x.s.client.Gone() && !endsInTerminate(x.toUp.buf[x.toUp.seen:x.toUp.fill]) {
			stop()
		}
	})
}
