// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// relay is a client that replicates, with an upstream of its own for its whole
// life (protocol chapter, section "Streaming Replication Protocol"). There is
// nothing to share and little to decide, so it runs on two ordinary goroutines,
// which copy what comes.
type relay struct {
	// Fixed after construction.
	env    *Env
	key    key
	client net.Conn
	up     *upstream.Login
	ended  func()

	left     atomic.Bool // the client has
	stopping atomic.Bool // weir is
}

// relayBuffer bounds what is on its way in one direction, and with it the
// memory of a relay. WAL comes in messages of up to 128 kB (PostgreSQL:
// MAX_SEND_SIZE), a base backup in ones of 32 kB.
const relayBuffer = 32 << 10 // 32 KiB

// Replicate greets a client that wants to replicate, and has goroutines of its
// own copy bytes between the client and up, which is for it alone, until one of
// the two ends. Then both are closed and ended is called. Where Replicate
// returns an error, ErrFull or that of the greeting, the caller still has to do
// all that.
func (e *Env) Replicate(login *auth.Login, up *upstream.Login, ended func()) error {
	r := &relay{env: e, client: login.Conn, up: up, ended: ended}
	if err := e.register(login.Protocol, func(k key) { r.key, e.relays[k.pid] = k, r }); err != nil {
		return err
	}
	greeting := wire.AppendKey(wire.AppendParameters(nil, up.Params), r.key.pid, r.key.secret)
	greeting = wire.AppendReady(greeting, wire.Idle)
	if _, err := login.Conn.Write(greeting); err != nil {
		e.forgetRelay(r)
		return err
	}
	go r.run()
	return nil
}

// run is the relay's life after its greeting.
func (r *relay) run() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.toClient()
	}()
	r.toUpstream()
	<-done
	_ = r.client.Close() // nobody is left to hear of it
	_ = r.up.Stream.Close()
	r.ended()
	r.env.forgetRelay(r)
}

// toUpstream copies what the client says until it leaves, or has been told that
// the upstream has ended. To an upstream that takes nothing more nothing more is
// said; what it said before is still to be read.
func (r *relay) toUpstream() {
	buf := make([]byte, relayBuffer)
	for deaf := false; ; {
		n, err := r.client.Read(buf)
		if n > 0 && !deaf {
			_, failed := r.up.Stream.Write(buf[:n])
			deaf = failed != nil
		}
		if err != nil {
			r.clientLeft(err)
			return
		}
	}
}

// clientLeft ends toClient after the client has. PostgreSQL may read what came
// last, but has not long for it.
func (r *relay) clientLeft(cause error) {
	r.left.Store(true)
	if !errors.Is(cause, io.EOF) {
		_ = r.up.Stream.Close()
		return
	}
	late := time.Now().Add(lingerTime)
	_ = r.client.SetWriteDeadline(late)
	halfClose(r.up.Stream, late)
}

// toClient copies what PostgreSQL says until it ends the connection, or weir
// stops. What it says to a client that takes nothing more is read all the same
// for a moment: to close at once would throw away what the client said last.
func (r *relay) toClient() {
	var place framing
	buf := make([]byte, relayBuffer)
	for deaf := false; ; {
		n, err := r.up.Stream.Read(buf)
		place.advance(buf[:n])
		if n > 0 && !deaf {
			if failed := r.tell(buf[:n]); failed != nil {
				deaf = true
				_ = r.up.Stream.SetDeadline(time.Now().Add(lingerTime))
			}
		}
		if err != nil {
			r.farewell(&place, err)
			return
		}
	}
}

// tell writes to the client, under TLS in records that libpq can take.
func (r *relay) tell(b []byte) error {
	most := len(b)
	if _, secure := r.client.(*tls.Conn); secure {
		most = loop.MaxRecord
	}
	for part := range slices.Chunk(b, most) {
		if _, err := r.client.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// farewell tells the client why the upstream ended, where PostgreSQL has not,
// and ends toUpstream.
func (r *relay) farewell(place *framing, cause error) {
	late := time.Now().Add(lingerTime)
	_ = r.client.SetWriteDeadline(late)
	if why := r.reason(cause); why != nil && place.between() {
		_, _ = r.client.Write(wire.AppendError(nil, why)) // best effort: the connection closes
	}
	halfClose(r.client, late)
}

// reason is what a client is told at the end of its upstream, nil where that has
// said it.
func (r *relay) reason(cause error) *sqlstate.Error {
	if r.stopping.Load() {
		return shutdown
	}
	if r.left.Load() || errors.Is(cause, io.EOF) {
		return nil
	}
	e := connectionLost(r.up.Address)
	e.Severity, e.Hint = sqlstate.SeverityFatal, "Connect again."
	return e
}

// stop ends the relay because weir does: toClient notices at once.
func (r *relay) stop() {
	r.stopping.Store(true)
	_ = r.up.Stream.SetReadDeadline(time.Unix(1, 0))
}

// sever ends the relay without a word.
func (r *relay) sever() {
	_ = r.client.SetDeadline(time.Unix(1, 0))
	_ = r.up.Stream.SetDeadline(time.Unix(1, 0))
}

// cancel has PostgreSQL cancel what the relay's upstream runs.
func (r *relay) cancel(ctx context.Context) {
	if err := r.up.Cancel(ctx); err != nil {
		r.env.log.Warn("cancel request of a replication connection failed", "pid", r.up.PID, "error", err)
	}
}

// halfClose says that nothing more follows on conn, and ends reading from it.
func halfClose(conn net.Conn, late time.Time) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // fails where the peer has gone, which is the goal
	}
	_ = conn.SetReadDeadline(late)
}

// framing follows a stream of bytes to know where its messages begin. The zero
// value is at the start of one.
type framing struct {
	header [wire.HeaderSize]byte
	have   int  // bytes of header
	left   int  // bytes of the body to come
	lost   bool // the stream is not of messages
}

// advance takes in the stream's next bytes.
func (f *framing) advance(b []byte) {
	for len(b) > 0 && !f.lost {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		n := copy(f.header[f.have:], b)
		f.have, b = f.have+n, b[n:]
		_, size, ok, err := wire.Header(f.header[:f.have])
		f.lost = err != nil
		if ok && !f.lost {
			f.have, f.left = 0, size-wire.HeaderSize
		}
	}
}

// between reports whether the stream is between two messages.
func (f *framing) between() bool { return !f.lost && f.have == 0 && f.left == 0 }
