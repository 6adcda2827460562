// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/lib/pq"                // and the driver "postgres"
)

// sqlDrivers are drivers of database/sql.
var sqlDrivers = []string{"postgres", "pgx"}

func TestDatabaseSQLSeesTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	strangers(t, w.url)
	for _, driver := range sqlDrivers {
		t.Run(driver, func(t *testing.T) {
			want := useSQL(t, driver, g.url)
			sameLines(t, useSQL(t, driver, w.url), want)
		})
	}
}

func useSQL(t *testing.T, driver, url string) string {
	t.Helper()
	ctx := within(t)
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := &notes{}
	_, err = db.ExecContext(ctx, "drop table if exists wares; create table wares (id int primary key, name text, price numeric)")
	n.add("create", err)
	for i := range 3 {
		result, err := db.ExecContext(ctx, "insert into wares values ($1, $2, $3)", i, "ware", 1.5*float64(i))
		n.affected(result, err)
	}
	n.scan(db.QueryContext(ctx, "select id, name, price from wares where id > $1 order by id", 0))
	n.scan(db.QueryContext(ctx, "select count(*), max(name) from wares"))
	n.prepared(ctx, db)
	n.transactions(ctx, db)
	for _, text := range []string{"insert into wares (id) values ($1)", "selekt $1", "select 1 / ($1::int - 1)"} {
		_, err := db.ExecContext(ctx, text, 1)
		n.failure(err)
	}
	if driver == "postgres" {
		n.copyIn(ctx, db)
	}
	return n.String()
}

func (n *notes) affected(result sql.Result, err error) {
	if err != nil {
		n.failure(err)
		return
	}
	rows, err := result.RowsAffected()
	n.add("affected", rows, err)
}

func (n *notes) scan(rows *sql.Rows, err error) {
	if err != nil {
		n.failure(err)
		return
	}
	defer rows.Close()
	columns, err := rows.Columns()
	n.add("columns", columns, err)
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		err := rows.Scan(into...)
		n.add("row", values, err)
	}
	n.add("end of rows", rows.Err())
}

// failure notes what the driver kept of PostgreSQL's error.
func (n *notes) failure(err error) {
	var theirs *pq.Error
	var ours *pgconn.PgError
	switch {
	case errors.As(err, &theirs):
		n.add("failed", *theirs)
	case errors.As(err, &ours):
		n.add("failed", *ours)
	default:
		n.add("failed", err)
	}
}

func (n *notes) prepared(ctx context.Context, db *sql.DB) {
	insert, err := db.PrepareContext(ctx, "insert into wares values ($1, $2) returning id")
	n.add("prepare", err)
	read, err := db.PrepareContext(ctx, "select name from wares where id = $1")
	n.add("prepare", err)
	for i := range 5 {
		n.scan(insert.QueryContext(ctx, 10+i, "prepared"))
		n.scan(read.QueryContext(ctx, 10+i))
		n.scan(insert.QueryContext(ctx, 10+i, "prepared"))
	}
	n.add("close", insert.Close(), read.Close())
}

func (n *notes) transactions(ctx context.Context, db *sql.DB) {
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
		if err != nil {
			n.add("begin", err)
			return
		}
		statement, err := tx.PrepareContext(ctx, "update wares set name = $1 where id = $2")
		n.add("prepare", err)
		for i := range 3 {
			result, err := statement.ExecContext(ctx, "in a transaction", i)
			n.affected(result, err)
		}
		n.scan(tx.QueryContext(ctx, "select id, name, current_setting('transaction_isolation') from wares where id < $1 order by id", 3))
		n.add("end", end(tx))
		n.scan(db.QueryContext(ctx, "select name from wares where id = 0"))
	}
}

// copyIn uses lib/pq's way to copy: a statement that is prepared.
func (n *notes) copyIn(ctx context.Context, db *sql.DB) {
	for _, ids := range [][]int{{1000, 1001, 1002}, {2000, 1000, 2001}} { // the second has one twice
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			n.add("begin", err)
			return
		}
		statement, err := tx.PrepareContext(ctx, "copy wares (id, name) from stdin")
		n.add("prepare copy", err)
		for _, id := range ids {
			_, err := statement.ExecContext(ctx, id, "copied")
			n.add("copy", err)
		}
		_, err = statement.ExecContext(ctx)
		n.failure(err)
		n.add("close copy", statement.Close())
		n.add("commit", tx.Commit())
		n.scan(db.QueryContext(ctx, "select count(*) from wares where name = $1", "copied"))
	}
}
