// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/pool"
)

// visit is a stay at an upstream on behalf of no client: weir itself wants
// something there.
type visit struct {
	pool     *Pool
	up       *Upstream
	settings Settings // that the upstream has meanwhile
	do       func(x *exchange) error

	// Set before done is closed.
	err  error
	lost bool // the upstream was given up, or did not do what was asked
	done chan struct{}
}

// visit waits in the queue for an upstream, where own says that no client waits for
// what it does, gives it the settings, nil for those that it has, and calls do in a
// task. It returns when do has, each of whose commands ends in connect_timeout, or at
// once when ctx is cancelled or the pool closed. That the time of ctx is over ends the
// wait in the queue alone: PostgreSQL may be slow. Where lost is true, another
// upstream may do.
func (p *Pool) visit(ctx context.Context, own bool, settings *Settings, do func(x *exchange) error) (lost bool, err error) {
	up, err := p.acquire(ctx, own)
	if err != nil {
		return false, err
	}
	v := &visit{pool: p, up: up, settings: up.settings, do: do, done: make(chan struct{})}
	if settings != nil {
		v.settings = *settings
	}
	up.Stream.Loop().Post(loop.Func(func() { up.Stream.Loop().Go(v) }))
	v.await(ctx)
	if v.lost {
		p.rest(ctx, retryPause) // a server may take logins and then close, without end
	}
	return v.lost, v.err
}

// rest returns after d, or where nobody needs to wait any more.
func (p *Pool) rest(ctx context.Context, d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	case <-p.closing.Done():
	}
}

// await returns when the visit is over, and ends it where it has no use.
func (v *visit) await(ctx context.Context) {
	ended := ctx.Done()
	for {
		select {
		case <-v.done:
			return
		case <-ended:
			ended = nil
			if !errors.Is(ctx.Err(), context.Canceled) {
				continue
			}
		case <-v.pool.closing.Done():
		}
		break
	}
	v.up.Stream.Loop().Post(loop.Func(v.end))
	<-v.done
}

// end ends the visit, on its loop.
func (v *visit) end() {
	select {
	case <-v.done: // the upstream is somebody else's
	default:
		v.up.Break()
	}
}

// Serve is the visit's task.
func (v *visit) Serve(t *loop.Task) {
	defer close(v.done)
	s := &Session{env: v.pool.env, pool: v.pool, era: v.up.era}
	s.changeSettings(v.settings)
	x := s.env.borrow(t.Loop())
	defer s.env.giveBack(x)
	x.start(s, t)
	if !x.attach(v.up) {
		if v.err = s.refused; v.err == nil {
			v.lost, v.err = true, connectionLost(v.pool.target().Address())
		}
		return
	}
	if v.err = v.do(x); v.err != nil {
		v.lost = true
		x.discardUpstream("it did not answer a question of weir's own: " + v.err.Error())
		return
	}
	x.letGo()
}

// acquire waits for an upstream on an ordinary goroutine; own is pool.Waiter's.
func (p *Pool) acquire(ctx context.Context, own bool) (*Upstream, error) {
	w := &blockingWait{done: make(chan struct{})}
	w.waiter.Own = own
	w.waiter.Owner = w
	p.conns.Wait(&w.waiter)
	began, look := time.Now(), time.NewTimer(newcomerPatience)
	defer look.Stop()
	for {
		var err error
		select {
		case <-w.done:
			return w.up, w.err
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-look.C:
			look.Reset(newcomerAgain)
			err = p.conns.Hopeless(time.Since(began).Round(100 * time.Millisecond))
		}
		switch {
		case err == nil: // there is hope
		case p.conns.Leave(&w.waiter):
			return nil, err
		default:
			<-w.done // the outcome is on its way
			return w.up, w.err
		}
	}
}

// newcomerPatience is how long a login waits in a pool without any connection where
// it is known why there is none: drivers wait for 5 s and longer for a login, and
// then tell their users nothing of the reason.
const (
	newcomerPatience = 4 * time.Second
	newcomerAgain    = 250 * time.Millisecond
)

// blockingWait is a place in the queue for a goroutine that may block.
type blockingWait struct {
	waiter pool.Waiter[*Upstream]
	up     *Upstream
	err    error
	done   chan struct{}
}

func (w *blockingWait) Granted(up *Upstream) {
	w.up = up
	close(w.done)
}

func (w *blockingWait) Refused(err error) {
	w.err = err
	close(w.done)
}
