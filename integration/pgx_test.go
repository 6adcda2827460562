// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgxModes are all ways in which pgx runs a query.
var pgxModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func TestPgxSeesTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	strangers(t, w.url)
	for _, mode := range pgxModes {
		t.Run(strings.ReplaceAll(mode.String(), " ", "_"), func(t *testing.T) {
			want := usePgx(t, g.url, mode)
			sameLines(t, usePgx(t, w.url, mode), want)
		})
	}
}

// notes is what a client saw, line by line.
type notes struct{ strings.Builder }

func (n *notes) add(what string, values ...any) { fmt.Fprintln(n, append([]any{what}, values...)...) }

func connectPgx(ctx context.Context, url string, mode pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	return pgx.ConnectConfig(ctx, config)
}

func usePgx(t *testing.T, url string, mode pgx.QueryExecMode) string {
	t.Helper()
	ctx := within(t)
	conn, err := connectPgx(ctx, url, mode)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	n := &notes{}
	_, err = conn.Exec(ctx, "drop table if exists things; create table things (id int primary key, name text, tags text[], at timestamptz, raw bytea)", pgx.QueryExecModeSimpleProtocol)
	n.add("create", err)
	for i := range 3 {
		tag, err := conn.Exec(ctx, "insert into things values ($1, $2, $3, $4, $5)",
			i, fmt.Sprintf("thing %d", i), []string{"a", "b,c"}, time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC), []byte{0, 1, byte(i)})
		n.add("insert", tag, err)
	}
	n.rows(ctx, conn, "select id, name, tags, at at time zone 'UTC', raw from things where id >= $1 order by id", 1)
	n.rows(ctx, conn, "select id, name from things where name = any($1)", []string{"thing 0", "nothing"})
	n.rows(ctx, conn, "select null::text, $1::int, $2::float8", 7, 1.5)
	n.failures(ctx, conn)
	n.batches(ctx, conn)
	n.blocks(ctx, conn)
	n.copies(ctx, conn)
	n.named(ctx, conn)
	return n.String()
}

func (n *notes) rows(ctx context.Context, conn *pgx.Conn, sql string, args ...any) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		n.add("query", err)
		return
	}
	all, err := pgx.CollectRows(rows, pgx.RowToMap)
	n.add("rows", all, rows.CommandTag(), err)
}

func (n *notes) failures(ctx context.Context, conn *pgx.Conn) {
	for _, sql := range []string{"insert into things (id) values ($1)", "selekt $1", "select 1 / ($1::int - 1)", "select * from nowhere where $1 = 1"} {
		_, err := conn.Exec(ctx, sql, 1)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok {
			n.add("failed", e.Code, e.Message, e.Detail, e.ConstraintName, e.Position, e.Routine)
			continue
		}
		n.add("no error of PostgreSQL", err)
	}
}

func (n *notes) batches(ctx context.Context, conn *pgx.Conn) {
	for _, last := range []int{8, 1} { // the second time the last one fails, and takes the others back
		b := &pgx.Batch{}
		b.Queue("select $1::int + 1", last)
		b.Queue("update things set name = $1 where id = 2", fmt.Sprintf("batch %d", last))
		b.Queue("select name from things where id = $1", 2)
		b.Queue("select 10 / ($1::int - 1)", last)
		results := conn.SendBatch(ctx, b)
		for range b.Len() {
			var value any
			err := results.QueryRow().Scan(&value)
			n.add("batch", value, err)
		}
		n.add("batch closed", results.Close())
		n.rows(ctx, conn, "select name from things where id = 2")
	}
}

func (n *notes) blocks(ctx context.Context, conn *pgx.Conn) {
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update things set name = 'in a block' where id = $1", 0)
		n.add("update", err)
		inner := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into things (id) values ($1)", 0)
			return err
		})
		n.add("savepoint", inner)
		n.rows(ctx, tx.Conn(), "select name, current_setting('transaction_isolation') from things where id = $1", 0)
		return errors.New("changed our mind")
	})
	n.add("block", err)
	n.rows(ctx, conn, "select name from things where id = $1", 0)
}

func (n *notes) copies(ctx context.Context, conn *pgx.Conn) {
	var rows [][]any
	for i := range 5000 {
		rows = append(rows, []any{100 + i, fmt.Sprintf("copied %d", i)})
	}
	count, err := conn.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"id", "name"}, pgx.CopyFromRows(rows))
	n.add("copied", count, err)
	count, err = conn.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"id", "name"}, pgx.CopyFromRows(rows[:10]))
	n.add("copied again", count, err)
	n.rows(ctx, conn, "select count(*), max(name) from things")
	var out strings.Builder
	tag, err := conn.PgConn().CopyTo(ctx, &out, "copy (select * from things order by id limit 200) to stdout")
	n.add("copied out", out.String(), tag, err)
}

func (n *notes) named(ctx context.Context, conn *pgx.Conn) {
	for range 2 {
		d, err := conn.Prepare(ctx, "s0", "select name from things where id = $1")
		n.add("prepared", d.ParamOIDs, len(d.Fields), err)
		n.rows(ctx, conn, "s0", 1)
		n.add("deallocated", conn.Deallocate(ctx, "s0"))
	}
	n.add("deallocated all", conn.DeallocateAll(ctx))
	n.rows(ctx, conn, "select name from things where id = $1", 1)
}
