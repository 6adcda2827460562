// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strconv"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// idleSessionTimeout is PostgreSQL's name for it.
const idleSessionTimeout = "idle_session_timeout"

// resting are the settings of context user by which PostgreSQL, or the kernel for
// it, acts on a connection while nothing is asked there. A client has them while
// it has an upstream. An upstream that is let go of must not have them: it would
// be ended by the wish of somebody who has left it, maybe in the moment in which
// the next client asks something.
var resting = [...]string{idleSessionTimeout, "tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout"}

// rests reports whether some of these settings are set.
func (s Settings) rests() bool {
	if s == noSettings {
		return false
	}
	list := s.encoded.Value()
	return strings.Contains(list, idleSessionTimeout) || strings.Contains(list, "tcp_")
}

// unrest takes these settings off the upstream, which is about to be let go of. It
// returns false where the upstream was lost over that.
func (x *exchange) unrest() bool {
	up := x.up
	if up.settings == unknownSettings {
		return x.forgetSettings()
	}
	rest := up.settings
	var sql strings.Builder
	for _, name := range resting {
		var value *string
		if rest, value = rest.without(name); value != nil {
			sql.WriteString("RESET " + name + ";")
		}
	}
	if sql.Len() == 0 {
		return true
	}
	if err := x.command(sql.String()); err != nil {
		x.discardUpstream("it did not take a client's time-outs back: " + err.Error())
		return false
	}
	up.settings = rest
	return true
}

// idleLimit is after how long the client's own idle_session_timeout ends it, 0
// where that is never. Who has its upstream to itself is ended by PostgreSQL.
func (s *Session) idleLimit() time.Duration {
	if !s.rests || len(s.opening) > 0 || s.lost {
		return 0
	}
	value, _ := s.settings.get(idleSessionTimeout)
	ms, err := strconv.ParseInt(value, 10, 32)
	if err != nil || ms <= 0 {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// timeIdle ends the client, which has just become idle, when it has been that for
// too long, as PostgreSQL would (postgres.c: ProcessInterrupts).
func (s *Session) timeIdle() {
	limit := s.idleLimit()
	if limit == 0 {
		return
	}
	turn := s.turn()
	s.idleTimer = s.client.Loop().After(limit, loop.Func(func() {
		if s.turn() == turn && !s.client.Readable() {
			s.dismiss(idleSession)
		}
	}))
}

// idleSession is PostgreSQL's own error.
var idleSession = &sqlstate.Error{
	Severity: sqlstate.SeverityFatal,
	Code:     sqlstate.IdleSessionTimeout,
	Message:  "terminating connection due to idle-session timeout",
}

// unread reports whether PostgreSQL has ended the connection because nothing was
// asked there for long. It does so only between two requests, so the one that
// crossed this was never read.
func (x *exchange) unread() bool {
	return x.fatal != nil && serverError(x.fatal).Code == sqlstate.IdleSessionTimeout
}
