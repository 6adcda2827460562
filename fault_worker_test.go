// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// job is what a client of a fault does again and again.
type job struct {
	name  string
	mode  pgx.QueryExecMode
	parts int // rows of entries that each write makes, all or none; 0 counts in counters, -1 reads only
	do    func(w *worker, n int) (outcome, error)
}

// jobs are the kinds of clients, a tenth of them each.
var jobs = [10]job{
	{"read, simple", pgx.QueryExecModeSimpleProtocol, -1, (*worker).read},
	{"read, prepared", pgx.QueryExecModeCacheStatement, -1, (*worker).read},
	{"read, described each time", pgx.QueryExecModeDescribeExec, -1, (*worker).read},
	{"read, unnamed", pgx.QueryExecModeExec, -1, (*worker).read},
	{"insert, simple", pgx.QueryExecModeSimpleProtocol, 1, (*worker).insert},
	{"insert, prepared", pgx.QueryExecModeCacheStatement, 1, (*worker).insert},
	{"two inserts in one query", pgx.QueryExecModeSimpleProtocol, 2, (*worker).insertBoth},
	{"transaction, simple", pgx.QueryExecModeSimpleProtocol, 2, (*worker).insertInBlock},
	{"transaction, prepared", pgx.QueryExecModeCacheStatement, 2, (*worker).insertInBlock},
	{"counters, unnamed", pgx.QueryExecModeExec, 0, (*worker).tally},
}

// worker is one client of a fault.
type worker struct {
	ledger
	conn   *pgx.Conn
	served atomic.Int64 // operations that succeeded
	ended  atomic.Bool  // run has returned

	// Its own until run returns.
	disturbed error // the last error of an operation that only reads
	broken    error // what no client may ever see
}

// thought is the most that a client thinks before its next operation: some
// upstreams are idle, and some transactions too, when a fault comes.
const thought = 40 * time.Millisecond

// run works until ctx ends. The operation under way is finished.
func (w *worker) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil && w.broken == nil; n++ {
		w.notes = append(w.notes, unanswered)
		o, err := w.do(w, n)
		w.notes[n] = o
		switch {
		case o == done:
			w.served.Add(1)
		case w.parts < 0:
			w.disturbed = err
		}
		if w.conn.IsClosed() {
			w.broken = fmt.Errorf("lost its connection to weir: %w", err)
		}
		time.Sleep(rand.N(thought))
	}
}

// refusals are the errors that say that nothing was done: the connection to
// PostgreSQL was lost or is not to be had, PostgreSQL shuts down, crashed,
// starts or is full, or the transaction has failed before.
var refusals = map[string]bool{
	"08006": true, "57P01": true, "57P02": true, "57P03": true, "53300": true, "25P02": true,
}

// verdict reads what an error says of the outcome. One that a client may never
// see ends the worker.
func (w *worker) verdict(err error) outcome {
	switch {
	case err == nil:
		return done
	case code(err) == "08007":
		return unknown
	case !refusals[code(err)]:
		w.broken = err
		return unknown
	}
	return refused
}

// exec runs one statement.
func (w *worker) exec(sql string, args ...any) (pgconn.CommandTag, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.conn.Exec(ctx, sql, append([]any{w.mode}, args...)...)
}

// read asks for what never changes, and for what is zero whenever transactions
// are whole.
func (w *worker) read(n int) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sql, want, args := "select sum(n) from counters", 0, []any{w.mode}
	if n%2 == 0 {
		sql, want, args = "select amount from stock where id = $1", n%100*7, append(args, n%100)
	}
	var got int
	err := w.conn.QueryRow(ctx, sql, args...).Scan(&got)
	if err == nil && got != want {
		w.broken = fmt.Errorf("%s gives %d, want %d", sql, got, want)
	}
	return w.verdict(err), err
}

const insertion = "insert into entries values ($1, $2, $3)"

func (w *worker) insert(n int) (outcome, error) {
	_, err := w.exec(insertion, w.client, n, 0)
	return w.verdict(err), err
}

func (w *worker) insertBoth(n int) (outcome, error) {
	_, err := w.exec(fmt.Sprintf("insert into entries values (%d, %d, 0); insert into entries values (%[1]d, %[2]d, 1)", w.client, n))
	return w.verdict(err), err
}

func (w *worker) insertInBlock(n int) (outcome, error) {
	return w.block(func(part int) error {
		_, err := w.exec(insertion, w.client, n, part)
		return err
	})
}

func (w *worker) tally(int) (outcome, error) {
	return w.block(func(side int) error {
		_, err := w.exec("update counters set n = n + $1 where client = $2 and side = $3", 1-2*side, w.client, side)
		return err
	})
}

// errUndone is what a COMMIT that was answered ROLLBACK amounts to.
var errUndone = errors.New("COMMIT rolled back")

// block runs two steps in a transaction block. What fails before COMMIT is
// sent has surely not happened.
func (w *worker) block(step func(part int) error) (outcome, error) {
	_, err := w.exec("begin")
	for part := 0; part < 2 && err == nil; part++ {
		if err = step(part); err == nil && rand.N(4) == 0 {
			time.Sleep(rand.N(thought / 8))
		}
	}
	if err != nil {
		if w.verdict(err) == unknown && w.broken == nil {
			w.broken = fmt.Errorf("before its COMMIT a transaction is not in doubt: %w", err)
		}
		return refused, w.rollback(err)
	}
	tag, err := w.exec("commit")
	if err == nil && tag.String() == "ROLLBACK" {
		return refused, errUndone
	}
	return w.verdict(err), w.rollback(err)
}

// rollback ends a block that has failed with err. That works without PostgreSQL,
// but a ROLLBACK that was under way may be lost as anything else.
func (w *worker) rollback(err error) error {
	for tries := 0; w.conn.PgConn().TxStatus() != 'I' && !w.conn.IsClosed() && w.broken == nil; tries++ {
		if _, end := w.exec("rollback"); end != nil && (tries > 2 || w.verdict(end) != refused) {
			w.broken = fmt.Errorf("ROLLBACK after %w: %w", err, end)
		}
	}
	return err
}
