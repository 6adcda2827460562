// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"time"

	"github.com/weir-pg/weir/internal/wire"
)

// leave is what happens to the upstream of a client that has said goodbye or
// has gone: what it asked before is finished, what it left open is rolled back,
// and the upstream is kept if it is in step.
func (x *exchange) leave() {
	switch {
	case x.halfway():
		// PostgreSQL undoes it when the connection closes. A Sync of weir's own
		// would commit it. A backend that runs something hears of the end only
		// afterwards, and holds its locks until then.
		if !x.due.empty() && !x.copying {
			x.cancelUpstream()
		}
		x.dropUpstream("its client left in the middle of a request")
	case !x.due.empty():
		if x.unwanted() && !x.cancelled {
			x.cancelled = true
			x.cancelUpstream()
			if x.s.env.aborting.Load() {
				x.dropUpstream("weir is stopping")
			}
			return
		}
		x.task.Park()
	case x.status != wire.Idle:
		reported := len(x.changes.reported) > 0
		switch err := x.command("ROLLBACK"); {
		case err != nil:
			x.discardUpstream("its client left inside a transaction, and ROLLBACK failed: " + err.Error())
		case reported: // what is taken back is not followed: nobody is left whose it would be
			x.up.settings = unknownSettings
		}
	case x.keeps():
		x.reset()
	default:
		if (!x.changes.touched || x.forgetSettings()) && x.clearNames() {
			x.letGo()
		}
	}
}

// forgetSettings takes all settings off the upstream, of which those that its
// client has set last are not known.
func (x *exchange) forgetSettings() bool {
	if err := x.command("RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL"); err != nil {
		x.discardUpstream("its client left, and its settings could not be reset: " + err.Error())
		return false
	}
	x.up.settings = noSettings
	x.up.unrelieve()
	return true
}

// halfway reports whether what was sent is not complete: a message, a group
// without its Sync, a copy. A Sync that PostgreSQL may have ignored in a copy is none.
func (x *exchange) halfway() bool {
	if x.toUp.pass > 0 || x.copying {
		return true
	}
	if x.due.empty() {
		return !x.synced
	}
	last := &x.due.list[len(x.due.list)-1]
	return !last.ends() || last.ignored
}

// unwanted reports whether what still runs has no use without its client: in a
// block it will be rolled back anyway, and a time-out is there to end it.
func (x *exchange) unwanted() bool {
	return x.status != wire.Idle || x.late != nil || x.s.env.cancelOnDisconnect.Load() || x.s.env.aborting.Load()
}

// cancelPatience bounds the cancel of a query whose client has gone.
const cancelPatience = 5 * time.Second

// cancelUpstream asks PostgreSQL to cancel what runs. Its outcome shows in the
// answers that are due.
func (x *exchange) cancelUpstream() {
	up := x.up
	err := x.task.Await(func() error {
		ctx, stop := context.WithTimeout(x.s.env.severing, cancelPatience)
		defer stop()
		return up.Cancel(ctx)
	})
	if err != nil {
		x.s.env.log.Warn("a query whose client has gone was not cancelled", "pool", x.pool().name(), "error", err)
		x.dropUpstream("its client left, and the cancel of its query was not confirmed")
	}
}

// dropUpstream closes the upstream, if it has not been lost already, with what is
// under way there, which nobody waits for any more.
func (x *exchange) dropUpstream(why string) {
	if x.up == nil {
		return
	}
	x.takeBack()
	x.discardUpstream(why)
}

// reset makes an upstream as new after a client that had it for a session. One
// that cannot be made so, or does not show that it is, closes, so that what the
// client held there is free at once.
func (x *exchange) reset() {
	held := x.s.pinned() | x.remains.left
	if held&lasting != 0 {
		x.discardUpstream("its client left, and this cannot be undone: " + (held & lasting).String())
		return
	}
	// Not in one text, which DISCARD ALL does not take; by the client's defaults it
	// would wait for other transactions, or be too late.
	err := x.command("RESET ALL")
	if err == nil {
		err = x.command("DISCARD ALL")
	}
	if err != nil {
		x.discardUpstream("DISCARD ALL failed after a session: " + err.Error())
		return
	}
	x.up.Prepared.Clear()
	x.up.settings, x.up.mover, x.up.mixed = noSettings, 0, false
	x.up.unrelieve()
	if held != 0 {
		shown, err := x.probe()
		if err != nil || shown != 0 {
			x.discardUpstream("DISCARD ALL left something of its last client: " + shown.String())
			return
		}
	}
	x.letGo()
}
