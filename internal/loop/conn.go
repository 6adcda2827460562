// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// What is known of a connection's medium without asking it.
const (
	readable uint32 = 1 << iota // a read may give bytes
	writable                    // a write may take bytes
	gone                        // the peer has closed its side, or the connection broke
	closed                      // Close was called
)

// ErrAgain says that the socket has nothing to give, or takes nothing, now. It
// is a temporary net.Error, which crypto/tls passes on without breaking its
// connection.
var ErrAgain error = again{}

type again struct{}

func (again) Error() string   { return "resource temporarily unavailable" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// Handler hears of events on a connection that no task is attached to.
type Handler interface {
	// Ready is called on the goroutine of the loop that the connection was
	// registered with when the event came.
	Ready(c *Conn)
}

// Conn is a connection registered with a loop. Readiness is edge-triggered and
// remembered, so a connection that nobody reads costs nothing, and its death
// is known without a system call.
//
// Read, Write, Attach and Move belong to whoever owns the connection: the task
// or the handler of its present loop, or the code that took it out of a pool.
type Conn struct {
	medium  Medium
	handler Handler
	loop    atomic.Pointer[Loop]
	task    atomic.Pointer[Task]
	id      atomic.Uint64
	state   atomic.Uint32
	drained atomic.Uint64 // the batch of its loop's events in which a read found no more
	waiting bool          // the medium is asked to tell when it is writable
}

// Init registers what m carries with l. h must be set up by then: events may come
// before Init returns. On an error m stays the caller's.
func (c *Conn) Init(l *Loop, m Medium, h Handler) error {
	c.medium, c.handler = m, h
	c.state.Store(writable)
	c.loop.Store(l)
	if err := l.group.table.add(c); err != nil {
		return err
	}
	if err := m.register(l, c); err != nil {
		l.group.table.remove(c)
		return err
	}
	return nil
}

// Loop returns the loop that the connection is registered with.
func (c *Conn) Loop() *Loop { return c.loop.Load() }

// Move registers the connection with l instead of its present loop. Events that
// are on their way to the old loop are dropped, and none is lost: a new
// registration reports what is ready at once.
func (c *Conn) Move(l *Loop) error {
	old := c.loop.Load()
	if old == l {
		return nil
	}
	c.medium.forget(old)
	l.group.table.renew(c)
	c.drained.Store(0) // a batch of the old loop
	c.loop.Store(l)
	if err := c.medium.register(l, c); err != nil || !c.waiting {
		return err
	}
	return c.medium.wantRoom(l, c, true)
}

// Attach has events wake t instead of calling the handler; nil detaches.
func (c *Conn) Attach(t *Task) { c.task.Store(t) }

// Wake has the attached task, if it is parked, look again at what it waits for.
// Only the loop's goroutine may call it, outside any task.
func (c *Conn) Wake() {
	if t := c.task.Load(); t != nil {
		t.Wake()
	}
}

// notify takes in an event that loop l saw.
func (c *Conn) notify(l *Loop, ready uint32) {
	if ready == readable && c.drained.Load() == l.batch {
		return // what it tells of was read since the poller gave this batch
	}
	c.tell(l, ready)
}

// tell has whoever serves the connection on loop l look at what is possible now.
func (c *Conn) tell(l *Loop, ready uint32) {
	c.state.Or(ready)
	// The task first, then the loop: another loop that takes this connection
	// stores its loop before its task, so a task seen here together with l
	// belongs to l.
	t := c.task.Load()
	if c.loop.Load() != l {
		return
	}
	if t != nil {
		t.Wake()
		return
	}
	defer l.recovered("handler")
	c.handler.Ready(c)
}

// Readable reports whether a read may give bytes or the end of the stream.
func (c *Conn) Readable() bool { return c.state.Load()&(readable|gone) != 0 }

// Gone reports whether the peer is known to have closed its side.
func (c *Conn) Gone() bool { return c.state.Load()&gone != 0 }

// Quiet reports whether the connection is open and nothing has arrived on it.
func (c *Conn) Quiet() bool { return c.state.Load()&(readable|gone|closed) == 0 }

// Read reads what the socket has. It returns ErrAgain where it has nothing and
// io.EOF at the end of the stream; it never blocks.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // recv would say that nothing is there
	}
	s := c.state.Load()
	if s&(readable|gone) == 0 {
		return 0, ErrAgain
	}
	n, errno := c.medium.recv(p)
	switch {
	case errno == syscall.EAGAIN:
		c.drain()
		return 0, ErrAgain
	case errno == syscall.EINTR:
		return c.Read(p)
	case errno != 0:
		c.state.Or(gone)
		return 0, errno
	case n == 0:
		c.state.Or(gone)
		return 0, io.EOF
	case n < len(p) && s&gone == 0:
		// A stream socket that gave less than asked is empty: the next bytes
		// raise a new event. Once the peer has closed, read on to the end.
		c.drain()
		if c.state.Load()&gone != 0 {
			c.state.Or(readable)
		}
	}
	return n, nil
}

// drain notes that the socket is empty.
func (c *Conn) drain() {
	c.state.And(^readable)
	c.drained.Store(c.loop.Load().batch)
}

// Write writes as much of p as the socket takes. Where that is not all of p,
// the error is ErrAgain and an event comes once there is room.
func (c *Conn) Write(p []byte) (int, error) {
	if c.state.Load()&writable == 0 {
		return 0, ErrAgain
	}
	done := 0
	for done < len(p) {
		n, errno := c.medium.send(p[done:])
		switch errno {
		case 0:
			done += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return done, c.awaitRoom()
		default:
			c.state.Or(gone)
			return done, errno
		}
	}
	c.forgetRoom()
	return done, nil
}

// awaitRoom asks the poller for an event once the socket is writable. Nobody
// asks for that all the time: a Unix socket would raise an event with each
// message its peer reads.
func (c *Conn) awaitRoom() error {
	c.state.And(^writable)
	if !c.waiting {
		c.waiting = true
		if err := c.medium.wantRoom(c.loop.Load(), c, true); err != nil {
			return err
		}
	}
	return ErrAgain
}

func (c *Conn) forgetRoom() {
	if c.waiting {
		c.waiting = false
		// A failure leaves the poller asking for more events than are needed.
		_ = c.medium.wantRoom(c.loop.Load(), c, false)
	}
}

// Close closes the medium and ends its events. Any goroutine may call it, once
// the connection's owner no longer reads or writes; only the first call closes.
func (c *Conn) Close() error {
	if c.state.Or(closed|gone)&closed != 0 {
		return nil
	}
	l := c.loop.Load()
	c.medium.forget(l)
	l.group.table.remove(c)
	return c.medium.Close()
}

// CloseWrite ends the stream towards the peer and keeps reading possible.
func (c *Conn) CloseWrite() error {
	return c.medium.shutdown(syscall.SHUT_WR)
}

// IsAgain reports whether err only says "not now".
func IsAgain(err error) bool { return errors.Is(err, ErrAgain) }

// Break ends the connection in both directions without closing its medium:
// its owner's next read finds the end of the stream.
func (c *Conn) Break() {
	_ = c.medium.shutdown(syscall.SHUT_RDWR) // fails where it is broken already
	c.state.Or(gone | readable)
}
