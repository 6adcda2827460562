// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// solitary are statements that PostgreSQL refuses where anything is executed in front
// of them in the same group (XACT_FLAGS_PIPELINING, from version 15 on). Each can run
// again and again.
var solitary = []string{
	"vacuum t", "vacuum (analyze) t", "reindex table concurrently t", "reindex database", "cluster",
	"create index concurrently if not exists on_as on t ((n::text))", "drop index concurrently if exists on_as",
	"create tablespace nowhere location '/no/such/place'", "drop subscription if exists nobodys",
	"commit prepared 'none'", "rollback prepared 'none'", "drop database if exists nobodys",
	"discard all",
}

// TestStatementsThatNeedATransactionOfTheirOwnGetIt prepares them by name where weir has
// commands of its own for their group: for a client that has prepared something by SQL,
// and on a connection that lacks them, under other settings than they were prepared with.
func TestStatementsThatNeedATransactionOfTheirOwnGetIt(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create table t (n int primary key); cluster t using t_pkey")
	g, alone := open(t, url, poolOf(1)), rawDirect(t, url)
	for name, begins := range map[string][]string{
		"after PREPARE":            {"prepare mine as select 1"},
		"under a setting":          {"set datestyle = 'German'"},
		"after a setting unseen":   {"do $$begin perform set_config('intervalstyle', 'iso_8601', false); end$$"},
		"after PREPARE of a block": {"prepare mine as select 1", "begin; set local datestyle = 'German'; commit"},
	} {
		through := g.raw(t)
		for _, sql := range begins {
			through.query(t, sql)
			through.transcript(t, 1)
		}
		for i, sql := range solitary {
			name := name + strconv.Itoa(i)
			first := []pgproto3.FrontendMessage{
				&pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
			}
			alone.send(t, first...)
			want := alone.transcript(t, 1)
			through.send(t, first...)
			if got := through.transcript(t, 1); got != want {
				t.Errorf("%s, %s: got %s, want %s", name, sql, got, want)
			}
			if sql == "discard all" {
				continue // it deallocates itself
			}
			through.query(t, "set intervalstyle = "+[]string{"sql_standard", "iso_8601"}[i%2])
			through.transcript(t, 1)
			if begins[0][:3] == "set" {
				testpg.Exec(t, url, fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid not in (pg_backend_pid(), %d)", alone.pid))
				until(t, "no connection to be open", func() bool { return g.Status().Upstreams.Idle == 0 })
			}
			again := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}, &pgproto3.Sync{}}
			alone.send(t, again...)
			want = alone.transcript(t, 1)
			through.send(t, again...)
			if got := through.transcript(t, 1); got != want {
				t.Errorf("%s, %s again: got %s, want %s", name, sql, got, want)
			}
		}
		_ = through.Close()
	}
}

// TestNothingGoesAheadOfWhatNeedsATransactionOfItsOwn prepares and runs such statements in
// one group, where a cast that any statement may call may have reset what the client's
// login asked for.
func TestNothingGoesAheadOfWhatNeedsATransactionOfItsOwn(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create table t (n int primary key); cluster t using t_pkey;"+
		"create function f(t) returns text language plpgsql as 'begin execute $1.n; return 1; end'; create cast (t as text) with function f(t)")
	g, alone := open(t, url, poolOf(2)), rawDirect(t, url)
	through := g.raw(t, "datestyle=German", "timezone=Asia/Tokyo")
	for i, sql := range solitary {
		group := []pgproto3.FrontendMessage{
			&pgproto3.Parse{Name: strconv.Itoa(i), Query: sql}, &pgproto3.Bind{PreparedStatement: strconv.Itoa(i)}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		}
		alone.send(t, group...)
		want := alone.transcript(t, 1) // first: two could block each other
		through.send(t, group...)
		if got := through.transcript(t, 1); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}

// TestWhatWeirRunsInTheGroupIsNoneOfTheClients has messages that run nothing in front of such
// a statement, between which weir discards what another client has left of sequences, or
// prepares a statement under other settings.
func TestWhatWeirRunsInTheGroupIsNoneOfTheClients(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create table t (n int primary key); create sequence s")
	g, alone := open(t, url, poolOf(1), func(c *weir.Config) { c.Pool.MaxPreparedStatements = 1 }), rawDirect(t, url)
	type messages = []pgproto3.FrontendMessage
	other, through := g.raw(t), g.raw(t)
	for _, c := range []*raw{alone, through} {
		c.send(t, slices.Concat(prepareNamed("shown", "select '2024-01-01'::date"), simple("set datestyle = 'German'"))...)
		c.transcript(t, 2)
	}
	moves := slices.Concat(simple("select nextval('s')"), prepareNamed("w", "select 1"), executeNamed("w"), prepareNamed("x", "select 2"), executeNamed("x"))
	for _, sql := range []string{"vacuum t", "create index concurrently if not exists on_n on t (n)", "commit prepared 'none'", "drop database if exists nobodys"} {
		run := extended(sql)
		for name, group := range map[string]messages{
			"Close":            slices.Concat(messages{&pgproto3.Close{ObjectType: 'S', Name: "x"}}, run, messages{&pgproto3.Sync{}}),
			"Close of portal":  slices.Concat(messages{&pgproto3.Close{ObjectType: 'P', Name: "x"}}, run, messages{&pgproto3.Sync{}}),
			"Close, Query":     slices.Concat(messages{&pgproto3.Close{ObjectType: 'P', Name: "x"}}, simple(sql)),
			"Parse":            slices.Concat(messages{&pgproto3.Parse{Query: "select 3"}}, run, messages{&pgproto3.Sync{}}),
			"Describe":         slices.Concat(messages{&pgproto3.Describe{ObjectType: 'S', Name: "shown"}}, run, messages{&pgproto3.Sync{}}),
			"what is executed": slices.Concat(messages{&pgproto3.Close{ObjectType: 'P', Name: "x"}}, extended("insert into t select 1 where false"), run, messages{&pgproto3.Sync{}}),
		} {
			other.send(t, moves...)
			other.transcript(t, 5)
			alone.send(t, group...)
			want := alone.transcript(t, 1) // first: two could block each other
			through.send(t, group...)
			if got := through.transcript(t, 1); got != want {
				t.Errorf("%s behind %s: got %s, want %s", sql, name, got, want)
			}
		}
	}
}
