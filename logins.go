// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// logins bounds what clients cost before they have logged in: how many compute
// at once, and how many may be connected in silence. The oldest silent ones
// make room for newcomers.
type logins struct {
	computing chan struct{} // a place for each login that computes

	mu     sync.Mutex
	silent list.List           // guarded by mu; of *visit, the oldest first
	all    map[*visit]struct{} // guarded by mu; all that are under way
	closed error               // guarded by mu
}

// visit is one login under way.
type visit struct {
	logins *logins
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
	place  *list.Element // guarded by logins.mu; nil once the client has spoken
	over   bool          // guarded by logins.mu
}

// maxSilent is how many connected clients may be silent at the most.
const maxSilent = 4096

func (l *logins) init(computing int) {
	l.computing = make(chan struct{}, computing)
	l.all = make(map[*visit]struct{})
}

// errMakeRoom is what a client gets that was silent for longest when too many
// are.
var errMakeRoom = &sqlstate.Error{
	Severity: sqlstate.SeverityFatal,
	Code:     sqlstate.RejectedConnection,
	Message:  "connection closed to make room: too many clients have connected and said nothing",
}

type visitKey struct{}

// enter begins a login that has to end within timeout.
func (l *logins) enter(ctx context.Context, timeout time.Duration) (*visit, error) {
	v := &visit{logins: l}
	ctx, v.cancel = context.WithCancelCause(context.WithValue(ctx, visitKey{}, v))
	v.ctx, v.stop = context.WithTimeout(ctx, timeout)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return nil, l.closed
	}
	if l.silent.Len() >= maxSilent {
		l.silent.Remove(l.silent.Front()).(*visit).cancelLocked(errMakeRoom)
	}
	v.place = l.silent.PushBack(v)
	l.all[v] = struct{}{}
	return v, nil
}

func (v *visit) cancelLocked(err error) {
	v.place = nil
	v.cancel(err)
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
	v.speakLocked()
	v.stop()
	v.cancel(context.Canceled)
}

// speakLocked notes that the client has said something.
func (v *visit) speakLocked() {
	if v.place != nil {
		v.logins.silent.Remove(v.place)
		v.place = nil
	}
}

// acquire is auth.Acceptor's: it takes a place among the logins that compute.
func (l *logins) acquire(ctx context.Context) (release func(), err error) {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		l.mu.Lock()
		v.speakLocked()
		l.mu.Unlock()
	}
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
