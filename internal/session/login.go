// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// nextLoop spreads clients over the loops in turn.
var nextLoop atomic.Uint32

// Welcome makes a session of a client that has proved who it is: it greets the
// client and hands its connection to a loop, after which this goroutine has
// nothing more to do with it. raw is the transport of login.Conn. Where the
// client is refused the error says why (ErrFull that there is no room), and the
// caller tells it and closes the connection.
//
// The wait for PostgreSQL, which the first client of a pool may have, counts
// against the pool's acquire timeout, not against the client's login. Where
// PostgreSQL has no room for the pool's first connection, it ends after newcomerPatience.
func (e *Env) Welcome(ctx context.Context, p *Pool, login *auth.Login, raw loop.Swapper) error {
	settings, err := startSettings(login)
	if err != nil {
		return err
	}
	greeting, settings, era, err := p.welcome(ctx, p.beyondStart(settings))
	if err != nil {
		if e := sqlstate.From(err); e.Routine == sqlstate.QueueTimeout || e.Routine == sqlstate.UpstreamDown {
			p.noteRefusal(e)
		}
		return err
	}
	s := &Session{env: e, pool: p, start: settings, era: era, accepted: true}
	s.application, _ = settings.get("application_name")
	s.changeSettings(settings)
	if err := e.register(login.Protocol, func(k key) { s.key, e.sessions[k.pid] = k, s }); err != nil {
		return err
	}
	greeting = p.appendNotices(slices.Clip(greeting), settings)
	greeting = wire.AppendKey(greeting, s.key.pid, s.key.secret)
	greeting = wire.AppendReady(greeting, wire.Idle)
	if _, err := login.Conn.Write(greeting); err != nil {
		e.forget(s)
		return err
	}
	p.Hold() // until the session ends, which it may at once
	l := e.loops.Loop(int(nextLoop.Add(1)) % e.loops.Len())
	if err := s.client.Adopt(raw, login.Conn, l, s); err != nil {
		p.Drop()
		e.forget(s)
		return err
	}
	// A look at once: TLS may hold bytes already, and weir may be stopping. What was
	// posted to all clients before this one had a loop has passed it over.
	l.Post(loop.Func(func() {
		switch {
		case e.aborting.Load():
			s.abort()
		case s.State() == Idle && (s.client.TLS() != nil || s.unwelcome() != nil):
			l.Go(s)
		case s.State() == Idle && s.rests:
			s.timeIdle()
		}
	}))
	return nil
}

// Reject tells a client that has logged in why it cannot stay.
func Reject(login *auth.Login, err error) {
	e := *sqlstate.From(err)
	e.Severity = sqlstate.SeverityFatal
	_, _ = login.Conn.Write(wire.AppendError(nil, &e)) // best effort: the connection closes
}
