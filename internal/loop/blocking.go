// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// blocking is an end of a pipe as a net.Conn: its calls wait.
type blocking struct {
	end  *end
	lost runtime.Cleanup // closes the end of one that nobody has closed

	writing sync.Mutex // held for a whole Write, so that others do not come between; before the pipe's mu

	// All of these are guarded by the pipe's mu.
	closed bool // by Close, or because a loop has the end
	read   deadline
	write  deadline
}

// Read is part of net.Conn.
func (b *blocking) Read(p []byte) (int, error) {
	e := b.end
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	for {
		switch {
		case b.closed:
			return 0, failed("read", net.ErrClosed)
		case b.read.passed:
			return 0, failed("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		}
		if n := e.takeLocked(p); n > 0 {
			return n, nil
		}
		if e.eof {
			return 0, io.EOF
		}
		e.readers.Wait()
	}
}

// Write is part of net.Conn.
func (b *blocking) Write(p []byte) (done int, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	e := b.end
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	for {
		switch {
		case b.closed:
			return done, failed("write", net.ErrClosed)
		case b.write.passed:
			return done, failed("write", os.ErrDeadlineExceeded)
		case e.shut:
			return done, failed("write", syscall.EPIPE)
		}
		done += e.giveLocked(p[done:])
		if done == len(p) {
			return done, nil
		}
		e.writers.Wait()
	}
}

// failed says which call failed on a pipe.
func failed(op string, err error) error { return &net.OpError{Op: op, Net: "pipe", Err: err} }

// Arrived reports whether a Read would not wait: there are bytes, or the stream
// has ended.
func (b *blocking) Arrived() bool {
	b.end.pipe.mu.Lock()
	defer b.end.pipe.mu.Unlock()
	return b.closed || b.end.eof || b.end.waitingLocked() > 0
}

// Close is part of net.Conn.
func (b *blocking) Close() error {
	b.end.pipe.mu.Lock()
	if b.closed {
		b.end.pipe.mu.Unlock()
		return failed("close", net.ErrClosed)
	}
	b.closeLocked()
	b.end.pipe.mu.Unlock()
	return b.end.Close()
}

// closeLocked ends what b does, though not the pipe.
func (b *blocking) closeLocked() {
	b.closed = true
	b.lost.Stop()
	b.read.stop()
	b.write.stop()
	b.end.readers.Broadcast()
	b.end.writers.Broadcast()
}

// take gives the end to a loop.
func (b *blocking) take() (Medium, error) {
	b.end.pipe.mu.Lock()
	defer b.end.pipe.mu.Unlock()
	if b.closed {
		return nil, failed("take", net.ErrClosed)
	}
	b.closeLocked()
	return b.end, nil
}

// CloseWrite says that nothing more follows, and keeps reading possible.
func (b *blocking) CloseWrite() error {
	b.end.pipe.mu.Lock()
	defer b.end.pipe.mu.Unlock()
	if b.closed {
		return failed("close", net.ErrClosed)
	}
	b.end.shutLocked()
	return nil
}

// LocalAddr returns an address of the Unix family without a name, as the two ends
// of a socket pair have.
func (b *blocking) LocalAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// RemoteAddr returns the same as LocalAddr.
func (b *blocking) RemoteAddr() net.Addr { return b.LocalAddr() }

// SetDeadline is part of net.Conn.
func (b *blocking) SetDeadline(t time.Time) error {
	if err := b.SetReadDeadline(t); err != nil {
		return err
	}
	return b.SetWriteDeadline(t)
}

// SetReadDeadline is part of net.Conn.
func (b *blocking) SetReadDeadline(t time.Time) error {
	return b.setDeadline(&b.read, &b.end.readers, t)
}

// SetWriteDeadline is part of net.Conn.
func (b *blocking) SetWriteDeadline(t time.Time) error {
	return b.setDeadline(&b.write, &b.end.writers, t)
}

func (b *blocking) setDeadline(d *deadline, waiting *sync.Cond, t time.Time) error {
	b.end.pipe.mu.Lock()
	defer b.end.pipe.mu.Unlock()
	if b.closed {
		return failed("set", net.ErrClosed)
	}
	d.set(waiting, t)
	return nil
}

// deadline is when one direction's calls end. The zero value is never.
type deadline struct {
	passed bool
	timer  *time.Timer
}

// set changes the deadline, of calls that wait already too. Its caller has
// locked what waiting locks.
func (d *deadline) set(waiting *sync.Cond, t time.Time) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	if left := time.Until(t); left > 0 {
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			waiting.L.Lock()
			defer waiting.L.Unlock()
			if d.timer == timer { // and no later one
				d.passed = true
				waiting.Broadcast()
			}
		})
		d.timer = timer
		return
	}
	d.passed = true
	waiting.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
