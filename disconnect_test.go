// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// table opens a gateway with a pool of one before an empty table called rows.
func table(t testing.TB, change ...func(*weir.Config)) *gateway {
	t.Helper()
	g := open(t, database(t), append(change, poolOf(1))...)
	testpg.Exec(t, g.upstream, "create table rows (n int)")
	return g
}

// rows waits until nobody holds the upstream, and counts what was committed.
func rows(t testing.TB, g *gateway) string {
	t.Helper()
	g.balanced(t)
	return testpg.Exec(t, g.upstream, "select count(*) from rows")[0][0]
}

// backend returns the process id of the backend behind a pool of one.
func backend(t testing.TB, g *gateway) string {
	t.Helper()
	return ask(t, g.connect(t), "select pg_backend_pid()")
}

// inserting returns a client with a row in a transaction that is still open.
func inserting(t testing.TB, g *gateway) *raw {
	t.Helper()
	r := g.raw(t)
	r.query(t, "begin; select 1")
	r.transcript(t, 1)
	r.query(t, "insert into rows values (1)")
	r.transcript(t, 1)
	return r
}

// kept checks what a client that has gone committed, and that the pool of one
// still has the backend it had before.
func kept(t testing.TB, g *gateway, before, committed string) {
	t.Helper()
	if n := rows(t, g); n != committed {
		t.Errorf("%s rows were committed, want %s", n, committed)
	}
	if after := backend(t, g); after != before {
		t.Errorf("backend %s was replaced by %s", before, after)
	}
}

// gate makes a locked table, for a statement that has to run until the test has
// seen it, however long that takes.
func gate(t testing.TB, g *gateway) (unlock func()) {
	t.Helper()
	conn, err := pgx.Connect(bounded(t), g.upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	must(t, conn, "create table gate as select 1 as n")
	must(t, conn, "begin")
	must(t, conn, "lock table gate")
	return func() { must(t, conn, "commit") }
}

// throughGate inserts a row a moment after the gate was unlocked: time for weir to
// notice that its client has gone.
const throughGate = "insert into rows select 1 from gate, pg_sleep(0.5)"

func TestAStatementFollowedByTerminateCommits(t *testing.T) {
	t.Parallel()
	g := table(t)
	for _, sent := range [][]pgproto3.FrontendMessage{
		{&pgproto3.Query{String: "insert into rows values (1)"}, &pgproto3.Terminate{}},
		append(group("insert into rows values (2)"), &pgproto3.Terminate{}),
	} {
		r := g.raw(t)
		r.send(t, sent...)
		_ = r.Conn.Close() // at once, as a client does that does not care
	}
	until(t, "both to commit", func() bool { return rows(t, g) == "2" })
}

func TestAStatementFollowedByTheEndOfTheStreamCommits(t *testing.T) {
	t.Parallel()
	g := table(t)
	r := g.raw(t)
	r.query(t, "insert into rows values (1)")
	if err := closeWrite(r); err != nil {
		t.Fatal(err)
	}
	if got, want := r.transcript(t, 1), "C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := rows(t, g); n != "1" {
		t.Errorf("%s rows, want 1", n)
	}
}

// TestAWaitingStatementFollowedByTerminateCommits has both in one write, so
// that weir knows of the goodbye before the wait is over.
func TestAWaitingStatementFollowedByTerminateCommits(t *testing.T) {
	t.Parallel()
	g := table(t)
	release := hold(t, g)
	r := g.raw(t)
	r.send(t, &pgproto3.Query{String: "insert into rows values (1)"}, &pgproto3.Terminate{})
	until(t, "the statement to wait", func() bool { return g.Status().Waiting == 1 })
	_ = r.Conn.Close() // as after any Terminate
	release()
	until(t, "it to commit", func() bool { return rows(t, g) == "1" })
}

func TestAnUnfinishedGroupIsNotCommitted(t *testing.T) {
	t.Parallel()
	g := table(t)
	before := backend(t, g)
	r := g.raw(t)
	r.send(t, append(extended("insert into rows values (1)"), &pgproto3.Flush{})...)
	if got, want := r.transcriptOf(t, 3), "1 2 C"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_ = r.Conn.Close()
	if n := rows(t, g); n != "0" {
		t.Errorf("a group without its Sync committed %s rows", n)
	}
	if after := backend(t, g); after == before {
		t.Error("the upstream of an unfinished group was kept")
	}
}

func TestAClientThatDiesInsideAMessageTakesItsUpstreamAlong(t *testing.T) {
	t.Parallel()
	g := table(t)
	before := backend(t, g)
	r := inserting(t, g)
	r.write(t, message('Q', 1<<20, make([]byte, 100_000)...))
	_ = r.Conn.Close()
	if n := rows(t, g); n != "0" {
		t.Errorf("%s rows were committed", n)
	}
	if after := backend(t, g); after == before {
		t.Error("the upstream that has half a message was kept")
	}
}

func TestAnIdleTransactionIsRolledBackAndTheUpstreamKept(t *testing.T) {
	t.Parallel()
	g := table(t)
	before := backend(t, g)
	r := inserting(t, g)
	_ = r.Conn.Close()
	kept(t, g, before, "0")
}

func TestAnActiveTransactionIsCancelledAndTheUpstreamKept(t *testing.T) {
	t.Parallel()
	g := table(t)
	before := backend(t, g)
	r := inserting(t, g)
	r.query(t, "select pg_sleep(60)")
	executing(t, g.upstream, "pg_sleep", "1")
	_ = r.Conn.Close()
	kept(t, g, before, "0")
}

func TestARunningStatementIsFinishedForAClientThatHasGone(t *testing.T) {
	t.Parallel()
	g := table(t)
	before := backend(t, g)
	unlock := gate(t, g)
	r := g.raw(t)
	r.query(t, throughGate)
	executing(t, g.upstream, "pg_sleep", "1")
	_ = r.Conn.Close()
	unlock()
	kept(t, g, before, "1")
}

func TestARunningStatementIsCancelledIfAskedFor(t *testing.T) {
	t.Parallel()
	g := table(t, func(c *weir.Config) { c.ClientDisconnect = config.Cancel })
	before := backend(t, g)
	r := g.raw(t)
	r.query(t, "insert into rows select 1 from pg_sleep(60)")
	executing(t, g.upstream, "pg_sleep", "1")
	_ = r.Conn.Close()
	kept(t, g, before, "0")
}

func TestAHalfCopyIsNotCommitted(t *testing.T) {
	t.Parallel()
	g := table(t)
	r := g.raw(t)
	r.query(t, "copy rows from stdin")
	if got, want := r.transcriptOf(t, 1), "G"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	r.send(t, &pgproto3.CopyData{Data: []byte("1\n2\n")})
	_ = r.Conn.Close()
	if n := rows(t, g); n != "0" {
		t.Errorf("%s rows of half a copy were committed", n)
	}
	if got := ask(t, g.connect(t), "select 1"); got != "1" {
		t.Errorf("the next client got %q", got)
	}
}

// TestAClientThatStopsReadingAndGoesLeavesTheUpstreamInStep has a large result
// on its way to a client that never reads it.
func TestAClientThatStopsReadingAndGoesLeavesTheUpstreamInStep(t *testing.T) {
	t.Parallel()
	g := table(t)
	r := g.raw(t)
	r.query(t, "select repeat('x', 1000) from generate_series(1, 20000)")
	until(t, "the result to flow", func() bool {
		return testpg.Exec(t, g.upstream, "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and datname = current_database()")[0][0] == "1"
	})
	_ = r.Conn.Close()
	g.balanced(t)
	if got := ask(t, g.connect(t), "select 1"); got != "1" {
		t.Errorf("the next client got %q", got)
	}
}
