// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// trips counts how often a program writes to a connection.
type trips struct {
	net.Conn
	writes *atomic.Int64
}

func (c trips) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// counted has a pool count its writes, and make none that it was not asked for.
func counted(writes *atomic.Int64) func(*pgxpool.Config) {
	return func(cfg *pgxpool.Config) {
		cfg.MaxConns = 1
		cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return trips{conn, writes}, err
		}
	}
}

// mixed are statements with arguments of several kinds.
var mixed = []weir.Statement[string]{
	{SQL: "insert into rows select generate_series(1, 3)"},
	{SQL: "select count(*)::text from rows where n > $1", Args: []any{1}, Read: weir.OneRow(pgx.RowTo[string])},
	{SQL: "select @greeting || ', world'", Args: []any{pgx.NamedArgs{"greeting": "hello"}}, Read: weir.OneRow(pgx.RowTo[string])},
	{SQL: "select string_agg(n::text, ',' order by n) from rows where n = any ($1)", Args: []any{[]int{1, 3}}, Read: weir.OneRow(pgx.RowTo[string])},
	{SQL: "select ($1::timestamptz at time zone 'UTC')::text", Args: []any{time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}, Read: weir.OneRow(pgx.RowTo[string])},
	{SQL: "select $1::text", Args: []any{nil}, Read: func(rows pgx.Rows) (string, error) {
		null, err := pgx.CollectOneRow(rows, pgx.RowTo[*string])
		if null != nil {
			return *null, err
		}
		return "NULL", err
	}},
}

var mixedResults = []string{"", "2", "hello, world", "1,3", "2026-11-23 08:00:00", "NULL"}

// TestBatchPipelineIsOneRoundTrip counts writes: one is one round trip, also for
// statements that nobody has prepared.
func TestBatchPipelineIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		var writes atomic.Int64
		p := pool(t, l.url, counted(&writes))
		if err := p.Ping(bounded(t)); err != nil {
			t.Fatal(err)
		}
		before := writes.Load()
		got, err := weir.BatchPipeline(bounded(t), p, mixed...)
		if n := writes.Load() - before; n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
		if err != nil || !slices.Equal(got, mixedResults) {
			t.Errorf("got %q, want %q: %v", got, mixedResults, err)
		}
		if n := l.rows(t); n != "3" {
			t.Errorf("%s rows, want 3", n)
		}
	})
}

func TestBatchPipelineReadsRows(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		type row struct {
			N    int
			Name string
			At   time.Time
		}
		series := weir.Statement[[]row]{
			SQL:  "select n, 'name ' || n as name, timestamptz 'epoch' + n * interval '1 day' as at from generate_series(1, $1::int) n",
			Args: []any{3000},
			Read: weir.AllRows(pgx.RowToStructByName[row]),
		}
		got, err := weir.BatchPipeline(bounded(t), l.Pool, slices.Repeat([]weir.Statement[[]row]{series}, 20)...)
		if err != nil || len(got) != 20 {
			t.Fatalf("%d results, %v", len(got), err)
		}
		for _, rows := range got {
			last := rows[len(rows)-1]
			want := row{3000, "name 3000", time.Unix(3000*86400, 0)}
			if len(rows) != 3000 || last.N != want.N || last.Name != want.Name || !last.At.Equal(want.At) {
				t.Fatalf("%d rows, the last %v", len(rows), last)
			}
		}
	})
}

func TestBatchPipelineRollsBackTogether(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		testpg.Exec(t, l.admin, "create table parents (id int primary key); create table children (parent int references parents deferrable initially deferred)")
		insert := weir.Statement[int]{SQL: "insert into rows values (1)"}
		for name, c := range map[string]struct {
			bad   weir.Statement[int]
			code  string
			index int // of the statement that is at fault, -1 for none
		}{
			"in the first row":  {weir.Statement[int]{SQL: "select 1 / $1", Args: []any{0}}, "22012", 1},
			"in a later row":    {weir.Statement[int]{SQL: "select 1 / (5000 - n) from generate_series(1, 9000) n"}, "22012", 1},
			"in its syntax":     {weir.Statement[int]{SQL: "selec 1"}, "42601", 1},
			"at the end of all": {weir.Statement[int]{SQL: "insert into children values (1)"}, "23503", -1},
			"in its arguments":  {weir.Statement[int]{SQL: "select $1", Args: []any{func() {}}}, "", 1},
		} {
			got, err := weir.BatchPipeline(bounded(t), l.Pool, insert, c.bad, insert)
			failed, ok := errors.AsType[*weir.BatchError](err)
			if code(err) != c.code || err == nil || got != nil || ok != (c.index >= 0) || ok && failed.Index != c.index {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			if n := l.rows(t); n != "0" {
				t.Errorf("%s: %s rows, want none", name, n)
			}
		}
	})
}

// TestBatchPipelineWithAReadThatFails leaves the connection usable.
func TestBatchPipelineWithAReadThatFails(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		_, err := weir.BatchPipeline(bounded(t), l.Pool,
			weir.Statement[int]{SQL: "select 'x' from generate_series(1, 9000)", Read: weir.OneRow(pgx.RowTo[int])},
			weir.Statement[int]{SQL: "insert into rows values (1)"},
		)
		if failed, ok := errors.AsType[*weir.BatchError](err); !ok || failed.Index != 0 {
			t.Error(err)
		}
		if n := l.rows(t); n != "1" {
			t.Errorf("%s rows, want 1", n)
		}
		if n := l.Stat().TotalConns(); n != 1 {
			t.Errorf("%d connections, want the first one", n)
		}
	}, connsOf(1))
}

func TestBatchPipelineKnowsNotWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		l.proxy.Script(once(replies("INSERT"), swallow))
		_, err := weir.BatchPipeline(bounded(t), l.Pool, weir.Statement[int]{SQL: "insert into rows values (1)"})
		if !errors.Is(err, weir.ErrCommitUnknown) {
			t.Error(err)
		}
		until(t, "what becomes of the statements", func() bool { return l.rows(t) == "1" })
	})
}

func TestBatchPipelineOfNothing(t *testing.T) {
	t.Parallel()
	if got, err := weir.BatchPipeline[int](bounded(t), nil); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
