// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// restart stops the server, as a crash or with goodbyes, and starts it again.
func restart(t testing.TB, server *pgserver.Server, mode pgserver.Mode) {
	t.Helper()
	if err := server.Restart(t.Context(), mode); err != nil {
		t.Fatal(err)
	}
}

func TestIdleClientsSurviveARestart(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL())
	var clients []*raw
	for range 5 {
		r := g.raw(t)
		r.send(t, &pgproto3.Parse{Name: "kept", Query: "select 'kept'"}, &pgproto3.Sync{})
		r.transcript(t, 1)
		clients = append(clients, r)
	}
	for _, mode := range []pgserver.Mode{pgserver.Fast, pgserver.Immediate} {
		restart(t, server, mode)
		for _, r := range clients {
			r.query(t, "select 1")
			if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
				t.Errorf("after a restart (%s): got %q, want %q", mode, got, want)
			}
			r.send(t, &pgproto3.Bind{PreparedStatement: "kept"}, &pgproto3.Execute{}, &pgproto3.Sync{})
			if got, want := r.transcript(t, 1), "2 D C Z(I)"; got != want {
				t.Errorf("a statement prepared before the restart (%s): got %q, want %q", mode, got, want)
			}
		}
	}
	g.balanced(t)
}

// TestWhatARestartCuts has clients in every state lose their upstream to a
// crash. Each keeps its connection to weir.
func TestWhatARestartCuts(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	testpg.Exec(t, server.URL(), "create table rows (n int); create table slow (n int);"+
		"create function nap() returns trigger language plpgsql as 'begin perform pg_sleep(300); return null; end';"+
		"create constraint trigger nap after insert on slow deferrable initially deferred for each row execute function nap()")
	g := open(t, server.URL())
	cases := []struct {
		name    string
		setup   []string
		sent    []pgproto3.FrontendMessage // answered only by the loss
		want    string                     // what answers it, "" if nothing was sent
		inBlock bool
	}{
		{"idle", nil, nil, "", false},
		{"a volatile read", nil, simple("select pg_sleep(300)"), "E(08007) Z(I)", false},
		{"a volatile read in extended protocol", nil, group("select pg_sleep(300)"), "E(08007) Z(I)", false},
		{"a write", nil, simple("insert into rows select 1 from pg_sleep(300)"), "E(08007) Z(I)", false},
		{"idle in a transaction", []string{"begin", "insert into rows values (1)"}, nil, "", true},
		{"active in a transaction", []string{"begin", "insert into rows values (1)"}, simple("select pg_sleep(300)"), "E(57P02) Z(E)", true},
		{"active in a transaction, extended", []string{"begin"}, group("select pg_sleep(300)"), "E(57P02) Z(E)", true},
		{"a commit in flight", []string{"begin", "insert into slow values (1)"}, simple("commit"), "E(08007) Z(E)", true},
	}
	clients := make([]*raw, len(cases))
	active := 0
	for i, c := range cases {
		clients[i] = g.raw(t)
		for _, sql := range c.setup {
			clients[i].query(t, sql)
			clients[i].transcript(t, 1)
		}
		if c.sent != nil {
			clients[i].send(t, c.sent...)
			active++
		}
	}
	until(t, "all to run", func() bool {
		return testpg.Exec(t, server.URL(), "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")[0][0] == string(rune('0'+active))
	})
	restart(t, server, pgserver.Immediate)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := clients[i]
			if c.sent != nil {
				got := strings.NewReplacer("T ", "", "1 ", "", "2 ", "", "E(08006)", "E(57P02)").Replace(r.transcript(t, 1))
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			}
			if c.inBlock {
				checkLostBlock(t, r, c.sent == nil)
			}
			r.query(t, "select 1")
			if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
				t.Errorf("afterwards: got %q, want %q", got, want)
			}
		})
	}
	g.balanced(t)
	if n := testpg.Exec(t, server.URL(), "select count(*) from rows")[0][0]; n != "0" {
		t.Errorf("%s rows were committed", n)
	}
}

// checkLostBlock checks that a client whose block was lost stays in a failed
// block until it ends it. fresh says that it has not been told of the loss yet.
func checkLostBlock(t *testing.T, r *raw, fresh bool) {
	t.Helper()
	if fresh {
		r.query(t, "select 1")
		if got := r.transcript(t, 1); got != "E(57P02) Z(E)" && got != "E(08006) Z(E)" && got != "E(25P02) Z(E)" {
			t.Errorf("the first statement after the loss got %q", got)
		}
	}
	r.query(t, "select 1")
	if got, want := r.transcript(t, 1), "E(25P02) Z(E)"; got != want {
		t.Errorf("in the failed block: got %q, want %q", got, want)
	}
	r.send(t, group("select 1")...)
	if got, want := r.transcript(t, 1), "E(25P02) Z(E)"; got != want {
		t.Errorf("in the failed block, extended: got %q, want %q", got, want)
	}
	r.send(t, group("rollback")...)
	if got, want := r.transcript(t, 1), "1 2 C Z(I)"; got != want {
		t.Errorf("rollback: got %q, want %q", got, want)
	}
}

// TestALostBlockDescribesNothing: a client would believe what it is told of the
// parameters of a statement.
func TestALostBlockDescribesNothing(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	r := g.raw(t)
	r.send(t, &pgproto3.Parse{Name: "kept", Query: "select $1::int"}, &pgproto3.Parse{Name: "end", Query: "rollback"}, &pgproto3.Sync{})
	r.transcript(t, 1)
	r.query(t, "begin; select pg_backend_pid()")
	r.transcript(t, 1)
	testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	for range 2 { // the first is told of the loss
		r.query(t, "select 1")
		r.transcript(t, 1)
	}
	for _, c := range []struct {
		message pgproto3.FrontendMessage
		want    string
	}{
		{&pgproto3.Describe{ObjectType: 'S', Name: "kept"}, "E(25P02) Z(E)"},
		{&pgproto3.Describe{ObjectType: 'S', Name: "absent"}, "E(25P02) Z(E)"},
		{&pgproto3.Describe{ObjectType: 'P', Name: "absent"}, "E(25P02) Z(E)"},
		{&pgproto3.Describe{ObjectType: 'S', Name: "end"}, "n Z(E)"},
	} {
		r.send(t, c.message, &pgproto3.Sync{})
		if got := r.transcript(t, 1); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.message, got, c.want)
		}
	}
}

func TestCommitEndsALostBlock(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL())
	for _, c := range []struct {
		name string
		sent []pgproto3.FrontendMessage
		want string
	}{
		{"simple", simple("commit"), "C Z(I)"},
		{"extended", group("commit"), "1 2 C Z(I)"},
	} {
		r := g.raw(t)
		r.query(t, "begin; select 1")
		r.transcript(t, 1)
		restart(t, server, pgserver.Fast)
		r.query(t, "select 1")
		r.transcript(t, 1)
		r.send(t, c.sent...)
		if got := r.transcript(t, 1); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// simple is a simple query.
func simple(sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Query{String: sql}}
}
