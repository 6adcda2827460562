// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"net"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// Dial connects the program to its own gateway, over a pipe in memory. It fails once
// Shutdown has begun.
func (g *Gateway) Dial(ctx context.Context) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("connect to weir: %w", context.Cause(ctx))
	}
	theirs, ours := loop.Pipe()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_, _ = theirs.Close(), ours.Close()
		return nil, fmt.Errorf("connect to weir: %w", errClosing)
	}
	g.serving.Go(func() {
		if visit := g.enter(ours, inside); visit != nil {
			g.welcome(ours, inside, visit)
		}
	})
	return theirs, nil
}

// place is where a client is.
type place int

const (
	outside place = iota
	inside        // in this process: what it says of itself is believed
	places
)

// insiders believes the clients of this process. Who they may be is for admit.
type insiders struct{}

// Lookup is part of auth.Users.
func (insiders) Lookup(string, string) (auth.Secret, bool) { return auth.Trust(), true }

// known refuses an insider that could not log in from outside with any password:
// nobody is to get the upstream's rights by a name that the settings do not have.
func (s *setup) known(login *auth.Login) error {
	if _, ok := s.identities.Lookup(login.Database, login.User); ok {
		return nil
	}
	e := &sqlstate.Error{
		Severity: sqlstate.SeverityFatal,
		Code:     sqlstate.InvalidAuthorization,
		Message:  fmt.Sprintf("user %q may not connect to database %q through weir", login.User, login.Database),
		Hint:     "Connect as the user of the upstream's URL.",
	}
	if len(s.config.Users) > 0 {
		e.Hint = "Add [users." + login.User + "] to the settings, or connect as one that they list."
	}
	return e
}
