// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"net"
	"syscall"
)

// Medium is what carries a connection's bytes: a Socket, or an end of a Pipe. It
// never blocks, and errors are the kernel's: EAGAIN where nothing is there, or
// nothing is taken, now.
//
// A medium tells the connection it is registered for that there is something to
// read, once for each change, and at first where there is already. Of room to write
// it tells who has asked for that.
type Medium interface {
	// recv gives no bytes and no error at the end of the stream.
	recv(p []byte) (int, syscall.Errno)
	send(p []byte) (int, syscall.Errno)

	// register has c told on its loop l from now on.
	register(l *Loop, c *Conn) error
	// forget ends that.
	forget(l *Loop)
	// wantRoom has c told as well, or no longer, that it can write again.
	wantRoom(l *Loop, c *Conn, on bool) error

	shutdown(how int) error // SHUT_WR or SHUT_RDWR
	Close() error
}

// Socket is the descriptor of a socket that does not block.
type Socket int

func (s Socket) recv(p []byte) (int, syscall.Errno) { return recv(int(s), p) }

func (s Socket) send(p []byte) (int, syscall.Errno) { return send(int(s), p) }

func (s Socket) register(l *Loop, c *Conn) error { return l.poller.add(int(s), c.id.Load()) }

func (s Socket) forget(l *Loop) { l.poller.remove(int(s)) }

func (s Socket) wantRoom(l *Loop, c *Conn, on bool) error {
	return l.poller.wantWrite(int(s), c.id.Load(), on)
}

func (s Socket) shutdown(how int) error { return syscall.Shutdown(int(s), how) }

// Close closes the descriptor.
func (s Socket) Close() error { return syscall.Close(int(s)) }

// Take takes a connection's medium away from it, so that a loop can have it: the
// end of a Pipe, or else what Detach gives. The caller owns the medium, and conn
// reads and writes no more. After an error conn is untouched and still the
// caller's.
func Take(conn net.Conn) (Medium, error) {
	if e, ok := conn.(*blocking); ok {
		return e.take()
	}
	fd, err := Detach(conn)
	if err != nil {
		return nil, err
	}
	return Socket(fd), nil
}
