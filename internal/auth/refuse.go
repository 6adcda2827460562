// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// The end of a refused client's connection: what it has under way is read and
// dropped up to these bounds, because closing a socket with unread bytes resets
// it, and the client would lose the message that says why.
const (
	lingerTime  = time.Second
	lingerBytes = 2 << 20               // 2 MiB
	hurriedTime = 20 * time.Millisecond // for the message to one that makes room
	closingTime = time.Second / 4       // where weir ends the login because it stops
)

// ErrMakeRoom, as the cause with which a login's context ends, sends the client
// away at once: its socket is needed for another.
var ErrMakeRoom = fatal(sqlstate.RejectedConnection,
	"connection closed to make room: more clients are connected that have not logged in than weir has room for")

// fatal is an error that ends a client's connection.
func fatal(code sqlstate.Code, message string) *sqlstate.Error {
	return &sqlstate.Error{Severity: sqlstate.SeverityFatal, Code: code, Message: message}
}

// violation is an error of the client's bytes; err is in words for the client.
func violation(err error) *sqlstate.Error { return fatal(sqlstate.ProtocolViolation, err.Error()) }

// unsupported refuses a protocol version, in PostgreSQL's words. A client of
// protocol 2 or older is answered in the form it knows.
func (c *turn) unsupported(version uint32) error {
	c.legacy = version > 0 && version < wire.Protocol30
	return fatal(sqlstate.FeatureNotSupported, fmt.Sprintf(
		"unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", version>>16, version&0xffff))
}

// fail ends a login: it tells the client why, where the client can read that,
// and returns the reason.
func (c *turn) fail(err error) error {
	c.release()
	err = c.reason(err)
	if e, ok := errors.AsType[*sqlstate.Error](err); ok && !c.deaf {
		c.refuse(e)
	}
	return err
}

// reason is what ended a login whose reading or writing ended with err.
func (c *turn) reason(err error) error {
	if c.refused != nil {
		err = c.refused
	}
	cause := context.Cause(c.ctx)
	if cause == nil || !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, cause) && !errors.Is(err, c.ctx.Err()) {
		return err
	}
	if e, ok := errors.AsType[*sqlstate.Error](cause); ok {
		return e
	}
	late := fatal(sqlstate.RejectedConnection, "the login took too long: client_login_timeout is over")
	late.Err = cause
	return late
}

// refuse sends e as FATAL, says that nothing more will come, and reads what the
// client has under way.
func (c *turn) refuse(e *sqlstate.Error) {
	end := *e
	end.Severity = sqlstate.SeverityFatal
	c.done = true
	wait := lingerTime
	switch {
	case e == ErrMakeRoom:
		wait = hurriedTime
	case errors.Is(c.ctx.Err(), context.Canceled):
		wait = closingTime
	}
	if c.SetDeadline(time.Now().Add(wait)) != nil {
		return
	}
	message := wire.AppendError(nil, &end)
	if c.legacy {
		message = legacyError(&end)
	}
	if c.send(message) != nil {
		return
	}
	type halfCloser interface{ CloseWrite() error }
	if h, ok := c.outcome().(halfCloser); ok {
		_ = h.CloseWrite()
	}
	if e == ErrMakeRoom {
		return
	}
	stop := context.AfterFunc(c.ctx, func() {
		if errors.Is(context.Cause(c.ctx), ErrMakeRoom) {
			_ = c.SetDeadline(time.Unix(1, 0)) // in the past
		}
	})
	defer stop()
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}

// legacyError is an error in the form of protocol 2, which has no length and no
// fields (PostgreSQL's send_message_to_frontend).
func legacyError(e *sqlstate.Error) []byte {
	b := []byte{wire.ErrorResponse}
	return wire.AppendCString(b, fmt.Sprintf("%s:  %s\n", e.Severity, e.Message))
}
