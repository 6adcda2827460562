// SPDX-License-Identifier: Apache-2.0

package faultproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one connection through the proxy.
type conn struct {
	proxy    *Proxy
	number   int
	client   *net.TCPConn
	upstream *net.TCPConn // set under Proxy.mu, before carry runs; nil before
	hung     atomic.Bool
	ended    chan struct{} // closed when the connection is
	once     sync.Once     // closes ended
}

// carry passes on what one side says until that side, or the connection, ends.
func (c *conn) carry(from Side) {
	source, sink := c.client, c.upstream
	if from == Upstream {
		source, sink = sink, source
	}
	in := bufio.NewReader(late{source, &c.proxy.delay})
	for typed := from == Upstream; ; typed = true {
		m := Message{Conn: c.number, From: from}
		var end error
		m.Type, m.Bytes, end = read(in, typed)
		if c.hung.Load() {
			<-c.ended
			return
		}
		fate := Live
		if end == nil {
			fate = c.proxy.decide(&m)
		}
		_, err := sink.Write(m.Bytes)
		if err = errors.Join(end, err); err != nil {
			c.pass(err, sink)
			return
		}
		if c.meet(fate, sink) {
			return
		}
	}
}

// pass hands on to the one side how the other has ended.
func (c *conn) pass(err error, sink *net.TCPConn) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		_ = sink.CloseWrite()
		return
	}
	c.reset()
}

// meet gives the connection its fate, and reports whether this direction has
// ended.
func (c *conn) meet(f Fate, sink *net.TCPConn) (over bool) {
	switch f {
	case Live:
		return false
	case Reset:
		c.reset()
	case Close:
		c.close()
	case Shut:
		_ = sink.CloseWrite()
	case Hang:
		c.hung.Store(true)
		<-c.ended
	}
	return true
}

// over reports whether the connection has ended.
func (c *conn) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// reset ends both sides with RST.
func (c *conn) reset() { c.end(0) }

// close ends both sides with FIN, after what was written.
func (c *conn) close() { c.end(-1) }

// end closes both sides with a value for SO_LINGER.
func (c *conn) end(linger int) {
	c.once.Do(func() {
		c.proxy.mu.Lock()
		close(c.ended)
		sides := c.sides()
		c.proxy.mu.Unlock()
		for _, side := range sides {
			_ = side.SetLinger(linger)
			_ = side.Close()
		}
	})
}

// sides are the sockets that there are. The caller holds Proxy.mu.
func (c *conn) sides() []*net.TCPConn {
	if c.upstream == nil {
		return []*net.TCPConn{c.client}
	}
	return []*net.TCPConn{c.client, c.upstream}
}

// lose drops packets of both sides. The caller holds Proxy.mu.
func (c *conn) lose(share float64) error {
	var errs []error
	for _, side := range c.sides() {
		if err := lose(side, share); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// late reads from a connection, and holds what came for the delay.
type late struct {
	net.Conn
	delay *atomic.Int64
}

func (l late) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if d := l.delay.Load(); d > 0 {
		time.Sleep(time.Duration(d))
	}
	return n, err
}
