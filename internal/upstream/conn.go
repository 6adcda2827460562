// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"maps"

	"github.com/weir-pg/weir/internal/loop"
)

// Conn is a connection to PostgreSQL that has logged in and is registered with
// a loop. It belongs to whoever holds it; Cancel may be called from anywhere.
type Conn struct {
	loop.Stream

	// Prepared is the statements that the backend has.
	Prepared Prepared

	// Params is what the backend last reported of its parameters.
	Params map[string]string

	login *Login
}

// Adopt registers the connection of a finished login with l; h hears of events
// while no task is attached. On an error the connection is closed.
func (c *Conn) Adopt(login *Login, l *loop.Loop, h loop.Handler) error {
	c.login, c.Params = login, maps.Clone(login.Params)
	return c.Stream.Adopt(login.Conn, login.Stream, l, h)
}

// PID returns the backend's process id, 0 where the server names none.
func (c *Conn) PID() uint32 { return c.login.PID }

// Address returns host:port or the path of the socket, as configured.
func (c *Conn) Address() string { return c.login.Address }

// Cancel asks the server to cancel what the backend runs; see Login.Cancel.
func (c *Conn) Cancel(ctx context.Context) error { return c.login.Cancel(ctx) }
