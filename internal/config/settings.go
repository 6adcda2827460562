// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"time"
)

const (
	// mostBackends is PostgreSQL's own limit, MAX_BACKENDS (postmaster.h).
	mostBackends = 1<<18 - 1
	// unbounded is the upper bound of what has none.
	unbounded = math.MaxInt
)

// settings is what can be set by flag, variable and file. The order is that of
// the documentation. The keys under pool. can also be given for one database
// or one user.
var settings = []setting[Config]{
	{
		key: "listen", preset: "127.0.0.1:6432", fixed: true,
		help: "where clients connect: `host:port`, or an absolute path for a Unix socket; several separated by commas",
		cell: at(places(), func(c *Config) *[]string { return &c.Listen }),
	},
	{
		key: "http", preset: "127.0.0.1:6433", fixed: true,
		help: "where health, metrics and status are served; `off` for nowhere",
		cell: at(place(), func(c *Config) *string { return &c.HTTP }),
	},
	{
		key: "upstream", aliases: []string{"WEIR_UPSTREAM_URL", "DATABASE_URL"},
		help: "the PostgreSQL behind weir, as libpq URL or key=value string",
		cell: at(connection(), func(c *Config) *string { return &c.Upstream }),
	},
	{
		key: "pool.mode", preset: "transaction",
		help: "when a connection is let go: at the end of a transaction or of the client's session",
		cell: at(choice(Transaction, Session), func(c *Config) *Mode { return &c.Pool.Mode }),
	},
	{
		key: "pool.min", aliases: []string{"DATABASE_POOL_MIN"}, preset: "2",
		help: "connections kept open per pool",
		cell: at(integer(0, mostBackends), func(c *Config) *int { return &c.Pool.Min }),
	},
	{
		key: "pool.max", aliases: []string{"DATABASE_POOL_MAX"}, preset: "10",
		help: "most connections per pool",
		cell: at(integer(1, mostBackends), func(c *Config) *int { return &c.Pool.Max }),
	},
	{
		key: "pool.reserve", aliases: []string{"DATABASE_POOL_RESERVE"}, preset: "0",
		help: "connections of the role that are left to its other users",
		cell: at(integer(0, mostBackends), func(c *Config) *int { return &c.Pool.Reserve }),
	},
	{
		key: "pool.acquire_timeout", aliases: []string{"DATABASE_POOL_ACQUIRE_TIMEOUT"}, preset: "30s",
		help: "most a request waits for a connection",
		cell: at(duration(1), func(c *Config) *time.Duration { return &c.Pool.AcquireTimeout }),
	},
	{
		key: "pool.idle_timeout", aliases: []string{"DATABASE_POOL_IDLE_TIMEOUT"}, preset: "30s",
		help: "an idle connection above the minimum is closed after this; 0 for never",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.IdleTimeout }),
	},
	{
		key: "pool.lifetime", preset: "1h",
		help: "a connection is replaced at about this age; 0 for never",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.Lifetime }),
	},
	{
		key: "pool.max_pinned", preset: "50%",
		help: "connections that clients may keep between transactions, for what cannot follow them: a number or a percentage of the pool's, rounded up, at least 1",
		cell: at(share(), func(c *Config) *Share { return &c.Pool.MaxPinned }),
	},
	{
		key: "pool.pin_warn_after", preset: "1m",
		help: "a client that keeps its connection for this long is logged, once; 0 for never",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.PinWarnAfter }),
	},
	{
		key: "pool.connect_timeout", preset: "15s",
		help: "most one connect and login to PostgreSQL takes",
		cell: at(duration(1), func(c *Config) *time.Duration { return &c.Pool.ConnectTimeout }),
	},
	{
		key: "pool.check_after", preset: "30s",
		help: "a connection that was idle this long is tried before it is used; 0 for always",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.CheckAfter }),
	},
	{
		key: "pool.statement_timeout", aliases: []string{"DATABASE_STATEMENT_TIMEOUT"}, preset: "30s",
		help: "`statement_timeout` where neither postgresql.conf, role, database nor client sets one, except for clients that take a session advisory lock or keep their connection; 0 for none",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.StatementTimeout }),
	},
	{
		key: "pool.idle_transaction_timeout", preset: "0s",
		help: "a client that holds a connection and leaves it waiting for its next message is sent away after this; 0 for never",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.IdleTransactionTimeout }),
	},
	{
		key: "pool.transaction_timeout", preset: "0s",
		help: "a client whose transaction takes longer is sent away; 0 for never",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.TransactionTimeout }),
	},
	{
		key: "pool.client_idle_timeout", preset: "0s",
		help: "a client that asks nothing for this long is sent away, unless it listens or holds an advisory lock; 0 for never",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.Pool.ClientIdleTimeout }),
	},
	{
		key: "pool.max_prepared_statements", preset: "200",
		help: "statements kept prepared on one connection",
		cell: at(integer(1, unbounded), func(c *Config) *int { return &c.Pool.MaxPreparedStatements }),
	},
	{
		key: "pool.max_statement_bytes", preset: "16MiB",
		help: "text of prepared statements that one client may hold",
		cell: at(bytes(64<<10), func(c *Config) *int64 { return &c.Pool.MaxStatementBytes }),
	},
	{
		key: "pool.max_notification_bytes", preset: "1MiB",
		help: "notifications that may wait for one client that listens; beyond it is disconnected",
		cell: at(bytes(16<<10), func(c *Config) *int64 { return &c.Pool.MaxNotificationBytes }),
	},
	{
		key: "pool.max_connecting", preset: "4",
		help: "connects in flight per pool",
		cell: at(integer(1, mostBackends), func(c *Config) *int { return &c.Pool.MaxConnecting }),
	},
	{
		key: "pool.defer_begin", preset: "true",
		help: "hold `BEGIN` back until the first statement of its transaction, so that an idle transaction needs no connection",
		cell: at(boolean(), func(c *Config) *bool { return &c.Pool.DeferBegin }),
	},
	{
		key: "pool.retry_unsent", preset: "true",
		help: "ask again, on another connection, what was lost before it was sent",
		cell: at(boolean(), func(c *Config) *bool { return &c.Pool.RetryUnsent }),
	},
	{
		key: "pool.retry_conflicts", preset: "true",
		help: "ask again, up to 3 times, a statement outside a transaction that PostgreSQL undid (40001, 40P01)",
		cell: at(boolean(), func(c *Config) *bool { return &c.Pool.RetryConflicts }),
	},
	{
		key: "pool.retry_reads", preset: "true",
		help: "ask again, once, a statement outside a transaction that only reads and whose connection was lost",
		cell: at(boolean(), func(c *Config) *bool { return &c.Pool.RetryReads }),
	},
	{
		key: "pool.pooling", aliases: []string{"DATABASE_ENABLE_CONNECTION_POOLING"}, preset: "true",
		help: "false gives each client a connection of its own, within the same limits",
		cell: at(boolean(), func(c *Config) *bool { return &c.Pool.Pooling }),
	},
	{
		key: "pool.query_cache", aliases: []string{"DATABASE_ENABLE_QUERY_CACHE"}, preset: "false",
		help: "keep the results of queries; not built yet, so on does nothing but say so in the log",
		cell: at(boolean(), func(c *Config) *bool { return &c.Pool.QueryCache }),
	},
	{
		key: "pool.cache_ttl", aliases: []string{"DATABASE_CACHE_TTL"}, preset: "5m",
		help: "longest life of a kept result",
		cell: at(duration(1), func(c *Config) *time.Duration { return &c.Pool.CacheTTL }),
	},
	{
		key: "max_clients", preset: "0",
		help: "clients at once; 0 for as many as file descriptors allow",
		cell: at(integer(0, unbounded), func(c *Config) *int { return &c.MaxClients }),
	},
	{
		key: "max_logins", preset: "64", fixed: true,
		help: "logins that compute or wait for PostgreSQL at once",
		cell: at(integer(1, unbounded), func(c *Config) *int { return &c.MaxLogins }),
	},
	{
		key: "max_total_statement_bytes", preset: "256MiB",
		help: "text of prepared statements that all clients may hold; one that they share counts once",
		cell: at(bytes(64<<10), func(c *Config) *int64 { return &c.MaxTotalStatementBytes }),
	},
	{
		key: "client_login_timeout", preset: "15s",
		help: "most a client's part of the login takes",
		cell: at(duration(1), func(c *Config) *time.Duration { return &c.ClientLoginTimeout }),
	},
	{
		key: "client_disconnect", preset: "finish",
		help: "what happens to a running statement whose client leaves, outside a transaction",
		cell: at(choice(Finish, Cancel), func(c *Config) *Disconnect { return &c.ClientDisconnect }),
	},
	{
		key: "session_functions", fixed: true,
		help: "functions whose bodies set parameters, take session locks, or make temporary tables, cursors or prepared statements: PostgreSQL is asked after each call what is there; names separated by commas",
		cell: at(names(), func(c *Config) *[]string { return &c.SessionFunctions }),
	},
	{
		key: "pin_functions", fixed: true,
		help: "functions whose bodies keep other state in the session: a client that calls one keeps its connection until DISCARD ALL or its end; names separated by commas",
		cell: at(names(), func(c *Config) *[]string { return &c.PinFunctions }),
	},
	{
		key: "client_tls.mode", preset: "allow",
		help: "whether clients may or must use TLS",
		cell: at(choice(TLSDisable, TLSAllow, TLSRequire), func(c *Config) *TLSMode { return &c.ClientTLS.Mode }),
	},
	{
		key:  "client_tls.cert",
		help: "weir's certificate chain in PEM; without one weir makes a self-signed certificate",
		cell: at(file(), func(c *Config) *string { return &c.ClientTLS.Cert }),
	},
	{
		key:  "client_tls.key",
		help: "the private key of the certificate in PEM",
		cell: at(file(), func(c *Config) *string { return &c.ClientTLS.Key }),
	},
	{
		key:  "client_tls.ca",
		help: "authorities in PEM that must have signed a certificate that a client shows; clients need none, and need their password all the same",
		cell: at(file(), func(c *Config) *string { return &c.ClientTLS.CA }),
	},
	{
		key: "shutdown_timeout", preset: "30s",
		help: "most that transactions in progress get at a stop; clients that do not close their side of the connection may add 2 s",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
	},
	{
		key: "shutdown_pause", preset: "0s",
		help: "between `/readyz` failing and the first client's farewell, for load balancers to notice",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.ShutdownPause }),
	},
	{
		key: "shutdown_spread", preset: "0s",
		help: "clients are sent away one after the other over this time, so that they do not all connect elsewhere at once; 0 for all at once",
		cell: at(duration(0), func(c *Config) *time.Duration { return &c.ShutdownSpread }),
	},
	{
		key: "loops", preset: "0", fixed: true,
		help: "event loops; 0 for one for every two processors, in a Go program two at least",
		cell: at(integer(0, unbounded), func(c *Config) *int { return &c.Loops }),
	},
	{
		key: "log.level", preset: "info",
		help: "least severity that is logged",
		cell: at(choice(Debug, Info, Warn, Error), func(c *Config) *Level { return &c.Log.Level }),
	},
	{
		key: "log.format", preset: "auto", fixed: true,
		help: "form of a log line; auto is text on a terminal, else JSON",
		cell: at(choice(Auto, Text, JSON), func(c *Config) *Format { return &c.Log.Format }),
	},
}
