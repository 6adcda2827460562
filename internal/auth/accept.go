// SPDX-License-Identifier: Apache-2.0

// Package auth is who a client is: it reads the start of a client's connection,
// brings up TLS if it is wanted, agrees on a version of the protocol and has the
// client prove its name with SCRAM. It is ordinary blocking code on an ordinary
// net.Conn, meant to run on a goroutine of its own; what it hands back has no
// byte of the connection left in a buffer of its own.
package auth

import (
	"context"
	"net"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// Acceptor logs clients in. Its fields are set before the first Accept and not
// changed after; Accept may be called from many goroutines.
type Acceptor struct {
	// Users knows who may log in. Required.
	Users Users

	// TLS is what is offered to clients. Nil means that TLS is refused.
	TLS *TLS

	// Acquire, if set, takes a place among the logins that compute, and gives
	// it back by release. A login holds a place only from the arrival of its
	// client's bytes until it waits for more, so clients that say nothing keep
	// nobody out. Its error refuses the client; an *sqlstate.Error is sent.
	Acquire func(ctx context.Context) (release func(), err error)
}

// Login is a client's connection and what its owner said about itself.
type Login struct {
	// Conn is the connection to go on with: the one given to Accept, or a
	// *tls.Conn over it. It has no deadline.
	Conn net.Conn

	// Cancel, if not nil, says that this connection only asks for a cancel.
	// No field but Conn is set then, and nothing was sent or is expected.
	Cancel *wire.CancelRequest

	Protocol uint32 // what was agreed on: wire.Protocol30 or wire.Protocol32
	User     string // at most 63 bytes, as PostgreSQL cuts it
	Database string // at most 63 bytes; the user's name if the client gave none

	// Params are the other start-up settings, in order, repetitions included:
	// `options` unparsed, `replication` unchecked, none that begins with `_pq_.`.
	Params []wire.Param
}

// Accept reads the start of a client's connection and logs the client in.
//
// On success AuthenticationOk is the last message sent, and the caller goes on
// with the settings and the key. On an error the client has been sent an
// ErrorResponse where it can read one, and the caller closes conn. The error is
// an *sqlstate.Error for a client that was refused, and otherwise what ended the
// connection: io.EOF for a client that left between two messages, as port
// scanners do and psql does to ask for a password.
//
// The end of ctx ends the login, after a second at most that a refused client is
// given to read why. Its cause, if an *sqlstate.Error, is what the client is
// told; otherwise the client is told that it took too long.
func (a *Acceptor) Accept(ctx context.Context, conn net.Conn) (*Login, error) {
	c := newTurn(ctx, conn, a.Acquire)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0)) // in the past: ends a read or write that waits
		close(interrupted)
	})
	login, err := a.login(c)
	if !stop() {
		<-interrupted // else the deadline might be set after what follows
		if err == nil {
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		return nil, c.fail(err)
	}
	c.finish()
	return login, nil
}

// login is the life of a login, in the order things happen.
func (a *Acceptor) login(c *turn) (*Login, error) {
	body, err := a.negotiate(c)
	if err != nil {
		return nil, err
	}
	if wire.StartupCode(body) == wire.CancelCode {
		return cancelLogin(c, body)
	}
	login, hello, err := readLogin(c, body)
	if err != nil {
		return nil, err
	}
	if err := a.TLS.admit(c); err != nil {
		return nil, err
	}
	if err := a.authenticate(c, login, hello); err != nil {
		return nil, err
	}
	return login, nil
}

// cancelLogin is the login of a connection that only asks for a cancel. It is
// never refused for want of TLS: its key is its only proof either way.
func cancelLogin(c *turn, body []byte) (*Login, error) {
	cancel, err := wire.ParseCancel(body)
	if err != nil {
		return nil, violation(err)
	}
	return &Login{Conn: c.outcome(), Cancel: cancel}, nil
}

// readLogin reads what the client says about itself. hello is what must reach
// the client before the first Authentication message: NegotiateProtocolVersion
// or nothing.
func readLogin(c *turn, body []byte) (login *Login, hello []byte, err error) {
	code := wire.StartupCode(body)
	if code>>16 != wire.Protocol30>>16 {
		return nil, nil, c.unsupported(code)
	}
	s, err := wire.ParseStartup(body)
	if err != nil {
		return nil, nil, violation(err)
	}
	if s.User == "" {
		return nil, nil, fatal(sqlstate.InvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	login = &Login{Conn: c.outcome(), User: clip(s.User), Database: clip(s.Database), Params: s.Params}
	if login.Database == "" {
		login.Database = login.User
	}
	login.Protocol, hello = agree(s.Version, s.Extensions)
	return login, hello, nil
}

// maxName is the longest name in bytes, PostgreSQL's NAMEDATALEN less its end.
const maxName = 63

// clip shortens a name as PostgreSQL's ProcessStartupPacket does, so that a name
// that is too long finds the same role and database as it does there.
func clip(name string) string {
	if len(name) > maxName {
		return name[:maxName]
	}
	return name
}

// agree chooses the version to go on with for one with the major number 3. A
// client that asked for one that is not spoken, or for extensions, is told by
// NegotiateProtocolVersion, and no other client is, because older libpq breaks
// off at that message. Nobody speaks 3.1, so it becomes 3.0.
func agree(asked uint32, extensions []string) (version uint32, hello []byte) {
	version = wire.Protocol30
	if asked >= wire.Protocol32 {
		version = wire.Protocol32
	}
	if version == asked && len(extensions) == 0 {
		return version, nil
	}
	return version, wire.AppendNegotiate(nil, version, extensions)
}
