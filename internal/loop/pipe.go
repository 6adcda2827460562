// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"net"
	"runtime"
	"sync"
	"syscall"
)

// pipeRoom is how much one direction of a pipe holds that was not read yet.
const pipeRoom = 16 << 10 // 16 KiB

// pipeBuffers are the buffers of pipes. A direction has one only while it holds
// something.
var pipeBuffers = sync.Pool{New: func() any { return new([pipeRoom]byte) }}

// Pipe returns the two ends of a connection within the process: a stream in both
// directions like a socket pair, but without descriptors, and without a system
// call where a loop has one of the ends. Each end is an ordinary connection, whose
// calls block, until Take; one that nobody refers to any more closes itself, as
// a socket of package net does.
func Pipe() (one, other net.Conn) {
	p := new(pipe)
	a, b := &end{pipe: p}, &end{pipe: p}
	a.peer, b.peer = b, a
	a.readers.L, a.writers.L = &p.mu, &p.mu
	b.readers.L, b.writers.L = &p.mu, &p.mu
	return newBlocking(a), newBlocking(b)
}

func newBlocking(e *end) *blocking {
	b := &blocking{end: e}
	b.lost = runtime.AddCleanup(b, func(e *end) { _ = e.Close() }, e)
	return b
}

// pipe is what the two ends have in common.
type pipe struct {
	mu sync.Mutex
}

// end is one end of a pipe. It is a Medium.
type end struct {
	pipe *pipe
	peer *end

	// All of these are guarded by pipe.mu.
	in      *[pipeRoom]byte // what has arrived; nil where there is nothing
	from    int             // in[from:to] was not read yet
	to      int
	eof     bool      // nothing more arrives
	shut    bool      // nothing more is sent
	notices *notices  // of the connection that this end is registered for
	room    bool      // that connection wants to hear of room to write
	readers sync.Cond // what blocks in Read
	writers sync.Cond // what blocks in Write
}

// notices tell a connection, on its loop, what its end of a pipe can do now. They
// are a Job, posted where there is something to tell.
type notices struct {
	end  *end
	loop *Loop
	conn *Conn

	ready uint32 // guarded by the pipe's mu: what was not told yet; posted where it is not 0
}

// Run tells.
func (n *notices) Run() {
	p := n.end.pipe
	p.mu.Lock()
	ready := n.ready
	n.ready = 0
	if n.end.waitingLocked() == 0 && !n.end.eof {
		ready &^= readable // it was read since
	}
	current := n.end.notices == n
	p.mu.Unlock()
	if current && ready != 0 {
		n.conn.tell(n.loop, ready)
	}
}

// tellLocked has e's connection, if it has one, hear of ready.
func (e *end) tellLocked(ready uint32) {
	n := e.notices
	if n == nil {
		return
	}
	posted := n.ready != 0
	n.ready |= ready
	if !posted {
		n.loop.Post(n)
	}
}

// waitingLocked is how much has arrived and was not read.
func (e *end) waitingLocked() int { return e.to - e.from }

// takeLocked moves what has arrived to p.
func (e *end) takeLocked(p []byte) int {
	if e.in == nil {
		return 0
	}
	n := copy(p, e.in[e.from:e.to])
	e.from += n
	if e.from == e.to {
		e.freeLocked()
	}
	// Half of the room at a time: a notice costs more than the bytes do.
	if n > 0 && e.waitingLocked() <= pipeRoom/2 {
		e.peer.roomLocked()
	}
	return n
}

// roomLocked has whoever waits to write on e go on.
func (e *end) roomLocked() {
	e.writers.Broadcast()
	if e.room {
		e.tellLocked(writable)
	}
}

// freeLocked gives back the buffer, with what is in it.
func (e *end) freeLocked() {
	if e.in != nil {
		pipeBuffers.Put(e.in)
	}
	e.in, e.from, e.to = nil, 0, 0
}

// giveLocked moves as much of p as there is room for to the peer.
func (e *end) giveLocked(p []byte) int {
	to := e.peer
	if len(p) == 0 || to.waitingLocked() == pipeRoom {
		return 0
	}
	if to.in == nil {
		to.in = pipeBuffers.Get().(*[pipeRoom]byte)
	}
	if to.to+len(p) > pipeRoom && to.from > 0 {
		to.to = copy(to.in[:], to.in[to.from:to.to])
		to.from = 0
	}
	n := copy(to.in[to.to:], p)
	to.to += n
	to.readers.Broadcast()
	to.tellLocked(readable)
	return n
}

// endLocked has nothing more arrive at e.
func (e *end) endLocked() {
	e.eof = true
	e.readers.Broadcast()
	e.tellLocked(readable | writable | gone)
}

// shutLocked has nothing more leave e.
func (e *end) shutLocked() {
	e.shut = true
	e.writers.Broadcast()
	e.peer.endLocked()
}

func (e *end) recv(p []byte) (int, syscall.Errno) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	if n := e.takeLocked(p); n > 0 || e.eof {
		return n, 0
	}
	return 0, syscall.EAGAIN
}

func (e *end) send(p []byte) (int, syscall.Errno) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	if e.shut {
		return 0, syscall.EPIPE
	}
	if n := e.giveLocked(p); n > 0 {
		return n, 0
	}
	return 0, syscall.EAGAIN
}

func (e *end) register(l *Loop, c *Conn) error {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.notices = &notices{end: e, loop: l, conn: c}
	switch {
	case e.eof:
		e.tellLocked(readable | writable | gone)
	case e.waitingLocked() > 0:
		e.tellLocked(readable)
	}
	return nil
}

func (e *end) forget(*Loop) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.notices, e.room = nil, false
}

func (e *end) wantRoom(_ *Loop, _ *Conn, on bool) error {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.room = on
	if on && e.peer.waitingLocked() <= pipeRoom/2 {
		e.tellLocked(writable) // it was read since it was found full
	}
	return nil
}

func (e *end) shutdown(how int) error {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.shutLocked()
	if how == syscall.SHUT_RDWR {
		e.peer.shut = true
		e.peer.writers.Broadcast()
		e.endLocked()
	}
	return nil
}

// Close is part of Medium. What has not been read is lost; what was sent is not.
func (e *end) Close() error {
	err := e.shutdown(syscall.SHUT_RDWR)
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.freeLocked()
	return err
}
