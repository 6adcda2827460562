// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/wire"
)

// A client's idle_session_timeout ends that client, as PostgreSQL would, and never
// the connection that others use.
func TestIdleSessionTimeoutEndsItsOwnClientOnly(t *testing.T) {
	t.Parallel()
	const limit = "idle_session_timeout=300"
	for name, c := range map[string]struct{ start, set string }{
		"set":              {"", "set " + limit},
		"set_config":       {"", "select set_config('idle_session_timeout', '300ms', false)"},
		"at login":         {limit, "select 1"},
		"nothing asked":    {limit, ""},
		"before it goes":   {"", "set " + limit + "; set tcp_user_timeout = 5000"},
		"reset to its own": {limit, "set idle_session_timeout = 0; reset idle_session_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(1))
			other := g.connect(t)
			pid := ask(t, other, "select pg_backend_pid()")
			var params []string
			if c.start != "" {
				params = append(params, c.start)
			}
			owner := g.raw(t, params...)
			if c.set != "" {
				owner.query(t, c.set)
				owner.transcript(t, 1)
			}
			if got := ask(t, other, "select pg_backend_pid()::text || current_setting('idle_session_timeout')"); got != pid+"0" {
				t.Errorf("beside it another client has %s, want %s0", got, pid)
			}
			if got := owner.transcript(t, 1); got != "E(57P05) EOF" {
				t.Errorf("the client was told %s", got)
			}
			if got := ask(t, other, "select pg_backend_pid()"); got != pid {
				t.Errorf("the connection is %s, and was %s", got, pid)
			}
		})
	}
}

// It is the client's for as long as it asks something, and one that leaves at once
// leaves none of it.
func TestIdleSessionTimeoutIsShownToItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	one, other := g.connect(t, "idle_session_timeout=60000"), g.connect(t)
	must(t, one, "set tcp_keepalives_idle = 77")
	for range 2 {
		if got := ask(t, other, "show idle_session_timeout"); got != "0" {
			t.Errorf("another client has %s", got)
		}
		if got := ask(t, one, "show idle_session_timeout"); got != "1min" {
			t.Errorf("the client has %s", got)
		}
	}
	pid := ask(t, other, "select pg_backend_pid()")
	leaves := g.raw(t)
	leaves.write(t, wire.AppendEmpty(wire.AppendQuery(nil, "set idle_session_timeout = 400"), wire.Terminate))
	leaves.ends(t)
	admin := (&gateway{upstream: g.upstream}).settler(t, g.upstream)
	until(t, "the connection to be idle for longer than that", func() bool {
		return admin.say(t, "select count(*) from pg_stat_activity where pid = "+pid+" and clock_timestamp() - state_change < '600ms'") == "SELECT 1 \"0\"\n"
	})
	if got := ask(t, other, "select pg_backend_pid()::text || current_setting('idle_session_timeout')"); got != pid+"0" {
		t.Errorf("when one has left at once another client has %s, want %s0", got, pid)
	}
}

// The time-out may be the role's. A request that crosses the end of a connection
// was not read there, and runs on another.
func TestARequestThatCrossesAnIdleSessionTimeoutRunsOnce(t *testing.T) {
	t.Parallel()
	server := testpg.Database(t, testpg.URL(t))
	testpg.Exec(t, server, "create table t (n int)")
	testpg.Exec(t, server, "do $$ begin execute 'alter database ' || current_database() || ' set idle_session_timeout = 200'; end $$")
	proxy, behind := distant(t, server, 0)
	g := open(t, behind, poolOf(1))
	client := g.connect(t)
	dropped := false
	proxy.Script(func(m *faultproxy.Message) faultproxy.Fate {
		if !dropped && m.From == faultproxy.Client && m.Type == wire.Query && bytes.Contains(m.Bytes, []byte("insert")) {
			m.Bytes, dropped = nil, true // it has not come when PostgreSQL has waited for too long
		}
		return faultproxy.Live
	})
	must(t, client, "insert into t values (1)")
	if got := ask(t, client, "select count(*) from t"); got != "1" || !dropped {
		t.Errorf("%s rows, and the statement was dropped: %v", got, dropped)
	}
}

// What names prepared statements waits for what is under way, also for the client's
// own settings, which go ahead of it. They must not be taken off meanwhile.
func TestAClientWithTimeOutsOfItsOwnNamesStatements(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	for name, c := range map[string]struct {
		sent []pgproto3.FrontendMessage
		want string
	}{
		"execute":              {slices.Concat(simple("execute p"), simple("select 1")), "E(26000) Z(I) T D C Z(I)"},
		"execute, in a block":  {slices.Concat(simple("begin"), simple("execute p")), "C Z(T) E(26000) Z(E)"},
		"deallocate":           {slices.Concat(simple("deallocate p"), simple("select 1")), "E(26000) Z(I) T D C Z(I)"},
		"deallocate all":       {simple("deallocate all"), "C Z(I)"},
		"discard all":          {simple("discard all"), "C Z(I)"},
		"execute, extended":    {group("execute p"), "1 2 E(26000) Z(I)"},
		"deallocate, extended": {group("deallocate p"), "1 2 E(26000) Z(I)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.raw(t, "idle_session_timeout=60000")
			defer r.Close()
			r.query(t, "set tcp_keepalives_idle = 77")
			r.transcript(t, 1)
			r.send(t, c.sent...)
			if got := r.transcript(t, strings.Count(c.want, "Z")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
