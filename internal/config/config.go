// SPDX-License-Identifier: Apache-2.0

// Package config is every setting of weir: its value, where it came from, and
// what is wrong with it. One table of settings (settings.go) gives the keys of
// weir.toml, the flags, the WEIR_ variables, their help and the documentation.
//
// A flag wins over the environment, the environment over weir.toml, and that
// over the default. [Load] reports every mistake at once, see [Mistakes].
package config

import "time"

// Config is the settings of one gateway. [Load] returns it checked; [Default]
// is the same without an upstream. It is not changed after that, so it may be
// read from any goroutine; a reload makes a new one.
type Config struct {
	// Listen is where clients connect: "host:port", "[ipv6]:port", ":port", or
	// an absolute path for a Unix socket. See [Config.Addresses].
	Listen []string
	// HTTP is where health, metrics and status are served; "" is nowhere.
	HTTP string
	// Upstream is a libpq URL or key=value string without the keys that are only
	// a client's (see [CleanURL]). It is "" only if each of Databases has one.
	Upstream string

	// Pool is what every pool starts from. See [Config.PoolFor].
	Pool Pool

	MaxClients         int           // clients at once; 0: as many as descriptors allow
	MaxLogins          int           // logins that compute or wait at once
	ClientLoginTimeout time.Duration // the client's part of a login; never 0
	ShutdownTimeout    time.Duration // most that transactions in progress get; 0: cut them
	ShutdownPause      time.Duration // between /readyz failing and the first farewell
	ShutdownSpread     time.Duration // from the first farewell to the last, for clients between transactions
	ClientDisconnect   Disconnect
	ClientTLS          TLS
	Log                Log
	Loops              int // event loops; 0: one for every two processors

	// MaxTotalStatementBytes bounds the text of the prepared statements that all
	// clients hold; one that they share counts once.
	MaxTotalStatementBytes int64

	// SessionFunctions and PinFunctions name functions, with or without schema,
	// whose bodies change what a session holds: such that PostgreSQL can be asked
	// for it, and other.
	SessionFunctions, PinFunctions []string

	// Databases is sorted by name. Empty, clients may ask for any database of
	// the server. See [Config.DatabaseFor].
	Databases []Database
	// Users is sorted by name. Empty, clients log in with the user and password
	// of the upstream; otherwise only these users may log in.
	Users []User

	// Notices are for the log, one line each: what was left out of an upstream's
	// URL, and what weir does instead.
	Notices []string

	origins map[string]origin // by key; absent is the default
	file    string            // weir.toml's path, "" where there is none
}

// Pool is the settings of the connections that one (database, user) pair shares.
type Pool struct {
	Mode           Mode
	Min            int           // connections kept open, at most Max
	Max            int           // most connections
	Reserve        int           // connections of the role left to its other users, less than Max
	AcquireTimeout time.Duration // most a request waits for a connection; never 0
	IdleTimeout    time.Duration // a connection above Min is closed when idle this long; 0: never
	Lifetime       time.Duration // a connection is replaced at about this age; 0: never
	MaxPinned      Share         // of the pool's connections, that clients may keep between transactions
	PinWarnAfter   time.Duration // a client that keeps one for this long is logged, once; 0: never
	ConnectTimeout time.Duration // most one connect and login takes; never 0
	CheckAfter     time.Duration // idle this long, a connection is tried before use; 0: always
	// StatementTimeout is statement_timeout of the upstream where neither role,
	// database nor client sets one; 0: none.
	StatementTimeout time.Duration

	// Each of these ends the client with an error of its own (docs/errors.md); 0: never.
	IdleTransactionTimeout time.Duration // holds an upstream and owes the next message
	TransactionTimeout     time.Duration // from a transaction's first message to its end
	ClientIdleTimeout      time.Duration // asks nothing

	MaxPreparedStatements int   // statements kept on one upstream connection
	MaxStatementBytes     int64 // bytes of prepared statement text that one client may hold
	MaxNotificationBytes  int64 // bytes of notifications that may wait for one client
	MaxConnecting         int   // connects in flight

	DeferBegin     bool // BEGIN waits for the first statement of its transaction
	RetryUnsent    bool // what was lost before it was sent is asked again
	RetryConflicts bool // so is a statement that PostgreSQL undid: 40001, 40P01
	RetryReads     bool // so is a statement that only reads and whose upstream was lost

	// Pooling false gives each client an upstream of its own, within Max.
	Pooling    bool
	QueryCache bool          // keep results
	CacheTTL   time.Duration // longest life of a kept result
}

// Mode says when an upstream is let go.
type Mode string

const (
	// Transaction lets go when a transaction ends.
	Transaction Mode = "transaction"
	// Session lets go when the client leaves.
	Session Mode = "session"
)

// Disconnect says what happens to a running autocommit statement whose client leaves.
type Disconnect string

const (
	// Finish lets it end, as PostgreSQL does.
	Finish Disconnect = "finish"
	// Cancel cancels it.
	Cancel Disconnect = "cancel"
)

// TLS is how clients may encrypt.
type TLS struct {
	Mode TLSMode
	Cert string // file with the certificate chain, PEM; "": weir makes a self-signed one
	Key  string // file with its private key, PEM; set if Cert is
	CA   string // file with the authorities of client certificates, PEM; "": none are asked for
}

// TLSMode says which clients are let in.
type TLSMode string

const (
	// TLSDisable answers no to every request for TLS.
	TLSDisable TLSMode = "disable"
	// TLSAllow leaves it to the client.
	TLSAllow TLSMode = "allow"
	// TLSRequire refuses clients without TLS, except on a Unix socket.
	TLSRequire TLSMode = "require"
)

// Log is what is logged and how.
type Log struct {
	Level  Level
	Format Format
}

// Level is the least severity that is logged, by its slog name in lower case.
type Level string

// The levels, from most to least.
const (
	Debug Level = "debug"
	Info  Level = "info"
	Warn  Level = "warn"
	Error Level = "error"
)

// Format is the form of a log line.
type Format string

const (
	// Auto is Text on a terminal, else JSON.
	Auto Format = "auto"
	// Text is one line of key=value pairs.
	Text Format = "text"
	// JSON is one object per line.
	JSON Format = "json"
)

// Default returns the settings of a gateway of which nothing is said. It has no
// upstream, which [Load] would report.
func Default() *Config {
	c := &Config{origins: map[string]origin{}}
	for _, s := range settings {
		set, ok := s.read(s.preset)
		if !ok {
			panic("config: the default of " + s.key + " is not valid")
		}
		set(c)
	}
	return c
}
