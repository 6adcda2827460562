// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
)

// Nothing is asked of PostgreSQL again that may have happened. Three things have
// not, or make no difference, and are asked again without the client's noticing:
//
//   - what was never sent, or never read;
//   - one statement outside a block that PostgreSQL has undone itself, or refused
//     for what somebody else has done there;
//   - one statement outside a block that only reads, whose upstream was lost.
//
// All of them only as long as nothing of an answer has gone to the client and
// the whole request is still in the buffer: asking again is reading it again. A
// request is everything that was sent and not answered: what was sent in one
// write with others is asked again with them, or not at all.

const (
	// conflictTries bounds how often one statement is asked again that conflicts
	// with others.
	conflictTries = 3

	// unsentTries bounds the same for what was never sent. Each try found a
	// connection that was good a moment before.
	unsentTries = 10

	// retryPause is about the first pause before a request is asked again; it
	// doubles with each. Those that have met should not meet again.
	retryPause = 5 * time.Millisecond

	// readPause is about the pause before a read is asked again, which is done
	// once. Where PostgreSQL stops, or all of its backends are ended, the other
	// upstreams go within that time, and are not taken for good ones.
	readPause = 100 * time.Millisecond
)

// marks is where things were when the requests under way began.
type marks struct {
	sent    uint64   // to the upstream: a position in toUp
	said    uint64   // to the client: a position in toClient
	cancels uint32   // the session's
	parsed  []string // names that the requests have defined since; its storage is used again
}

// mark notes that requests begin.
func (x *exchange) mark() {
	x.toUp.mark()
	x.marks = marks{
		sent: x.toUp.gone, said: x.toClient.position(), cancels: x.s.cancels.Load(),
		parsed: x.marks.parsed[:0],
	}
}

// repeatable reports whether the requests under way can be asked again as if
// they had not been.
func (x *exchange) repeatable() bool {
	return !x.inBlock() && !x.keeps() && x.hurt == nil && !x.leaving &&
		x.toUp.intact() && x.toClient.unsent(x.marks.said) &&
		x.s.cancels.Load() == x.marks.cancels && !x.s.env.aborting.Load()
}

// retry asks again what was under way on an upstream that was lost, if that can
// be done. It returns false where the client has to be told.
func (x *exchange) retry(cause error) bool {
	if x.due.empty() {
		return false
	}
	cfg := x.pool().config()
	switch {
	case x.hurt != nil && x.hurt.undone:
		x.hurt = nil // PostgreSQL has undone the statement, and said so, before it went
		if !x.repeatable() {
			return false
		}
		x.startOver(observe.Conflict, cause)
	case !x.repeatable():
		return false
	case cfg.RetryUnsent && (x.toUp.gone == x.marks.sent || x.unread()) && x.s.tries < unsentTries:
		x.startOver(observe.Unsent, cause)
	case cfg.RetryReads && x.reads():
		x.startOver(observe.Read, cause)
	default:
		return false
	}
	return true
}

// startOver goes back to where the requests under way began, without an
// upstream, and waits a moment.
func (x *exchange) startOver(why observe.Retry, cause error) {
	x.s.env.log.Debug("a request is sent to PostgreSQL again", "because", why.String(), "error", cause, "pool", x.pool().name(), "client", x.s.describe())
	x.pool().stats.Retries.Add(why)
	x.takeBack()
	x.toClient.forgetRest()
	x.toClient.takeBack(x.marks.said)
	for _, name := range x.marks.parsed {
		x.s.forgetNamed(name)
	}
	if why == observe.Conflict && x.synced {
		x.letGo()
	} else {
		x.discardUpstream("lost: " + cause.Error())
	}
	x.s.skipping, x.answering, x.healed = false, false, false
	x.fatal = nil
	if why == observe.Read {
		x.pause(readPause)
	} else {
		x.pause(retryPause << x.s.tries)
	}
	x.s.tries++
	if why == observe.Read {
		x.s.losses++
	}
	x.toUp.replay()
}

// pause parks the task for about d, between half and all of it.
func (x *exchange) pause(d time.Duration) {
	over, task := false, x.task
	task.Loop().After(d/2+rand.N(d/2+1), loop.Func(func() {
		over = true
		task.Wake()
	}))
	for !over && !x.s.env.aborting.Load() {
		task.Park()
	}
}

// PostgreSQL's codes for statements that it has undone because of what others
// did (documentation, appendix A).
const (
	serializationFailure sqlstate.Code = "40001"
	deadlockDetected     sqlstate.Code = "40P01"
)

// conflicts reports whether an error says that PostgreSQL has undone a statement
// that can be asked again, of a standby elsewhere.
func (x *exchange) conflicts(code sqlstate.Code) bool {
	if code != serializationFailure && code != deadlockDetected && !x.onStandby(code) {
		return false
	}
	if !x.pool().config().RetryConflicts || x.s.tries >= conflictTries || !x.repeatable() {
		return false
	}
	l, ok := x.lone()
	if !ok {
		return false
	}
	e := x.effectOfLone(&l)
	return e.kinds != 0 && e.kinds&^undoable == 0 && e.pins == 0 && !e.touches && !e.signals && !x.actsOutside(&l, &e)
}

// actsOutside reports whether a statement may have done what PostgreSQL has not undone
// with it, in whatever it calls.
func (x *exchange) actsOutside(l *lone, e *effect) bool {
	code := routine.Read("sql", l.text)
	words := append(code.Names, e.calls...)
	if code.Leaves&routine.Anything != 0 || e.unbound {
		words = append(words, routine.Any)
	}
	return code.Leaves&routine.Outside != 0 || x.pool().catalog.whole.Load().ActsOutside(words, e.defines, x.quoting()&foreign == 0)
}

// resents reports whether an error refuses a SET for what somebody else has done there: a
// library that is loaded has reserved the name (PostgreSQL: MarkGUCPrefixReserved), or
// temporary tables were used (check_temp_buffers). So the client may ask another upstream.
func (x *exchange) resents(code sqlstate.Code) bool {
	if code != invalidName && code != sqlstate.InvalidParameterValue || !x.repeatable() {
		return false
	}
	l, ok := x.lone()
	if !ok {
		return false
	}
	e := x.effectOfLone(&l)
	if !e.single || e.kinds != 1<<sqltext.Set || e.pins != 0 {
		return false
	}
	name := sqltext.First(l.text).Name
	if known := code == invalidName && len(e.hidden) == 1 || code != invalidName && name == "temp_buffers"; !known {
		return false
	}
	if !x.pool().refusals.blame(settingsOf(map[string]string{name: l.text}), x.up.handed) {
		return false
	}
	x.up.doom("it refuses " + name + " for what another client has done")
	return true
}

// invalidName is PostgreSQL's code for a name that a setting cannot have.
const invalidName sqlstate.Code = "42602"

// undoable are the kinds of statements that may be asked again once PostgreSQL
// has undone them. What others have done may not all be undone.
const undoable = 1<<sqltext.Select | 1<<sqltext.Insert | 1<<sqltext.Update | 1<<sqltext.Delete |
	1<<sqltext.Merge | 1<<sqltext.With

// errUndone is why a statement is asked again on a good upstream.
var errUndone = errors.New("PostgreSQL has undone it because of what others did")
