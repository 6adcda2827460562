// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
)

// mayPin bounds how many clients may be pinned.
func mayPin(percent int) func(*weir.Config) {
	return func(c *weir.Config) { c.Pool.MaxPinned = config.Share{Percent: percent} }
}

// Of a pool of two, one client may be pinned. The second waits without a
// connection, and goes on when the first is pinned no more.
func TestWhoWouldBeOnePinnedTooManyWaits(t *testing.T) {
	t.Parallel()
	for name, messages := range map[string][]pgproto3.FrontendMessage{
		"simple":      {&pgproto3.Query{String: "select pg_advisory_lock(8)"}},
		"extended":    group("select pg_advisory_lock(8)"),
		"and goodbye": {&pgproto3.Query{String: "select pg_advisory_lock(8)"}, &pgproto3.Terminate{}},
	} {
		for _, end := range []string{"select pg_advisory_unlock(7)", "discard all"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				g := open(t, database(t), poolOf(2))
				first, third := g.connect(t), g.connect(t)
				must(t, first, "select pg_advisory_lock(7)")
				g.pins(t, 1)
				second := g.raw(t)
				second.send(t, messages...)
				until(t, "the second to wait", func() bool { return g.Status().Waiting == 1 })
				if got := g.Status().Clients.Waiting; got != 1 {
					t.Errorf("%d clients wait, want 1", got)
				}
				if got := ask(t, third, "select 'served'"); got != "served" {
					t.Errorf("got %q", got)
				}
				must(t, first, end)
				if got, want := second.transcript(t, 1), "D C Z(I)"; !strings.HasSuffix(got, want) {
					t.Errorf("got %q, want %q at its end", got, want)
				}
				if name != "and goodbye" {
					g.pins(t, 1)
				}
				_ = second.Conn.Close()
				g.pins(t, 0)
			})
		}
	}
}

func TestAWaitForAPlaceEndsInAnErrorThatNamesTheHolders(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	holder := g.connect(t, "application_name=worker")
	must(t, holder, "select pg_advisory_lock(7)")
	g.pins(t, 1)
	conn := g.connect(t)
	must(t, conn, "select 1") // so that there is a connection to wait with
	g.reload(t, poolOf(2), waits(soon))
	err := exec(t, conn, "create temp table t (n int)")
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "53300" || !strings.Contains(e.Message, "query_wait_timeout") ||
		!strings.Contains(e.Detail, `s by pg_advisory_lock, application_name "worker"`) || !strings.Contains(e.Hint, "max_pinned, which is 50% of at most 2") {
		t.Errorf("got %+v", e)
	}
	if r := g.Status().Pools[0].Rejects; r["max_pinned"] != 1 || r["queue_timeout"] != 0 {
		t.Errorf("refused requests: got %v, want one for max_pinned", r)
	}
	g.reload(t, poolOf(2))
	if got := ask(t, conn, "select 'usable'"); got != "usable" {
		t.Errorf("got %q", got)
	}
	g.pins(t, 1)
	must(t, holder, "select pg_advisory_unlock(7)")
	g.pins(t, 0)
	must(t, conn, "create temp table t (n int)")
}

// Who leaves, or cancels, while it waits for a place leaves no trace.
func TestAWaitForAPlaceCanBeGivenUp(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	holder := g.connect(t)
	must(t, holder, "select pg_advisory_lock(7)")
	g.pins(t, 1)
	for range 3 {
		r := g.raw(t)
		r.query(t, "select pg_advisory_lock(8)")
		until(t, "it to wait", func() bool { return g.Status().Waiting == 1 })
		_ = r.Conn.Close()
		until(t, "the wait to end", func() bool { return g.Status().Waiting == 0 })
	}
	r := g.raw(t)
	r.query(t, "select pg_advisory_lock(8)")
	until(t, "it to wait", func() bool { return g.Status().Waiting == 1 })
	g.cancel(t, r.pid, r.secret, false)
	if got, want := r.transcript(t, 1), "E(57014) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	must(t, holder, "select pg_advisory_unlock(7)")
	must(t, holder, "select pg_advisory_lock(7)")
	g.pins(t, 1)
}

// Who only tries a lock does not wait for a place to find that it is taken, and who
// is in a transaction does not wait there.
func TestWhatMostlyLeavesNothingNeedsNoPlace(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	holder, conn := g.connect(t), g.connect(t)
	must(t, holder, "select pg_advisory_lock(7)")
	g.pins(t, 1)
	for range 3 {
		if got := ask(t, conn, "select pg_try_advisory_lock(7)::text"); got != "false" {
			t.Errorf("got %q", got)
		}
		must(t, conn, "begin")
		must(t, conn, "select 1")
		must(t, conn, "create temp table t (n int) on commit drop")
		must(t, conn, "commit")
		g.pins(t, 1)
	}
}

// However many would be pinned at once, no more are, and all get their turn.
func TestPlacesGoRound(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(4), mayPin(50))
	const clients, turns = 12, 5
	done := make(chan error, clients)
	for range clients {
		conn := g.connect(t)
		go func() { done <- takeTurns(conn, turns) }()
	}
	// PostgreSQL counts at one moment, the status one client after the other.
	watch, most, left := direct(t, g.upstream), 0, clients
	for left > 0 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			left--
		case <-time.After(time.Millisecond):
			most = max(most, number(t, watch, "select count(*) from pg_class where relkind = 'r' and relpersistence = 't'"))
		}
	}
	if most > 2 {
		t.Errorf("%d clients had a temporary table, want 2 at most", most)
	}
	g.pins(t, 0)
}

// takeTurns makes a temporary table and drops it.
func takeTurns(conn *pgx.Conn, turns int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range turns {
		if _, err := conn.PgConn().Exec(ctx, "create temp table t (n int)").ReadAll(); err != nil {
			return err
		}
		if _, err := conn.PgConn().Exec(ctx, "drop table t").ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// A client that is pinned for long is named in the log, once.
func TestTheLogNamesWhoIsPinnedForLong(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2), func(c *weir.Config) { c.Pool.PinWarnAfter = time.Millisecond })
	conn := g.connect(t, "application_name=worker")
	must(t, conn, "select pg_advisory_lock(7)")
	words := regexp.MustCompile(`pinned \d+ s by pg_advisory_lock".*application_name`)
	until(t, "the log", func() bool { return words.MatchString(g.log.String()) })
	must(t, conn, "create temp table t (n int)")
	must(t, conn, "drop table t")
	g.pins(t, 1)
	if n := strings.Count(g.log.String(), "for long"); n != 1 {
		t.Errorf("it is in the log %d times, want once", n)
	}
	_, line, _ := strings.Cut(g.log.String(), "for long")
	if line, _, _ = strings.Cut(line, "\n"); strings.Count(line, "application_name") != 1 {
		t.Errorf("the client's name is not in the line once: %s", line)
	}
}
