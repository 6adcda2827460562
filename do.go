// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Beginner begins transactions: a *pgxpool.Pool, or a *pgx.Conn.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Do runs fn in a transaction, commits if fn returns nil and rolls back if it
// returns an error or panics. What is safe to run again is run again, after a
// pause, up to the limits of [WithAttempts] and [WithPatience] and until ctx ends:
//
//   - a transaction that PostgreSQL has undone itself, also at COMMIT:
//     serialization failures (40001) and deadlocks (40P01);
//   - one whose connection was lost before COMMIT was sent, or that got none
//     because PostgreSQL is full, starting or stopping.
//
// So fn may run more than once, and what it does besides its transaction is
// done as often: it should set its results rather than add to them, and send
// no mail. It must use the context and the transaction that it is given.
//
// Do returns fn's own error as it is, and runs nothing again for its sake,
// unless it wraps one of those above. Else errors.Is tells:
//
//   - [ErrCommitUnknown]: the connection was lost, or ctx ended, while COMMIT
//     was under way. The transaction is committed or not, and is not run again.
//   - [ErrGaveUp]: each attempt failed in a way that is worth another one, and
//     the limit is reached. The error wraps that of the last attempt.
//   - [pgx.ErrTxCommitRollback]: fn returned nil although a statement of its
//     transaction had failed. Nothing was committed.
//
// Not run again is what waited for weir in vain ([IsQueueTimeout],
// [IsUpstreamDown]): it has waited for as long as the settings want it to. With
// a *pgx.Conn nothing is run again once that connection is lost.
func Do(ctx context.Context, pool Beginner, fn func(ctx context.Context, tx pgx.Tx) error, options ...DoOption) error {
	o := newDoOptions(options)
	began, worked := time.Now(), time.Duration(0)
	for n := 1; ; n++ {
		start := time.Now()
		again, err := try(ctx, pool, o.tx, fn)
		if undone(err) {
			worked += time.Since(start)
		}
		switch {
		case err == nil || !again:
			return err
		case gone(pool):
			return fmt.Errorf("the transaction was rolled back with its connection, and weir.Do was given no pool that has others: %w", err)
		case n >= o.attempts:
			return fmt.Errorf("%w at attempt %d: %w", ErrGaveUp, n, err)
		}
		pause := o.pause(n)
		if o.patience > 0 && time.Since(began)-worked+pause >= o.patience {
			return fmt.Errorf("%w after attempt %d, because %v are over: %w", ErrGaveUp, n, o.patience, err)
		}
		if o.onRetry != nil {
			o.onRetry(Retry{Attempt: n, Err: err, Pause: pause})
		}
		if end := sleep(ctx, pause); end != nil {
			return fmt.Errorf("%w after attempt %d, %w while it waited to run the transaction again: %w", ErrGaveUp, n, end, err)
		}
	}
}

// gone reports whether pool is a single connection that is closed.
func gone(pool Beginner) bool {
	switch one := pool.(type) {
	case interface{ IsClosed() bool }: // *pgx.Conn
		return one.IsClosed()
	case interface{ Conn() *pgx.Conn }: // *pgxpool.Conn
		return one.Conn().IsClosed()
	}
	return false
}

// sleep waits for d, or returns the error with which ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try runs fn in one transaction. again says that nothing of it has happened
// and that it is worth another attempt.
func try(ctx context.Context, pool Beginner, options pgx.TxOptions, fn func(context.Context, pgx.Tx) error) (again bool, err error) {
	begun, err := pool.BeginTx(ctx, options)
	if err != nil {
		return ctx.Err() == nil && (undone(err) || refused(err) || broken(err)), err
	}
	tx := &transaction{Tx: begun}
	defer tx.abandon(ctx) // also when fn panics; after a COMMIT it does nothing
	if err := fn(ctx, tx); err != nil {
		return ctx.Err() == nil && tx.open() && tx.worthless(err), err
	}
	return tx.commit(ctx)
}

// transaction is what fn gets: Do alone commits it.
type transaction struct {
	pgx.Tx
	over bool // it was committed or rolled back, or an attempt was made
}

// errCommitInDo is what fn gets for a COMMIT of its own: were it carried out, an
// error after it would have the same work done twice.
var errCommitInDo = errors.New("weir.Do commits when its function returns nil; the function must not commit itself")

// Commit refuses.
func (t *transaction) Commit(context.Context) error { return errCommitInDo }

// Rollback gives the transaction up. Do returns an error even if fn returns nil.
func (t *transaction) Rollback(ctx context.Context) error {
	t.over = true
	return t.Tx.Rollback(ctx)
}

// status is PostgreSQL's word for where the transaction is: 'T' open, 'E'
// failed, 'I' over. fn may have ended it with SQL of its own.
func (t *transaction) status() byte { return t.Conn().PgConn().TxStatus() }

// open reports whether fn has left the transaction to Do, so that what it did
// can be undone. The connection may be lost.
func (t *transaction) open() bool { return !t.over && t.status() != 'I' }

// worthless reports whether fn's error says that PostgreSQL has undone the
// transaction, or that its connection is lost.
func (t *transaction) worthless(err error) bool {
	return undone(err) || refused(err) || t.Conn().IsClosed() && broken(err) && !timedOut(err)
}

// rollbackPatience bounds a ROLLBACK, for which ctx may leave no time: without
// it the connection would have to be closed.
const rollbackPatience = time.Second

// abandon rolls back what is not over.
func (t *transaction) abandon(ctx context.Context) {
	if t.over {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
	defer stop()
	_ = t.Rollback(ctx) // pgx closes the connection if it fails, which rolls back too
}

// mostTold bounds how long it takes to read what has arrived.
const mostTold = 100 * time.Millisecond

// listen takes in what the server has said since its last answer, without waiting
// for more: that it has ended the connection, perhaps. After a COMMIT that would
// leave its outcome unknown.
func (t *transaction) listen(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, mostTold)
	defer stop()
	for conn := t.Conn().PgConn(); !conn.IsClosed() && !conn.IsBusy(); {
		if something, known := arrived(conn.Conn()); !known || !something {
			return
		}
		if _, err := conn.ReceiveMessage(ctx); err != nil {
			return // the connection is closed, or there was half a message
		}
	}
}

// commit ends the transaction after fn has returned nil.
func (t *transaction) commit(ctx context.Context) (again bool, err error) {
	if !t.over {
		t.listen(ctx)
	}
	switch conn := t.Conn(); {
	case t.over, t.status() == 'I' && !conn.IsClosed():
		return false, errors.New("the function that weir.Do ran ended its transaction itself and returned nil: return an error to roll back, nil to commit")
	case conn.IsClosed():
		return ctx.Err() == nil, errors.Join(errLostBeforeCommit, ctx.Err())
	case conn.PgConn().IsBusy():
		return false, errors.New("the function that weir.Do ran left rows open, so that nothing can be committed: read or close them, nothing was committed")
	case t.status() == 'E':
		return false, fmt.Errorf("a statement of the transaction failed, and the function that weir.Do ran returned nil: %w", pgx.ErrTxCommitRollback)
	case ctx.Err() != nil:
		return false, fmt.Errorf("the transaction was rolled back before COMMIT: %w", ctx.Err())
	}
	t.over = true
	err = t.Tx.Commit(ctx)
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, pgx.ErrTxCommitRollback):
		// The block had not failed, so the function has swallowed nothing: weir
		// has lost its connection to PostgreSQL since the last statement.
		return ctx.Err() == nil, fmt.Errorf("%w: %w", errLostBeforeCommit, err)
	case lostBefore(err):
		return ctx.Err() == nil, fmt.Errorf("%w: %w", errLostBeforeCommit, err)
	case undone(err):
		return ctx.Err() == nil, err
	case rolledBack(err):
		return false, err
	}
	return false, &CommitUnknownError{Err: err}
}
