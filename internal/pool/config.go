// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"log/slog"
	"time"
)

// Conn is an upstream connection as the pool sees it.
type Conn interface {
	comparable

	// Loop is the event loop the connection is registered with now. It is called
	// with the pool's lock held, at release only.
	Loop() int

	// Dead reports that the connection is known to be lost, or to hold bytes that
	// nobody asked for, from remembered readiness. It is called with the pool's
	// lock held and must make no system call.
	Dead() bool

	// Address is where the connection leads to. It does not change.
	Address() string

	// Close ends the connection; why is for the log. It is called once, without
	// the pool's lock, from any goroutine.
	Close(why string)

	// Node is the pool's bookkeeping, embedded in the connection so that the pool
	// allocates nothing per transaction. Always the same one.
	Node() *Node
}

// Owner is told how its wait ended. Exactly one of the methods is called, once,
// unless Leave returned true. The call comes without the pool's lock, from any
// goroutine, possibly from within Wait; it must only post to the waiter's loop.
type Owner[C Conn] interface {
	// Granted hands over c, which the waiter must Release or Discard even if it
	// no longer wants it.
	Granted(c C)

	// Refused says why there is none: a *sqlstate.Error, or what Close was given.
	Refused(err error)
}

// Config is what a pool is made of. Reconfigure changes what it lists. Durations
// of zero mean "no limit" unless said otherwise.
type Config[C Conn] struct {
	Database string // for messages
	User     string // for messages: the upstream role

	Min    int    // connections kept open, budget permitting; 0 for pools made on demand
	Max    int    // most connections, those being opened included; less than 1 counts as 1
	Source string // what set Max, for messages: "DATABASE_POOL_MAX"
	Loops  int    // event loops, numbered from 0; less than 1 counts as 1

	AcquireTimeout time.Duration // longest wait in the queue
	IdleTimeout    time.Duration // an idle connection above Min is closed after this
	Lifetime       time.Duration // a connection is closed after this, once idle
	LifetimeJitter float64       // each lifetime is shortened by a random part up to this fraction, 0 to 1
	CheckAfter     time.Duration // idle at least this long: Node.NeedsCheck says so; zero is never
	ConnectTimeout time.Duration // bound on one Connect
	MaxConnecting  int           // most connects in flight; zero is 4

	// Connect opens a connection and registers it with the given loop. It runs
	// on a goroutine of its own; ctx ends at ConnectTimeout and when the pool closes.
	Connect func(ctx context.Context, loop int) (C, error)

	// Classify says what a failed Connect means.
	Classify func(err error) Failure

	// Oldest describes the longest transaction in progress, its age and
	// application_name, for the error that ends a wait. May be nil, may answer "".
	Oldest func() string

	Server *Server      // that Connect connects to, shared by its pools; nil: one of the pool's own
	Logger *slog.Logger // nil discards
}

// defaultConnecting is Config.MaxConnecting where it is zero: enough that one slow
// login does not hold up the others, few enough not to storm PostgreSQL, which forks
// for each.
const defaultConnecting = 4

// change takes over from o what Reconfigure may change, and nothing else: the rest
// is read without the lock.
func (c *Config[C]) change(o *Config[C]) {
	c.Database, c.User = o.Database, o.User
	c.Min, c.Max, c.Source = o.Min, o.Max, o.Source
	c.AcquireTimeout, c.IdleTimeout = o.AcquireTimeout, o.IdleTimeout
	c.Lifetime, c.LifetimeJitter, c.CheckAfter = o.Lifetime, o.LifetimeJitter, o.CheckAfter
	c.ConnectTimeout, c.MaxConnecting = o.ConnectTimeout, o.MaxConnecting
}

// normalize fills in what the zero values stand for.
func (c *Config[C]) normalize() {
	c.Max = max(c.Max, 1)
	c.Min = min(max(c.Min, 0), c.Max)
	c.Loops = max(c.Loops, 1)
	c.LifetimeJitter = min(max(c.LifetimeJitter, 0), 1)
	if c.MaxConnecting <= 0 {
		c.MaxConnecting = defaultConnecting
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Server == nil {
		c.Server = NewServer(ServerConfig{Name: c.Database, Logger: c.Logger})
	}
}
