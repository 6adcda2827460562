// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// brief is a time-out that a test waits for.
const brief = 500 * time.Millisecond

func idleTransactionTimeout(c *weir.Config) { c.Pool.IdleTransactionTimeout = brief }
func transactionTimeout(c *weir.Config)     { c.Pool.TransactionTimeout = brief }
func clientIdleTimeout(c *weir.Config)      { c.Pool.ClientIdleTimeout = brief }
func sessionMode(c *weir.Config)            { c.Pool.Mode = config.Session }

// serves checks that the pool's connections are all back and work. change is
// what the settings are but for time-outs, which the check itself might exceed.
func (g *gateway) serves(t *testing.T, change ...func(*weir.Config)) {
	t.Helper()
	g.balanced(t)
	g.reload(t, change...)
	if got := ask(t, g.connect(t), "select 'served'"); got != "served" {
		t.Errorf("the next client got %q", got)
	}
}

func TestIdleInTransactionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*weir.Config)
		send   []pgproto3.FrontendMessage
		want   string
		keeps  bool // the connection to PostgreSQL
	}{
		"block":          {poolOf(1), []pgproto3.FrontendMessage{&pgproto3.Query{String: "begin; insert into rows values (1)"}}, "C C Z(T) E(25P03) EOF", true},
		"failed block":   {poolOf(1), []pgproto3.FrontendMessage{&pgproto3.Query{String: "begin; select 1/0"}}, "C E(22012) Z(E) E(25P03) EOF", true},
		"session mode":   {sessionMode, []pgproto3.FrontendMessage{&pgproto3.Query{String: "begin; insert into rows values (1)"}}, "C C Z(T) E(25P03) EOF", true},
		"flush, no sync": {poolOf(1), append(extended("insert into rows values (1)"), &pgproto3.Flush{}), "1 2 C E(25P03) EOF", false},
		"copy in":        {poolOf(1), []pgproto3.FrontendMessage{&pgproto3.Query{String: "copy rows from stdin"}, &pgproto3.CopyData{Data: []byte("1\n")}}, "G E(25P03) EOF", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := table(t, idleTransactionTimeout, c.change)
			first := g.connect(t)
			backend := ask(t, first, "select pg_backend_pid()")
			_ = first.Close(t.Context()) // in session mode it has the only connection
			r := g.raw(t)
			r.send(t, c.send...)
			if got := r.transcript(t, 9); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			g.balanced(t)
			if n := testpg.Exec(t, g.upstream, "select count(*) from rows")[0][0]; n != "0" {
				t.Errorf("%s rows were committed by a transaction that ran out of time", n)
			}
			if now := ask(t, g.connect(t), "select pg_backend_pid()"); (now == backend) != c.keeps {
				t.Errorf("the connection to PostgreSQL was kept: %v, want %v", now == backend, c.keeps)
			}
		})
	}
}

// TestATimeoutNamesItsSetting shows what a user reads.
func TestATimeoutNamesItsSetting(t *testing.T) {
	t.Parallel()
	g := table(t, idleTransactionTimeout)
	r := g.raw(t)
	r.query(t, "begin; select 1")
	e := r.failure(t)
	if e.Severity != "FATAL" || !strings.Contains(e.Message, "idle-in-transaction timeout: pool.idle_transaction_timeout is 500ms") || e.Hint == "" {
		t.Errorf("got %s %q, hint %q", e.Severity, e.Message, e.Hint)
	}
	if !strings.Contains(g.log.String(), "pool.idle_transaction_timeout") {
		t.Error("the log says nothing")
	}
}

// TestWorkIsNotIdle has clients do something for longer than the time-outs, which
// hold only while they do.
func TestWorkIsNotIdle(t *testing.T) {
	t.Parallel()
	url := database(t)
	g, lock := open(t, url, poolOf(2)), direct(t, url)
	must(t, lock, "create table rows (n int)")
	must(t, lock, "begin; lock rows")
	const work = "select count(*) from rows"
	slow := g.raw(t)
	slow.query(t, "begin")
	slow.transcript(t, 1)
	slow.query(t, work)
	flushed := g.raw(t)
	flushed.send(t, append(extended(work), &pgproto3.Flush{})...)
	until(t, "both to be at work", func() bool {
		return testpg.Exec(t, url, "select count(*) from pg_locks where relation = 'rows'::regclass and not granted")[0][0] == "2"
	})
	g.reload(t, poolOf(2), idleTransactionTimeout, clientIdleTimeout)
	for range 2 { // who came after them are idle
		if got, want := g.raw(t).transcript(t, 1), "E(57P05) EOF"; got != want {
			t.Errorf("an idle client got %q, want %q", got, want)
		}
	}
	g.reload(t, poolOf(2))
	must(t, lock, "rollback")
	if got, want := slow.transcript(t, 1), "T D C Z(T)"; got != want {
		t.Errorf("a slow statement: got %q, want %q", got, want)
	}
	if got, want := flushed.transcriptOf(t, 4), "1 2 D C"; got != want {
		t.Errorf("a slow statement with Flush: got %q, want %q", got, want)
	}
	flushed.send(t, &pgproto3.Sync{})
	if got, want := flushed.transcript(t, 1), "Z(I)"; got != want {
		t.Errorf("its end: got %q, want %q", got, want)
	}
}

func TestATransactionThatTakesTooLongEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send []pgproto3.FrontendMessage
		want string
	}{
		"statement alone": {[]pgproto3.FrontendMessage{&pgproto3.Query{String: "insert into rows select 1 from pg_sleep(300)"}}, "E(25P04) EOF"},
		"block":           {[]pgproto3.FrontendMessage{&pgproto3.Query{String: "begin; insert into rows select 1; select pg_sleep(300)"}}, "C C T E(25P04) EOF"},
		"idle in a block": {[]pgproto3.FrontendMessage{&pgproto3.Query{String: "begin; lock rows"}}, "C C Z(T) E(25P04) EOF"},
		"group":           {group("insert into rows select 1 from pg_sleep(300)"), "1 2 E(25P04) EOF"},
		"no sync":         {append(extended("insert into rows select 1 from pg_sleep(300)"), &pgproto3.Flush{}), "1 2 E(25P04) EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := table(t, transactionTimeout)
			r := g.raw(t)
			r.send(t, c.send...)
			// What PostgreSQL has sent before depends on when it flushes.
			if got := r.transcript(t, 9); !strings.HasSuffix(c.want, got) || !strings.HasSuffix(got, "E(25P04) EOF") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			until(t, "the statement to be cancelled", func() bool {
				return testpg.Exec(t, g.upstream, "select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()")[0][0] == "0"
			})
			g.serves(t, poolOf(1))
			if n := testpg.Exec(t, g.upstream, "select count(*) from rows")[0][0]; n != "0" {
				t.Errorf("%s rows were committed by a transaction that ran out of time", n)
			}
		})
	}
}

// TestManyShortTransactionsAreNotOneLongOne runs transactions for longer than
// the time-out, one after the other and without a pause.
func TestManyShortTransactionsAreNotOneLongOne(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*weir.Config){"transaction mode": poolOf(1), "session mode": sessionMode} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := table(t, func(c *weir.Config) { c.Pool.TransactionTimeout = 5 * time.Second }, change)
			r := g.raw(t)
			const short = 60
			groups := make([]pgproto3.FrontendMessage, 0, 4*short)
			for range short {
				groups = append(groups, group("select pg_sleep(0.1)")...)
			}
			r.send(t, groups...)
			if got := r.transcript(t, short); strings.Contains(got, "E(") || strings.Contains(got, "EOF") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestAClientThatDoesNotReadLosesItsTransaction stalls a client in the middle of
// a row: it cannot be told, but its connection to PostgreSQL comes back.
func TestAClientThatDoesNotReadLosesItsTransaction(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1), transactionTimeout)
	r := g.raw(t)
	r.query(t, "select repeat('x', 100000000)")
	until(t, "its time to be up", func() bool { return strings.Contains(g.log.String(), "pool.transaction_timeout") })
	g.serves(t, poolOf(1))
	r.ends(t)
}

func TestAnIdleClientEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*weir.Config)
		before string
	}{
		"nothing asked": {poolOf(1), ""},
		"asked":         {poolOf(1), "select 1"},
		"pinned":        {poolOf(2), "create temp table t (n int)"},
		"session mode":  {sessionMode, "select 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), c.change)
			r := g.raw(t)
			if c.before != "" {
				r.query(t, c.before)
				r.transcript(t, 1)
			}
			g.reload(t, clientIdleTimeout, c.change) // only now may the machine take its time
			if got, want := r.transcript(t, 1), "E(57P05) EOF"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			g.serves(t, c.change)
		})
	}
}

// TestClientsWithAReasonToBeSilentStay has clients that wait for notifications
// or hold a lock outlive one that does not, three times over.
func TestClientsWithAReasonToBeSilentStay(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(4))
	listener, leader := g.raw(t), g.raw(t)
	listener.query(t, "listen news")
	listener.transcript(t, 1)
	leader.query(t, "select pg_advisory_lock(7)")
	leader.transcript(t, 1)
	g.reload(t, poolOf(4), clientIdleTimeout)
	for range 3 {
		if got, want := g.raw(t).transcript(t, 1), "E(57P05) EOF"; got != want {
			t.Fatalf("an idle client got %q, want %q", got, want)
		}
	}
	for name, r := range map[string]*raw{"listener": listener, "leader": leader} {
		r.query(t, "select 1")
		if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
			t.Errorf("the %s got %q, want %q", name, got, want)
		}
	}
}

func TestTimeoutsAreOffByDefault(t *testing.T) {
	t.Parallel()
	cfg := weir.DefaultConfig()
	if d := cfg.ShortestTimeout(); d != 0 {
		t.Errorf("by default a time-out of %v ends clients", d)
	}
}

// ownStatementTimeout has weir cut statements soon, but not those of the test that
// PostgreSQL is slow to run.
func ownStatementTimeout(c *weir.Config) { c.Pool.StatementTimeout = 2 * time.Second }

// TestWaitingForAnAdvisoryLockIsNotCut has a client wait for a lock for longer
// than weir's own statement_timeout, which no other statement may do.
func TestWaitingForAnAdvisoryLockIsNotCut(t *testing.T) {
	t.Parallel()
	simple := func(sql string) []pgproto3.FrontendMessage {
		return []pgproto3.FrontendMessage{&pgproto3.Query{String: sql}}
	}
	named := []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: "l", Query: "select pg_advisory_lock(7)"}, &pgproto3.Bind{PreparedStatement: "l"}, &pgproto3.Execute{}, &pgproto3.Sync{},
	}
	for name, c := range map[string]struct {
		before string
		send   []pgproto3.FrontendMessage
		want   string
	}{
		"simple":         {"select 1", simple("select pg_advisory_lock(7)"), "T D C Z(I)"},
		"extended":       {"select 1", group("select pg_advisory_lock(7)"), "1 2 D C Z(I)"},
		"named":          {"select 1", named, "1 2 D C Z(I)"},
		"in a block":     {"begin", simple("select pg_advisory_lock(7)"), "T D C Z(T)"},
		"pinned":         {"create temp table t (n int)", simple("select pg_sleep(3)"), "T D C Z(I)"},
		"the client's":   {"set statement_timeout = '300ms'", simple("select pg_advisory_lock(7)"), "E(57014) Z(I)"},
		"of its block":   {"begin; set local statement_timeout = '300ms'", simple("select pg_advisory_lock(7)"), "E(57014) Z(E)"},
		"something else": {"select 1", simple("select pg_sleep(300)"), "E(57014) Z(I)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(1), ownStatementTimeout)
			other, err := pgx.Connect(t.Context(), g.upstream)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close(t.Context())
			must(t, other, "select pg_advisory_lock(7)")
			r := g.raw(t)
			r.query(t, c.before)
			r.transcript(t, 1)
			r.send(t, c.send...)
			if !strings.Contains(c.want, "E(") && name != "pinned" {
				until(t, "the client to wait for longer", func() bool {
					return testpg.Exec(t, g.upstream, "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'advisory' and clock_timestamp() - query_start > interval '2.5 s'")[0][0] == "1"
				})
				must(t, other, "select pg_advisory_unlock(7)")
			}
			if got := r.transcript(t, 1); !strings.HasSuffix(got, strings.TrimPrefix(c.want, "T ")) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			_ = r.Close()
			g.balanced(t)
			if got := ask(t, g.connect(t), "show statement_timeout"); got != "2s" {
				t.Errorf("the next client has a statement_timeout of %s", got)
			}
		})
	}
}
