// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"crypto/tls"
	"net"
	"time"
)

// Stream is a connection's bytes in the clear: the socket's own, or those of a
// TLS session over it. Like Conn it never blocks.
//
// A tls.Conn holds locks while it reads and writes, and a read may have to
// write (a KeyUpdate must be answered). So its writes never fail for want of
// room: what the socket does not take is kept here, at most what one call of
// Write has made, and goes out before anything else.
type Stream struct {
	Conn

	tls  *tls.Conn
	kept []byte // ciphertext that the socket has not taken yet
}

// Plain reports whether the stream is the socket's own bytes.
func (s *Stream) Plain() bool { return s.tls == nil }

// Swapper is a transport that can be exchanged under a *tls.Conn that already
// uses it.
type Swapper interface {
	Take() (Medium, error)
	Set(inner net.Conn)
}

// Adopt takes a connection that was set up by ordinary blocking code over to l.
// raw is its transport; session is raw itself or a *tls.Conn over it. h hears
// of events while no task is attached; they may come before Adopt returns. On
// an error the connection is closed.
//
// A TLS session may hold bytes that no event announces: read it once.
func (s *Stream) Adopt(raw Swapper, session net.Conn, l *Loop, h Handler) error {
	m, err := raw.Take()
	if err != nil {
		_ = session.Close()
		return err
	}
	if secure, ok := session.(*tls.Conn); ok {
		s.tls = secure
		raw.Set(transport{s})
	}
	if err := s.Init(l, m, h); err != nil {
		_ = m.Close()
		return err
	}
	return nil
}

// TLS returns the TLS session, nil where there is none.
func (s *Stream) TLS() *tls.Conn { return s.tls }

// MaxRecord is the most plaintext that is put into one TLS record: as much as
// PostgreSQL's own have (PQ_SEND_BUFFER_SIZE). libpq makes room for so much and
// reads once (pqReadData in fe-misc.c). What is left of a larger record stays
// inside OpenSSL, where a client that waits for its socket waits for ever:
// pg_basebackup did.
const MaxRecord = 8 << 10 // 8 KiB

// Read reads what is there; ErrAgain where nothing is, io.EOF at the end. Only
// ErrAgain says that a TLS stream is empty: a session may hold plaintext that
// no event announces.
func (s *Stream) Read(p []byte) (int, error) {
	if s.tls == nil {
		return s.Conn.Read(p)
	}
	return s.tls.Read(p)
}

// Write writes as much of p as is taken; where that is not all, the error is
// ErrAgain and an event comes once there is room.
func (s *Stream) Write(p []byte) (int, error) {
	if s.tls == nil {
		return s.Conn.Write(p)
	}
	done := 0
	for done < len(p) {
		if err := s.Flush(); err != nil {
			return done, err
		}
		n, err := s.tls.Write(p[done:min(len(p), done+MaxRecord)])
		done += n
		if err != nil {
			return done, err
		}
	}
	if err := s.Flush(); err != nil && !IsAgain(err) {
		return done, err
	}
	return done, nil
}

// Flush sends what a TLS session has written and the socket has not taken yet;
// ErrAgain where some of it is still kept.
func (s *Stream) Flush() error {
	if len(s.kept) == 0 {
		return nil
	}
	n, err := s.Conn.Write(s.kept)
	s.kept = s.kept[n:]
	if len(s.kept) == 0 {
		s.kept = nil
	}
	return err
}

// Drained reports whether everything written has been handed to the kernel.
func (s *Stream) Drained() bool { return len(s.kept) == 0 }

// CloseWrite ends the stream towards the peer: with TLS by its close_notify, as
// far as the socket takes it.
func (s *Stream) CloseWrite() error {
	if s.tls != nil {
		_ = s.tls.CloseWrite() // the shutdown below says the same
	}
	return s.Conn.CloseWrite()
}

// transport is the socket below a TLS session. Its deadlines do nothing: time
// is kept by whoever waits for the stream.
type transport struct{ s *Stream }

func (t transport) Read(p []byte) (int, error) { return t.s.Conn.Read(p) }

func (t transport) Write(p []byte) (int, error) {
	done := 0
	if len(t.s.kept) == 0 {
		n, err := t.s.Conn.Write(p)
		if err != nil && !IsAgain(err) {
			return n, err
		}
		done = n
	}
	t.s.kept = append(t.s.kept, p[done:]...)
	return len(p), nil
}

func (t transport) Close() error                     { return t.s.Conn.Close() }
func (t transport) LocalAddr() net.Addr              { return nil }
func (t transport) RemoteAddr() net.Addr             { return nil }
func (t transport) SetDeadline(time.Time) error      { return nil }
func (t transport) SetReadDeadline(time.Time) error  { return nil }
func (t transport) SetWriteDeadline(time.Time) error { return nil }
