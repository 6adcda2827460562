// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/weir-pg/weir/internal/upstream"
)

// Back-off between two tries to connect. Each failure doubles it, each wait is
// shortened by up to a quarter at random.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// run keeps a connection while somebody needs one.
func (h *Hub) run() {
	pause := firstPause
	for h.needed() {
		login, err := h.open()
		if err == nil {
			err = h.serve(newLine(login))
			h.options.Release()
		}
		if err == nil || errors.Is(err, errAbandoned) {
			continue
		}
		if h.failed(err) {
			pause = firstPause
		}
		h.rest(pause)
		pause = min(2*pause, mostPause)
	}
}

// needed reports whether run should go on, and ends it where not.
func (h *Hub) needed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = !h.closed && !h.unusedLocked()
	return h.running
}

// errAbandoned says that nobody needs a connection any more.
var errAbandoned = errors.New("nobody needs it any more")

// open takes a place and connects, unless everybody leaves meanwhile.
func (h *Hub) open() (*upstream.Login, error) {
	ctx, stop := context.WithCancel(h.ctx)
	defer stop()
	h.attempt(stop)
	defer h.attempt(nil)
	err := h.options.Claim(ctx)
	var login *upstream.Login
	if err == nil {
		if login, err = h.options.Connect(ctx); err != nil {
			h.options.Release()
		}
	}
	if err != nil && ctx.Err() != nil {
		err = errAbandoned
	}
	return login, err
}

// attempt notes the beginning of an attempt to connect, or its end.
func (h *Hub) attempt(abandon context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.abandon = abandon
	h.easeLocked()
}

// failed notes why there is no connection; those who wait hear it if it stays so.
// It reports whether there was one before.
func (h *Hub) failed(err error) (first bool) {
	h.mu.Lock()
	first = h.failure == nil
	h.failure = err
	channels, wanted := h.wanted, !h.closed && !h.unusedLocked()
	h.mu.Unlock()
	if first && wanted {
		h.options.Logger.Warn("no connection listens for the clients; what they would be notified of is lost until there is one",
			"pool", h.options.Name, "channels", channels, "error", err)
	}
	return first
}

// rest waits before the next try.
func (h *Hub) rest(pause time.Duration) {
	timer := time.NewTimer(pause - time.Duration(rand.Float64()*float64(pause)/4))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.ctx.Done():
	}
}

// serve has the connection listen to what is wanted until it is lost, which is
// the error, or nobody needs it any more.
func (h *Hub) serve(l *line) error {
	h.ended.Go(func() { l.read(func(message []byte) { h.notified(l, message) }) })
	defer func() {
		l.close()
		<-l.gone
		h.end()
	}()
	if err := h.ask(l, "LISTEN "+quote(h.marker)); err != nil {
		return err
	}
	h.begin(l)
	for {
		b := h.next()
		if b.empty() {
			again, err := h.idle(l)
			if !again {
				return err
			}
			continue
		}
		err := h.ask(l, b.sql())
		h.done(b, err)
		if err != nil {
			return err
		}
	}
}

// ask sends a command and waits for its answer.
func (h *Hub) ask(l *line, sql string) error {
	if err := l.command(sql); err != nil {
		return err
	}
	select {
	case err := <-l.answers:
		return err
	case <-l.gone:
		return l.lost
	case <-h.ctx.Done():
		return errClosed
	}
}

// idle waits until there is something to do. It reports false where the
// connection is lost, which is the error, or not needed any more.
func (h *Hub) idle(l *line) (again bool, err error) {
	var late <-chan time.Time
	if h.unused() && h.options.Linger > 0 {
		timer := time.NewTimer(h.options.Linger)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-h.kick:
		return !h.vacate(), nil
	case <-late:
		return !h.unused(), nil
	case <-l.gone:
		return false, l.lost
	case <-h.ctx.Done():
		return false, errClosed
	}
}

// vacate reports whether the connection is to be closed at once.
func (h *Hub) vacate() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.vacated && h.unusedLocked()
	h.vacated = false
	return now
}

// unused reports whether nobody needs the connection.
func (h *Hub) unused() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unusedLocked()
}

func (h *Hub) unusedLocked() bool { return h.wanted == 0 && h.waiting == 0 }

// begin takes in that there is a connection.
func (h *Hub) begin(l *line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line, h.failure = l, nil
	for name := range h.channels {
		h.changed[name] = struct{}{}
	}
	h.tellLocked()
	h.options.Logger.Info("one connection listens for the clients", "pool", h.options.Name, "address", l.Address, "pid", l.PID, "channels", h.wanted)
}

// end takes in that there is none any more. Subscriptions that wait for a mark
// come into force: the connection that follows will see none.
func (h *Hub) end() {
	h.mu.Lock()
	h.line = nil
	for _, c := range h.channels {
		c.heard = false
	}
	for ticket := range h.joins {
		h.activateLocked(ticket)
	}
	fences := h.fences
	h.fences = nil
	h.mu.Unlock()
	for _, f := range fences {
		f()
	}
}
