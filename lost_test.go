// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
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
		if got := r.transcript(t, 1); got != "E(57P02) Z(E)" && got != "E(08006) Z(E)" {
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

// TestALossIsNeverToldAsSuccess ends the backend of a client that is idle in a
// transaction, and has the client ask for something. It hears of the loss before
// anything that it takes for success, and nothing of its transaction, or of what
// it takes for another, is committed.
func TestALossIsNeverToldAsSuccess(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	direct, err := pgx.Connect(bounded(t), g.upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = direct.PgConn().Conn().Close() })
	must(t, direct, "create table rows (n int)")
	r := g.raw(t)
	r.send(t, slices.Concat(prepareNamed("done", "commit"), prepareNamed("next", "commit and chain"))...)
	r.transcript(t, 2)
	insert := "insert into rows values (2)"
	for name, c := range map[string]struct {
		told bool // of the loss, by an earlier statement
		sent []pgproto3.FrontendMessage
		want string
	}{
		"COMMIT":                            {false, simple("commit"), "E(57P01) Z(I)"},
		"END":                               {false, simple("/* why */ end transaction;"), "E(57P01) Z(I)"},
		"COMMIT, extended":                  {false, group("commit"), "1 2 E(57P01) Z(I)"},
		"COMMIT, named":                     {false, executeNamed("done"), "2 E(57P01) Z(I)"},
		"COMMIT, described":                 {false, slices.Concat(preparing("", "commit")[:2], running("", true)), "1 n 2 n E(57P01) Z(I)"},
		"COMMIT, twice":                     {false, slices.Concat(simple("commit"), simple("commit")), "E(57P01) Z(I) C Z(I)"},
		"COMMIT, then ROLLBACK":             {false, slices.Concat(simple("commit"), simple("rollback")), "E(57P01) Z(I) C Z(I)"},
		"a Sync, then COMMIT":               {false, slices.Concat([]pgproto3.FrontendMessage{&pgproto3.Sync{}}, simple("commit")), "Z(E) E(57P01) Z(I)"},
		"a Close, then COMMIT":              {false, slices.Concat([]pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'P'}, &pgproto3.Sync{}}, simple("commit")), "3 Z(E) E(57P01) Z(I)"},
		"COMMIT behind another":             {false, simple("select 1; commit"), "E(57P01) Z(E)"},
		"COMMIT before another":             {false, simple("commit; " + insert), "E(57P01) Z(I)"},
		"COMMIT before another, in a group": {false, slices.Concat(extended("commit"), group(insert)), "1 2 E(57P01) Z(I)"},
		"empty, COMMIT":                     {false, simple(";commit;"), "E(57P01) Z(I)"},
		"empty, COMMIT, extended":           {false, group("; commit"), "1 2 E(57P01) Z(I)"},
		"told, empty, COMMIT":               {true, simple(";commit;;"), "C Z(I)"},
		"COMMIT AND CHAIN":                  {false, slices.Concat(simple("commit and chain"), simple(insert)), "E(57P01) Z(E) E(25P02) Z(E)"},
		"COMMIT AND CHAIN, extended":        {false, slices.Concat(group("commit and chain"), group(insert)), "E(57P01) Z(E) E(25P02) Z(E)"},
		"COMMIT AND CHAIN, named":           {false, slices.Concat(executeNamed("next"), group(insert)), "E(57P01) Z(E) E(25P02) Z(E)"},
		"ROLLBACK AND CHAIN":                {false, slices.Concat(simple("rollback and chain"), simple(insert)), "E(57P01) Z(E) E(25P02) Z(E)"},
		"told, COMMIT AND CHAIN":            {true, slices.Concat(simple("commit and chain"), simple(insert)), "E(25P02) Z(E) E(25P02) Z(E)"},
		"told, ROLLBACK AND CHAIN":          {true, slices.Concat(group("abort and chain"), group(insert)), "E(25P02) Z(E) E(25P02) Z(E)"},
		"told, ROLLBACK AND CHAIN, one":     {true, slices.Concat(extended("rollback and chain"), group(insert)), "E(25P02) Z(E)"},
		"told, COMMIT":                      {true, simple("commit"), "C Z(I)"},
		"told, COMMIT, named":               {true, executeNamed("done"), "2 C Z(I)"},
		"told, COMMIT and no chain":         {true, group("commit work and no chain"), "1 2 C Z(I)"},
		"ROLLBACK":                          {false, simple("rollback"), "C Z(I)"},
		"ROLLBACK, extended":                {false, group("abort"), "1 2 C Z(I)"},
		"a savepoint":                       {false, slices.Concat(simple("rollback to a"), simple("commit")), "E(57P01) Z(E) C Z(I)"},
		"a statement, then COMMIT":          {false, slices.Concat(group(insert), group("commit")), "E(57P01) Z(E) 1 2 C Z(I)"},
		"a FunctionCall, then COMMIT":       {false, slices.Concat([]pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 1}}, simple("commit")), "E(57P01) Z(E) C Z(I)"},
	} {
		r.send(t, slices.Concat(simple("begin"), simple("savepoint a"), simple("insert into rows values (1)"))...)
		r.transcript(t, 3)
		must(t, direct, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
		until(t, "weir to notice", func() bool { return g.Status().Upstreams.Active == 0 })
		if c.told {
			r.query(t, "select 1")
			if got, want := r.transcript(t, 1), "E(57P01) Z(E)"; got != want {
				t.Errorf("%s: before, got %q, want %q", name, got, want)
			}
		}
		r.send(t, c.sent...)
		if got := r.transcript(t, strings.Count(c.want, "Z(")); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		r.query(t, "rollback")
		r.transcript(t, 1)
		if n := ask(t, direct, "select count(*) from rows"); n != "0" {
			t.Fatalf("%s: %s rows were committed", name, n)
		}
	}
	g.balanced(t)
}

// TestWhatFollowsTheEndOfALostBlock: a text, or a group, that ends the block goes on as
// in a block that has failed on PostgreSQL itself. A driver resets its connection with one.
func TestWhatFollowsTheEndOfALostBlock(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	testpg.Exec(t, upstream, "create table rows (n int)")
	g := open(t, upstream, poolOf(1))
	direct, through := rawDirect(t, upstream+"&application_name=direct"), g.raw(t)
	for _, r := range []*raw{direct, through} {
		r.send(t, preparing("kept", "select 1 as n")...)
		r.transcript(t, 1)
	}
	for _, text := range []string{
		"ROLLBACK; select 1 as n", ";rollback;select 1 as n", "commit; select 1 as n", "/* e */ END /* \u00e9 */ ; select nothing", "abort; begin; select 1; select 2", "rollback; syntax error",
		"rollback; select 1/0; select 2", "rollback; insert into rows values (7)", "rollback; execute kept", "rollback; set work_mem = '3MB'; show work_mem", "rollback; vacuum rows",
		"ROLLBACK;\nSELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;", "rollback; copy rows to stdout", "rollback; rollback and chain", "commit; rollback; select 1",
		"select 1; rollback; select 2", "rollback; select 1; commit; select 2 as n", "[rollback|select 1", "[commit|select 1|insert into rows values (8)",
		"[rollback|select 1/0|select 2", "[rollback|begin|select 1", "[rollback|syntax error", "[select 1|rollback|select 1", "[rollback|rollback|select 1", "[; abort|execute kept",
	} {
		for _, told := range []bool{true, false} {
			if !told && strings.Contains(strings.ToLower(text), "commit") || strings.Contains(text, "END") {
				continue // see TestALossIsNeverToldAsSuccess
			}
			sent := simple(text)
			if texts, ok := strings.CutPrefix(text, "["); ok {
				sent = nil
				for text := range strings.SplitSeq(texts, "|") {
					sent = append(sent, extended(text)...)
				}
				sent = append(sent, &pgproto3.Sync{})
			}
			for _, r := range []*raw{direct, through} {
				r.send(t, slices.Concat(simple("begin"), simple("insert into rows values (1)"))...)
				r.transcript(t, 2)
			}
			direct.query(t, "select 1/0")
			direct.transcript(t, 1)
			loseBlock(t, g)
			if told {
				through.query(t, "select 1")
				through.transcript(t, 1)
			}
			for _, r := range []*raw{direct, through} {
				r.send(t, sent...)
			}
			want, got := said(t, direct), said(t, through)
			if !told {
				want = strings.Replace(want, "25P02", "57P01", 1)
			}
			if got != want {
				t.Errorf("%q, told %v: got %q, PostgreSQL %q", text, told, got, want)
			}
			for _, r := range []*raw{direct, through} {
				r.query(t, "rollback")
				r.transcript(t, 1)
			}
		}
	}
	g.balanced(t)
	if n := testpg.Exec(t, upstream, "select string_agg(n::text, ' ' order by n) from rows")[0][0]; n != "7 7 7 7 8 8" {
		t.Errorf("the rows are %s", n)
	}
}

// TestABlockThatIsLostAgain has each text that is to end a lost block meet another loss.
func TestABlockThatIsLostAgain(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	r := g.raw(t)
	for range 2 {
		r.send(t, slices.Concat(simple("begin"), simple("select 1"))...)
		r.transcript(t, 2)
		loseBlock(t, g)
		r.query(t, "rollback; select pg_terminate_backend(pg_backend_pid())")
		if got := r.transcript(t, 1); got != "C T D E(08007) Z(E)" {
			t.Errorf("the text that has it lost again got %q", got)
		}
		r.query(t, "commit; begin; select 1")
		if got := r.transcript(t, 1); got != "C C T D C Z(T)" {
			t.Errorf("the next got %q", got)
		}
		loseBlock(t, g)
		r.query(t, "commit; select 1")
		if got := r.transcript(t, 1); got != "E(57P01) Z(I)" {
			t.Errorf("a COMMIT got %q", got)
		}
	}
	g.balanced(t)
}

// TestALostBlockEndsWithoutAConnection: what follows its end is refused, and the client
// is in no block.
func TestALostBlockEndsWithoutAConnection(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1), func(c *weir.Config) { c.Pool.AcquireTimeout = time.Second })
	r, other := g.raw(t), g.raw(t)
	r.query(t, "begin; select 1")
	r.transcript(t, 1)
	loseBlock(t, g)
	until(t, "another client to have the connection", func() bool {
		other.query(t, "begin; select 1")
		return other.transcript(t, 1) == "C T D C Z(T)"
	})
	r.query(t, "rollback; select 1")
	if got := r.transcript(t, 1); got != "E(53300) Z(I)" {
		t.Errorf("got %q", got)
	}
}

// loseBlock ends all of a gateway's connections to its database, of which one is in a transaction.
func loseBlock(t *testing.T, g *gateway) {
	t.Helper()
	testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'direct' and pid <> pg_backend_pid()")
	until(t, "weir to notice", func() bool { return g.Status().Upstreams.Active == 0 })
}

// said is what answers a request, up to its ReadyForQuery.
func said(t *testing.T, r *raw) string {
	t.Helper()
	var all []string
	r.listen(t, func(m pgproto3.BackendMessage) bool {
		switch m := m.(type) {
		case *pgproto3.CommandComplete:
			all = append(all, string(m.CommandTag))
		case *pgproto3.ErrorResponse:
			all = append(all, m.Code)
		case *pgproto3.DataRow:
			all = append(all, fmt.Sprintf("%q", m.Values))
		case *pgproto3.ReadyForQuery:
			all = append(all, string(m.TxStatus))
			return true
		}
		return false
	})
	return strings.Join(all, " ")
}

// TestAnIdleTransactionThatPostgreSQLEnds is told with PostgreSQL's words.
func TestAnIdleTransactionThatPostgreSQLEnds(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	r := g.raw(t)
	for _, sql := range []string{"begin", "set local idle_in_transaction_session_timeout = 1"} {
		r.query(t, sql)
		r.transcript(t, 1)
	}
	until(t, "weir to notice", func() bool { return g.Status().Upstreams.Active == 0 })
	r.query(t, "commit")
	err := r.failure(t)
	if err == nil || err.Severity != "ERROR" || err.Code != "25P03" || !strings.Contains(err.Message, "idle-in-transaction timeout") || err.Detail != "PostgreSQL has rolled back the transaction." {
		t.Errorf("COMMIT got %+v", err)
	}
}

// simple is a simple query.
func simple(sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Query{String: sql}}
}
