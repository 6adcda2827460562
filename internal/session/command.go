// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// findings are what the upstream answered to questions of weir's own.
type findings struct {
	complaint *sqlstate.Error   // the error to the last one, nil where there was none
	rows      map[string]string // of a query of two columns, while it runs; see rowsFrom
	columns   uint64            // a hash of what a statement returns; see noteRows
}

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

// commandWithin is command with a patience of its own.
func (x *exchange) commandWithin(patience time.Duration, sql string) error {
	up := x.up
	x.found.complaint = nil
	x.synced = false
	up.Prepared.Unnamed = nil // a simple query ends it
	x.due.push(answer{kind: internal})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendQuery(out, sql) })
	over := x.limit(patience)
	x.settleDue()
	switch late := over(); {
	case late:
		x.discardUpstream("it did not answer a command of weir's own in time")
		return &sqlstate.Error{
			Code:    sqlstate.ConnectionFailure,
			Message: fmt.Sprintf("PostgreSQL at %s did not answer weir within %v; the connection to it was closed", up.Address(), patience),
			Routine: sqlstate.UpstreamLost,
		}
	case x.found.complaint != nil:
		return x.found.complaint
	case x.up == nil: // it answered, and was lost in the same breath
		return connectionLost(up.Address())
	}
	return nil
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

// settleDue waits until all answers are in.
func (x *exchange) settleDue() {
	for !x.due.empty() {
		moved := x.exchangeUpstream()
		if x.toClient.crowded() || x.toClient.full() { // the upstream is not read before the client takes some
			moved = x.deliver() || moved
		}
		if !moved && !x.due.empty() {
			x.task.Park()
		}
	}
}
