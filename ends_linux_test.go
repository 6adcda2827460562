// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/wire"
)

// halted is what a client does before PostgreSQL is suspended and after it, so that
// nothing goes on any more.
type halted struct {
	connections   int
	before, after func(t *testing.T, g *gateway, r *raw)
}

// sends sends a query, and takes sends queries and reads what they give.
func sends(sql string) func(*testing.T, *gateway, *raw) {
	return func(t *testing.T, _ *gateway, r *raw) { t.Helper(); r.query(t, sql) }
}

func takes(queries ...string) func(*testing.T, *gateway, *raw) {
	return func(t *testing.T, _ *gateway, r *raw) {
		t.Helper()
		for _, sql := range queries {
			r.query(t, sql)
			r.transcript(t, 1)
		}
	}
}

// goes closes the client's connection without a word.
func goes(_ *testing.T, _ *gateway, r *raw) { _ = r.Close() }

// waitsFor waits until a gateway counts a client that waits.
func waitsFor(t *testing.T, g *gateway) {
	t.Helper()
	until(t, "one to wait", func() bool { return g.Status().Waiting == 1 })
}

// haltedStates are the states of a session that PostgreSQL, or the client, would have
// to end. All begin with a client that has logged in.
var haltedStates = map[string]halted{
	"idle":                       {},
	"active":                     {after: sends("select 1")},
	"active in a block":          {before: takes("begin; select 1"), after: sends("select 1")},
	"a held-back BEGIN":          {before: takes("begin")},
	"a held-back BEGIN and more": {before: takes("begin"), after: sends("select 1")},
	"idle in a block":            {before: takes("begin; select 1")},
	"pinned":                     {before: takes("select pg_advisory_lock(1)")},
	"waiting in the queue": {connections: 1, before: func(t *testing.T, g *gateway, r *raw) {
		takes("begin; select 1")(t, g, g.raw(t))
		r.query(t, "select 1")
		waitsFor(t, g)
	}},
	"waiting for a place": {connections: 2, before: func(t *testing.T, g *gateway, r *raw) {
		takes("select pg_advisory_lock(2)")(t, g, g.raw(t))
		r.query(t, "select pg_advisory_lock(3)")
		waitsFor(t, g)
	}},
	"settings are brought": {connections: 1, before: func(t *testing.T, g *gateway, r *raw) {
		takes("set app.tenant = 'a'")(t, g, r)
		takes("select 1")(t, g, g.raw(t))
	}, after: sends("select 1")},
	"settings are learned": {before: takes("begin", "set app.tenant = 'a'"), after: sends("commit")},
	"rolled back":          {before: takes("begin; select 1"), after: goes},
	"reset":                {before: takes("create temp table mine (n int)"), after: goes},
	"asking for currval": {connections: 1, before: func(t *testing.T, g *gateway, r *raw) {
		takes("create sequence if not exists s; select nextval('s')")(t, g, g.raw(t))
	}, after: sends("select currval('s')")},
	"half a query": {after: func(t *testing.T, _ *gateway, r *raw) {
		r.write(t, wire.AppendQuery(nil, "select '"+strings.Repeat("x", 100_000)+"'")[:50_000])
	}},
	"half a query that is forwarded": {before: takes("begin; select 1"), after: func(t *testing.T, _ *gateway, r *raw) {
		pours(t, r, wire.AppendQuery(nil, "select '"+strings.Repeat("x", 5<<20)+"'")[:4<<20+50_000])
	}},
	"half a group": {before: takes("begin; select 1"), after: func(t *testing.T, _ *gateway, r *raw) {
		r.send(t, extended("select 1")...)
	}},
	"copying in": {before: func(t *testing.T, _ *gateway, r *raw) {
		r.query(t, "create temp table mine (line text); copy mine from stdin")
		r.transcriptOf(t, 2)
	}, after: func(t *testing.T, _ *gateway, r *raw) {
		floods(t, r, &pgproto3.CopyData{Data: []byte(strings.Repeat("x", 60_000) + "\n")})
	}},
	"copying out": {before: func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "copy (select repeat('x', 10000) from generate_series(1, 100000)) to stdout")
		executing(t, g.upstream, "copy (select repeat", "1")
	}},
	"a reader that has stopped": {before: func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "select repeat('x', 10001) from generate_series(1, 100000)")
		executing(t, g.upstream, ", 10001)", "1")
	}},
	"a reader that has stopped, and gone": {before: func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "select repeat('x', 10002) from generate_series(1, 100000)")
		executing(t, g.upstream, ", 10002)", "1")
		_ = r.Close()
	}},
	"a writer that is not read": {after: func(t *testing.T, _ *gateway, r *raw) {
		floods(t, r, &pgproto3.Query{String: "select '" + strings.Repeat("x", 60_000) + "'"})
	}},
	"a TLS handshake": {after: func(t *testing.T, g *gateway, _ *raw) {
		r := g.dial(t)
		r.send(t, &pgproto3.SSLRequest{})
		var answer [1]byte
		if _, err := r.Read(answer[:]); err != nil || answer[0] != 'S' {
			t.Errorf("the answer to SSLRequest: %q, %v", answer, err)
		}
	}},
	"silence before the login": {after: func(t *testing.T, g *gateway, _ *raw) { g.dial(t) }},
	"a first login":            {after: func(t *testing.T, g *gateway, _ *raw) { logsIn(t, g, "template1", "") }},
	"a login with settings":    {after: func(t *testing.T, g *gateway, _ *raw) { logsIn(t, g, "postgres", "-c app.tenant=b") }},
	"LISTEN":                   {after: sends("listen news")},
	"LISTEN in a block":        {before: takes("begin; select 1"), after: sends("listen news")},
	"LISTEN, committed":        {before: takes("listen news", "begin", "listen others"), after: sends("commit")},
	"LISTEN, and NOTIFY":       {before: takes("listen news"), after: sends("notify news")},
	"LISTEN, and gone": {after: func(t *testing.T, _ *gateway, r *raw) {
		r.query(t, "listen news")
		_ = r.Close()
	}},
	"cancelled": {before: func(t *testing.T, g *gateway, r *raw) {
		r.query(t, "select pg_sleep(600)")
		executing(t, g.upstream, "pg_sleep(600)", "1")
	}, after: func(t *testing.T, g *gateway, r *raw) { g.cancel(t, r.pid, r.secret, false) }},
	"of the program's own": {before: func(t *testing.T, g *gateway, _ *raw) {
		tx, err := g.Pool().Begin(bounded(t))
		if err == nil {
			_, err = tx.Exec(bounded(t), "select 1")
		}
		if err != nil {
			t.Error(err)
		}
	}},
}

// floods sends until nobody takes any more.
func floods(t *testing.T, r *raw, m pgproto3.FrontendMessage) {
	t.Helper()
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for pours(t, r, b) {
	}
}

// pours writes b as far as it is taken. How much the sockets between here and
// PostgreSQL hold is the system's to say. It reports whether all of it was taken.
func pours(t *testing.T, r *raw, b []byte) bool {
	t.Helper()
	_ = r.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := r.Write(b)
	if ne, ok := errors.AsType[net.Error](err); err != nil && (!ok || !ne.Timeout()) {
		t.Errorf("the flood ended with %v", err)
	}
	return err == nil
}

// logsIn begins a login and does not wait for its end.
func logsIn(t *testing.T, g *gateway, database, options string) {
	t.Helper()
	config, err := pgx.ParseConfig(g.url())
	if err != nil {
		t.Fatal(err)
	}
	config.Database = database
	config.RuntimeParams["options"] = options
	go func() {
		conn, err := pgx.ConnectConfig(bounded(t), config)
		if err == nil {
			t.Error("a login succeeds before a PostgreSQL that is suspended")
			_ = conn.PgConn().Conn().Close()
		}
	}()
	until(t, "a login to be under way", func() bool { return g.Status().Clients.Login > 0 })
}

// TestEveryStateEnds brings clients into every state of a session that something
// else would have to end, before a PostgreSQL that does nothing any more, and shuts
// each one's gateway down.
func TestEveryStateEnds(t *testing.T) {
	server := testpg.New(t, pgserver.Options{Settings: map[string]string{"max_connections": "300"}})
	gateways, clients := make(map[string]*gateway), make(map[string]*raw)
	for name, s := range haltedStates {
		if s.connections == 0 {
			s.connections = 3
		}
		g := open(t, server.URL(), poolOf(s.connections), waits(time.Hour), func(c *weir.Config) { c.Pool.ConnectTimeout = time.Hour })
		r := g.raw(t)
		takes("select 1")(t, g, r)
		gateways[name], clients[name] = g, r
		if s.before != nil {
			s.before(t, g, r)
		}
	}
	thaw := freeze(t, server.PID())
	for name, s := range haltedStates {
		if s.after != nil {
			s.after(t, gateways[name], clients[name])
		}
	}
	t.Run("end", func(t *testing.T) {
		for name, g := range gateways {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				endsInTime(t, g, 200*time.Millisecond)
			})
		}
	})
	thaw()
}
