// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"net"
)

// turn is a client's connection during its login. It takes part in the bound
// on logins: it gives its place up whenever it waits for its client, and takes
// one again before it hands on what came.
//
// Under TLS the *tls.Conn reads and writes through a turn for the rest of its
// life; after the login a turn adds nothing.
//
// A turn belongs to the login's goroutine.
type turn struct {
	net.Conn // the connection given to Accept

	// Fixed during the login; nil after it.
	ctx     context.Context
	acquire func(context.Context) (release func(), err error)

	stream  net.Conn  // what messages go through: the turn itself, or a *tls.Conn over it
	secure  *identity // what this connection's handshake served; nil without TLS
	unread  []byte    // taken from Conn, but not by the reader it is for
	leave   func()    // gives the place back; nil while none is held
	refused error     // why no place was given
	legacy  bool      // the client expects the errors of protocol 2
	deaf    bool      // the client cannot read a message: it is in a handshake
	done    bool      // the login is over
}

func newTurn(ctx context.Context, conn net.Conn, acquire func(context.Context) (func(), error)) *turn {
	c := &turn{Conn: conn, ctx: ctx, acquire: acquire}
	c.stream = c
	return c
}

// Read reads from the client, without a place while it waits.
func (c *turn) Read(p []byte) (int, error) {
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	if c.done {
		return c.Conn.Read(p)
	}
	c.release()
	n, err := c.Conn.Read(p)
	if err != nil {
		return n, err
	}
	if err := c.take(); err != nil {
		return 0, err // not n: io.ReadFull drops an error that comes with enough bytes
	}
	return n, nil
}

// take waits for a place among the logins that compute.
func (c *turn) take() error {
	if c.acquire != nil {
		c.leave, c.refused = c.acquire(c.ctx)
	}
	return c.refused
}

// release gives the place back, if one is held.
func (c *turn) release() {
	if c.leave != nil {
		c.leave()
		c.leave = nil
	}
}

// finish ends the login: what is read from now on is nobody's turn.
func (c *turn) finish() {
	c.release()
	c.done, c.ctx, c.acquire = true, nil, nil
}

// outcome is the connection to go on with after the login.
func (c *turn) outcome() net.Conn {
	if c.secure == nil {
		return c.Conn
	}
	return c.stream
}

// local reports whether the client is on this machine's other end of a Unix
// socket, where PostgreSQL neither offers nor asks for TLS.
func (c *turn) local() bool { return c.LocalAddr().Network() == "unix" }

// send writes to the client.
func (c *turn) send(b []byte) error {
	_, err := c.stream.Write(b)
	return err
}
