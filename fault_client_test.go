// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// victims are clients in every state of the protocol in which they may be
// killed. Each has a pool of one, and a table to insert into.
var victims = map[string]struct {
	live      func(t *testing.T, g *gateway, r *raw) // returns when the state is reached
	committed string                                 // rows in the table afterwards
}{
	"idle": {func(*testing.T, *gateway, *raw) {}, "0"},
	"in the middle of Query": {func(t *testing.T, g *gateway, r *raw) {
		r.write(t, message('Q', 1<<20, make([]byte, 100_000)...))
		active(t, g)
	}, "0"},
	"in the middle of Parse": {func(t *testing.T, g *gateway, r *raw) {
		r.write(t, message('P', 1<<20, make([]byte, 100_000)...))
		active(t, g)
	}, "0"},
	"in the middle of Bind": {func(t *testing.T, g *gateway, r *raw) {
		r.send(t, &pgproto3.Parse{Query: "insert into rows select length($1)"}, &pgproto3.Flush{})
		r.transcriptOf(t, 1)
		r.write(t, message('B', 1<<20, make([]byte, 100_000)...))
	}, "0"},
	"after Execute, without Sync": {func(t *testing.T, g *gateway, r *raw) {
		r.send(t, append(extended("insert into rows values (1)"), &pgproto3.Flush{})...)
		r.transcriptOf(t, 3)
	}, "0"},
	"after Execute, running, without Sync": {func(t *testing.T, g *gateway, r *raw) {
		r.send(t, append(extended("insert into rows select 1 from pg_sleep(60)"), &pgproto3.Flush{})...)
		executing(t, g.upstream, "pg_sleep", "1")
	}, "0"},
	"idle in a block": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "begin; insert into rows values (1)")
		r.transcript(t, 1)
	}, "0"},
	"idle in a block that has failed": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "begin; insert into rows values (1); select 1/0")
		r.transcript(t, 1)
	}, "0"},
	"active in a block": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "begin; insert into rows values (1)")
		r.transcript(t, 1)
		r.query(t, "select pg_sleep(60)")
		executing(t, g.upstream, "pg_sleep", "1")
	}, "0"},
	"while a statement runs": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, throughGate)
		executing(t, g.upstream, "pg_sleep", "1")
	}, "1"},
	"in the middle of COPY IN": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "copy rows from stdin")
		r.transcriptOf(t, 1)
		r.send(t, &pgproto3.CopyData{Data: []byte("1\n2\n")})
	}, "0"},
	"in the middle of a message of COPY IN": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "copy rows from stdin")
		r.transcriptOf(t, 1)
		r.write(t, message('d', 1<<20, []byte("1\n2\n")...))
	}, "0"},
	"in the middle of a result": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "select repeat('x', 1000) from generate_series(1, 100000)")
		stuck(t, g)
	}, "0"},
	"in the middle of COPY OUT": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout")
		stuck(t, g)
	}, "0"},
	"while it holds an advisory lock": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "select pg_advisory_lock(7)")
		r.transcript(t, 1)
	}, "0"},
	"while it holds a temporary table": {func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "create temporary table own (n int)")
		r.transcript(t, 1)
	}, "0"},
}

// active waits until a client holds the upstream.
func active(t *testing.T, g *gateway) {
	t.Helper()
	until(t, "an upstream to be held", func() bool { return g.Status().Upstreams.Active == 1 })
}

// stuck waits until PostgreSQL cannot send, because nobody reads.
func stuck(t *testing.T, g *gateway) {
	t.Helper()
	until(t, "the result to flow", func() bool {
		return testpg.Exec(t, g.upstream, "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and datname = current_database()")[0][0] == "1"
	})
}

func TestKilledClients(t *testing.T) {
	t.Parallel()
	for name, victim := range victims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := table(t, func(c *weir.Config) { c.Pool.StatementTimeout = 0 }) // it would end what weir has to
			unlock := gate(t, g)                                                // until the client is dead
			r, p := g.apart(t)
			victim.live(t, g, r)
			p.kill(t)
			unlock()
			until(t, "the client to be gone", func() bool { return g.Status().Clients.Total == 0 })
			if n := rows(t, g); n != victim.committed {
				t.Errorf("%s rows were committed, want %s", n, victim.committed)
			}
			nothingOpen(t, g)
		})
	}
}

// nothingOpen checks that no transaction and no lock is left in PostgreSQL, and
// that the next client is served and finds nothing.
func nothingOpen(t *testing.T, g *gateway) {
	t.Helper()
	until(t, "transactions and locks to end", func() bool {
		return testpg.Exec(t, g.upstream, "select (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null) + "+
			"(select count(*) from pg_locks where pid <> pg_backend_pid() and database = (select oid from pg_database where datname = current_database()))")[0][0] == "0"
	})
	next := g.connect(t)
	if got := ask(t, next, "select to_regclass('own') is null and pg_try_advisory_lock(7)"); got != "t" {
		t.Error("the next client finds something of the one that was killed")
	}
}

func TestAClientKilledInTheQueueLeavesIt(t *testing.T) {
	t.Parallel()
	g := table(t)
	release := hold(t, g)
	r, p := g.apart(t)
	r.query(t, "insert into rows values (1)")
	until(t, "the statement to wait", func() bool { return g.Status().Waiting == 1 })
	p.kill(t)
	until(t, "it to leave the queue", func() bool { return g.Status().Waiting == 0 })
	release()
	if n := rows(t, g); n != "0" {
		t.Errorf("%s rows were committed, of a statement that was never sent", n)
	}
	nothingOpen(t, g)
}

func TestClientsKilledInTheLogin(t *testing.T) {
	t.Parallel()
	g := table(t)
	startup, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "postgres"}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, said := range map[string][]byte{
		"before a word":             nil,
		"in the first packet":       startup[:len(startup)/2],
		"before the password":       startup,
		"in the password's message": append(startup, message('p', 100, 'S', 'C')...),
	} {
		r, p := g.spawn(t)
		until(t, name+": it to be connected", func() bool { return g.Status().Clients.Login == 1 })
		r.write(t, said)
		if len(said) >= len(startup) {
			if _, err := r.front.Receive(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.kill(t)
		until(t, name+": it to be gone", func() bool { return g.Status().Clients.Total == 0 })
	}
	nothingOpen(t, g)
}
