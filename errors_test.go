// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// kinds are the functions that tell weir's errors apart.
var kinds = map[string]func(error) bool{
	"queue timeout":    weir.IsQueueTimeout,
	"too many clients": weir.IsTooManyClients,
	"upstream down":    weir.IsUpstreamDown,
	"upstream lost":    weir.IsUpstreamLost,
	"shutting down":    weir.IsShuttingDown,
}

// check fails the test if err is not of the kind, or of others too.
func check(t *testing.T, err error, kind, state string, executed bool) {
	t.Helper()
	for name, is := range kinds {
		if is(err) != (name == kind) {
			t.Errorf("%s: %v for %v", name, is(err), err)
		}
	}
	if weir.NotExecuted(err) == executed {
		t.Errorf("not executed: %v for %v", !executed, err)
	}
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); !ok || e.SQLState() != state {
		t.Errorf("%v has another SQLSTATE than %s", err, state)
	}
}

// full returns a gateway whose one connection is in use.
func full(t *testing.T, change ...func(*weir.Config)) *gateway {
	g := prepare(t, database(t), append(change, poolOf(1))...)
	tx, err := g.Pool().Begin(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(bounded(t)) })
	must(t, tx.Conn(), "select 1")
	return g
}

func TestAQueueTimeoutIsToldFromOtherErrors(t *testing.T) {
	t.Parallel()
	g := full(t)
	direct, err := g.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(bounded(t), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(bounded(t))
	if err := g.Reload(settings(g.upstream, poolOf(1), func(c *weir.Config) { c.Pool.AcquireTimeout = 10 * time.Millisecond })); err != nil {
		t.Fatal(err)
	}
	_, err = g.Pool().Exec(bounded(t), "select 1")
	check(t, err, "queue timeout", "53300", false)
	_, err = g.DB().ExecContext(bounded(t), "select 1")
	check(t, fmt.Errorf("wrapped: %w", err), "queue timeout", "53300", false)
	check(t, exec(t, conn, "select 1"), "queue timeout", "53300", false)
}

func TestACancelledWaitIsToldFromOtherErrors(t *testing.T) {
	t.Parallel()
	g := full(t)
	conn, err := g.Pool().Acquire(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	failed := make(chan error, 1)
	go func() { failed <- exec(t, conn.Conn(), "select 1") }()
	until(t, "the request to wait", func() bool { return g.Status().Waiting == 1 })
	if err := conn.Conn().PgConn().CancelRequest(bounded(t)); err != nil {
		t.Fatal(err)
	}
	check(t, <-failed, "", "57014", false)
}

func TestTooManyClientsAreToldFromOtherErrors(t *testing.T) {
	t.Parallel()
	g := full(t, func(c *weir.Config) { c.MaxClients = 1 })
	_, err := pgxConnect(t, g)
	check(t, err, "too many clients", "53300", false)
}

func TestAPostgreSQLThatIsDownIsToldFromOtherErrors(t *testing.T) {
	t.Parallel()
	g := prepare(t, nowhere(t), waits(soon))
	g.knowsOfTheOutage(t)
	check(t, g.Pool().Ping(bounded(t)), "upstream down", "08006", false)
}

func TestALostConnectionIsToldFromOtherErrors(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	g := prepare(t, dsn)
	conn, err := pgxConnect(t, g)
	if err != nil {
		t.Fatal(err)
	}
	must(t, conn, "begin")
	must(t, conn, "select 1")
	testpg.Exec(t, dsn, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	until(t, "weir to have lost it", func() bool { return g.Status().Upstreams.Active == 0 })
	for _, want := range []string{"57P01", "25P02"} {
		check(t, exec(t, conn, "select 1"), "upstream lost", want, true)
	}
}

func TestAGatewayThatStopsIsToldFromOtherErrors(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := g.Dial(bounded(t), "", "")
	check(t, err, "shutting down", "57P01", false)
	check(t, g.Health(bounded(t)), "shutting down", "57P01", false)
}

// pgxConnect logs a client in from inside.
func pgxConnect(t *testing.T, g *gateway) (*pgx.Conn, error) {
	t.Helper()
	c, err := g.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(bounded(t), c)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(bounded(t)) })
	}
	return conn, err
}

// letters is an error of a driver that gives the fields by their letters.
type letters map[byte]string

func (l letters) Error() string         { return l['M'] }
func (l letters) SQLState() string      { return l['C'] }
func (l letters) Get(field byte) string { return l[field] }

func TestOtherDriversErrorsAreKnown(t *testing.T) {
	t.Parallel()
	check(t, letters{'C': "53300", 'R': "weir_query_wait_timeout"}, "queue timeout", "53300", false)
	check(t, letters{'C': "53300", 'R': "InitProcess"}, "", "53300", true)
}
