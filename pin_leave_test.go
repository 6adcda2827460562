// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// migrateLock is what Prisma's migrate takes, and leaves to the end of its
// connection.
const migrateLock = "SELECT pg_advisory_lock(72707369)"

// A second runner waits for the first one's lock, and has it when that has gone, in
// whatever way. Nothing but the first one's end can free it.
func TestAMigrationsLockDiesWithItsClient(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, r *raw){
		"goodbye": func(t *testing.T, r *raw) { r.send(t, &pgproto3.Terminate{}); _ = r.Conn.Close() },
		"FIN":     func(_ *testing.T, r *raw) { _ = r.Conn.Close() },
		"RST": func(t *testing.T, r *raw) {
			if err := r.Conn.(*net.TCPConn).SetLinger(0); err != nil {
				t.Error(err)
			}
			_ = r.Conn.Close()
		},
		"FIN in a transaction": func(t *testing.T, r *raw) {
			r.query(t, "begin")
			r.transcript(t, 1)
			_ = r.Conn.Close()
		},
		"FIN in a message": func(t *testing.T, r *raw) {
			r.write(t, message('Q', 100, []byte("select")...))
			_ = r.Conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(2), mayPin(100))
			first, second := g.raw(t), g.raw(t)
			first.query(t, migrateLock)
			if got, want := first.transcript(t, 1), "T D C Z(I)"; got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			second.query(t, migrateLock)
			until(t, "the second to wait", func() bool {
				return len(testpg.Exec(t, g.upstream, "select from pg_locks where locktype = 'advisory' and objid = 72707369 and not granted and database = (select oid from pg_database where datname = current_database())")) == 1
			})
			leave(t, first)
			if got, want := second.transcript(t, 1), "T D C Z(I)"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			_ = second.Conn.Close()
			g.pins(t, 0)
		})
	}
}

// What DISCARD ALL undoes is undone when the client leaves, and its connection
// used again. What it does not undo ends with the connection.
func TestAPinnedClientsConnectionIsResetOrClosed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leave string
		kept  bool
	}{
		"advisory lock":   {"select pg_advisory_lock(7)", true},
		"temporary table": {"create temp table t (n int)", true},
		"prepare":         {"prepare p as select 1", true},
		"with hold":       {"declare c cursor with hold for select 1", true},
		"listen":          {"do $$begin execute 'listen c'; end$$", true},
		"currval":         {"create sequence s; select nextval('s'), currval('s')", true},
		"load":            {"load 'plpgsql'", false},
		"seed":            {"select setseed(0.5)", false},
		"no set_config":   {"select set_config(n, '7MB', false) from (values ('work_mem')) v (n)", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(1))
			conn := g.connect(t)
			before := ask(t, conn, "select pg_backend_pid()")
			must(t, conn, c.leave)
			g.pins(t, 1)
			_ = conn.PgConn().Conn().Close()
			g.pins(t, 0)
			next := g.connect(t)
			if after := ask(t, next, "select pg_backend_pid()"); (after == before) != c.kept {
				t.Errorf("backend %s was followed by %s", before, after)
			}
			for _, question := range []string{
				"select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
				"select count(*) from pg_class where relnamespace = pg_my_temp_schema()",
				"select count(*) from pg_prepared_statements where from_sql",
				"select count(*) from pg_cursors where is_holdable",
				"select count(*) from pg_listening_channels()",
			} {
				if n := ask(t, next, question); n != "0" {
					t.Errorf("%s: %s", question, n)
				}
			}
		})
	}
}

// A pinned client whose connection is lost has lost what it held: it is told, and
// not given another.
func TestAPinnedClientDoesNotOutliveItsConnection(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	r := g.raw(t)
	r.query(t, migrateLock)
	r.transcript(t, 1)
	g.pins(t, 1)
	testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 72707369 and database = (select oid from pg_database where datname = current_database())")
	if got, want := r.transcript(t, 1), "E(57P01) EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	g.pins(t, 0)
}
