// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// logins bounds what clients cost before they have logged in: how many compute
// at once, and how many sockets they hold over all listeners. What a client has
// sent so far gives it no right to its socket: where room is needed, the one that
// came first and has not proved who it is goes first.
type logins struct {
	computing chan struct{} // a place for each login that computes

	mu      sync.Mutex
	waiting list.List           // guarded by mu; of *visit with a socket and without a proof, the oldest first
	sockets int                 // guarded by mu; of all that are under way
	proven  int                 // guarded by mu; how many have proved who they are
	left    chan struct{}       // guarded by mu; closed when one that has a socket leaves
	all     map[*visit]struct{} // guarded by mu; all that are under way
	closed  error               // guarded by mu
}

// visit is one login under way.
type visit struct {
	logins *logins
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
	socket bool          // the client is not in this process
	place  *list.Element // guarded by logins.mu; nil once the socket is not to make room any more
	proven bool          // guarded by logins.mu
	over   bool          // guarded by logins.mu
}

// maxLoginSockets is how many clients may be connected at the most that have not
// logged in, however many descriptors there are.
const maxLoginSockets = 4096

func (l *logins) init(computing int) {
	l.computing = make(chan struct{}, computing)
	l.all = make(map[*visit]struct{})
	l.left = make(chan struct{})
}

// errNoRoom is what a client gets that connects where all others are about to be
// let in.
var errNoRoom = &sqlstate.Error{
	Severity: sqlstate.SeverityFatal,
	Code:     sqlstate.TooManyConnections,
	Message:  "too many connections to weir: as many clients wait to be let in as open files allow; raise weir's limit on open files (ulimit -n, LimitNOFILE= of systemd)",
	Routine:  sqlstate.TooManyClients,
}

// enter begins a login, which has to end within timeout. A client with a socket
// has to fit into room with the others: the one that has been there for longest
// without a proof is sent away, and enter waits until its descriptor is free.
func (l *logins) enter(ctx context.Context, timeout time.Duration, socket bool, room func() int) (*visit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for socket && l.closed == nil && l.sockets >= room() {
		if !l.sendAwayLocked() {
			return nil, errNoRoom
		}
		left := l.left
		l.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if l.closed != nil {
		return nil, l.closed
	}
	v := &visit{logins: l, socket: socket}
	ctx, v.cancel = context.WithCancelCause(ctx)
	v.ctx, v.stop = context.WithTimeout(ctx, timeout)
	l.all[v] = struct{}{}
	if socket {
		l.sockets++
		v.place = l.waiting.PushBack(v)
	}
	return v, nil
}

// sendAwayLocked ends the oldest login that may be. It reports whether one ends,
// perhaps since before.
func (l *logins) sendAwayLocked() bool {
	if oldest := l.waiting.Front(); oldest != nil {
		v := l.waiting.Remove(oldest).(*visit)
		v.place = nil
		v.cancel(auth.ErrMakeRoom)
		return true
	}
	return l.sockets > l.proven
}

// makeRoom ends the oldest login, for want of descriptors.
func (l *logins) makeRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendAwayLocked()
}

// prove notes that the client has proved who it is.
func (v *visit) prove() {
	l := v.logins
	l.mu.Lock()
	defer l.mu.Unlock()
	v.keepLocked()
	v.proven = true
	l.proven++
}

// keep has the client keep its socket until the visit is over.
func (v *visit) keep() {
	v.logins.mu.Lock()
	defer v.logins.mu.Unlock()
	v.keepLocked()
}

func (v *visit) keepLocked() {
	if v.place != nil {
		v.logins.waiting.Remove(v.place)
		v.place = nil
	}
}

// leave ends the visit; a second call does nothing.
func (v *visit) leave() {
	l := v.logins
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.over {
		return
	}
	v.over = true
	delete(l.all, v)
	v.keepLocked()
	if v.proven {
		l.proven--
	}
	if v.socket {
		l.sockets--
		close(l.left)
		l.left = make(chan struct{})
	}
	v.stop()
	v.cancel(context.Canceled)
}

// acquire is auth.Acceptor's: it takes a place among the logins that compute.
func (l *logins) acquire(ctx context.Context) (release func(), err error) {
	select {
	case l.computing <- struct{}{}:
		return func() { <-l.computing }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// count returns how many logins are under way.
func (l *logins) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// cancelAll ends all logins, those to come too.
func (l *logins) cancelAll(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return
	}
	l.closed = err
	for v := range l.all {
		v.cancel(err)
	}
}
