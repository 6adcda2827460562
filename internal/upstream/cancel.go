// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// The codes that stand in the place of a protocol version in a first packet
// (PostgreSQL: src/include/libpq/pqcomm.h).
const (
	cancelRequestCode = 1234<<16 | 5678
	sslRequestCode    = 1234<<16 | 5679
)

// canceller is the way back to the server that a connection logged in to: the
// resolved address, so that neither DNS nor another host of the URL comes in
// between, and the same transport security.
//
// pgconn's CancelRequest is not used because it takes the URL's first host for
// a Unix socket, says nothing when the server never confirmed, and would keep
// pgconn's buffers alive for as long as the connection lives.
type canceller struct {
	dialer  dialer
	network string
	address string
	tls     *tls.Config // nil: plain text
	direct  bool        // TLS without an SSLRequest before it
}

// Cancel asks the server to cancel what the connection runs, and returns when
// the server has closed the connection that asked. PostgreSQL signals the
// backend before it closes, and a backend drops a signal that finds it idle
// (src/backend/tcop/postgres.c, PostgresMain), so a query sent after Cancel
// returned nil cannot be hit by it. An error means that this is not known.
// Without a Key it does nothing.
func (l *Login) Cancel(ctx context.Context) error {
	if len(l.Key) == 0 {
		return nil
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(12+len(l.Key)))
	packet = binary.BigEndian.AppendUint32(packet, cancelRequestCode)
	packet = binary.BigEndian.AppendUint32(packet, l.PID)
	packet = append(packet, l.Key...)
	if err := l.cancel.send(ctx, packet); err != nil {
		return fmt.Errorf("cancel the query of backend %d at %s: %w", l.PID, l.Address, err)
	}
	return nil
}

func (c *canceller) send(ctx context.Context, packet []byte) error {
	conn, err := c.dialer.dial(ctx, c.network, c.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A deadline in the past ends the read or write that is under way.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	stream, err := c.secure(conn)
	if err == nil {
		_, err = stream.Write(packet)
	}
	if err == nil {
		err = awaitEnd(stream)
	}
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

// secure puts TLS over conn if the session has it.
func (c *canceller) secure(conn net.Conn) (net.Conn, error) {
	if c.tls == nil {
		return conn, nil
	}
	if !c.direct {
		request := binary.BigEndian.AppendUint32(nil, 8)
		request = binary.BigEndian.AppendUint32(request, sslRequestCode)
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		var answer [1]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil {
			return nil, err
		}
		if answer[0] != 'S' {
			return nil, errors.New("the server refused TLS, which the session uses")
		}
	}
	return tls.Client(conn, c.tls), nil
}

// awaitEnd reads until the server closes. PostgreSQL never answers a
// CancelRequest; a byte would come from something else.
func awaitEnd(conn net.Conn) error {
	var answer [1]byte
	n, err := conn.Read(answer[:])
	switch {
	case n > 0:
		return errors.New("the server answered a cancel request, which PostgreSQL never does")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return nil
	}
	return err
}
