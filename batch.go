// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier runs statements: a *pgxpool.Pool, a pgx.Tx, a *pgx.Conn. It is also
// what the code that sqlc generates wants.
type Querier interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// Op is one operation of a batch. db is the pool, or the transaction in which
// the whole batch runs.
type Op[T any] = func(ctx context.Context, db Querier) (T, error)

// DefaultConcurrency is how many operations [Batch] and [BatchAll] run at once
// where they are told 0 or less.
const DefaultConcurrency = 5

// BatchError says which operation of a batch failed.
type BatchError struct {
	Index int   // of the operation, from 0
	Err   error // what it returned
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("operation %d of the batch: %v", e.Index, e.Err)
}

// Unwrap returns what the operation returned.
func (e *BatchError) Unwrap() error { return e.Err }

// Batch runs operations, at most concurrency of them at once, and returns their
// results in the order of the operations. The first error cancels the context
// of those that run and keeps the others from beginning; when all have returned
// it is returned, as a [*BatchError], without results. What other operations
// did by then stays done: see [BatchTx].
//
// An operation that panics cancels the others, and Batch panics.
func Batch[T any](ctx context.Context, pool Querier, concurrency int, ops ...Op[T]) ([]T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWindow(pool, ops, cancel)
	w.slide(ctx, concurrency)
	if w.first != nil {
		return nil, w.first
	}
	return w.results, nil
}

// BatchAll is [Batch] for operations that do not depend on each other: all are
// run whatever becomes of the others. The results of those that failed are the
// zero T, and the error joins a [*BatchError] for each, in their order.
func BatchAll[T any](ctx context.Context, pool Querier, concurrency int, ops ...Op[T]) ([]T, error) {
	w := newWindow(pool, ops, func() {})
	w.slide(ctx, concurrency)
	return w.results, errors.Join(w.errs...)
}

// BatchTx runs operations one after the other in one transaction, and returns
// their results in order. If one fails all are rolled back, and the error is a
// [*BatchError]. The transaction is that of [Do], which may run all of them
// again, and whose other errors BatchTx returns as they are; for an isolation
// level or a limit of attempts, use Do.
func BatchTx[T any](ctx context.Context, pool Beginner, ops ...Op[T]) ([]T, error) {
	results := make([]T, len(ops))
	err := Do(ctx, pool, func(ctx context.Context, tx pgx.Tx) (err error) {
		for i, op := range ops {
			if results[i], err = op(ctx, tx); err != nil {
				return &BatchError{Index: i, Err: err}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// window runs the operations of a batch, a bounded number at a time.
type window[T any] struct {
	// Fixed after construction.
	pool   Querier
	ops    []Op[T]
	cancel func() // keeps others from beginning, called after each error

	next atomic.Int64 // the operation that begins next

	// One element for each operation, set by whoever runs it.
	results []T
	errs    []error

	mu    sync.Mutex
	first *BatchError // guarded by mu; the first in time
	panic any         // guarded by mu; what an operation panicked with
}

func newWindow[T any](pool Querier, ops []Op[T], cancel func()) *window[T] {
	return &window[T]{pool: pool, ops: ops, cancel: cancel, results: make([]T, len(ops)), errs: make([]error, len(ops))}
}

// slide runs all operations, or panics as one of them did.
func (w *window[T]) slide(ctx context.Context, concurrency int) {
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	ctx, cancel := context.WithCancel(ctx) // for a panic, which ends BatchAll too
	defer cancel()
	var workers sync.WaitGroup
	for range min(concurrency, len(w.ops)) {
		workers.Go(func() {
			for {
				i := int(w.next.Add(1)) - 1
				if i >= len(w.ops) {
					return
				}
				w.run(ctx, i, cancel)
			}
		})
	}
	workers.Wait()
	if w.panic != nil {
		panic(w.panic)
	}
}

// run runs operation i, unless ctx has ended.
func (w *window[T]) run(ctx context.Context, i int, stop func()) {
	if err := ctx.Err(); err != nil {
		w.fail(i, err)
		return
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		// Left to itself, the panic would end the program: nobody could
		// recover from it in this goroutine.
		value := recover()
		stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.panic = fmt.Sprintf("operation %d of a weir batch panicked, or ended its goroutine: %v\n\n%s", i, value, debug.Stack())
	}()
	result, err := w.ops[i](ctx, w.pool)
	returned = true
	if err != nil {
		w.fail(i, err)
		return
	}
	w.results[i] = result
}

// fail takes in that operation i has failed.
func (w *window[T]) fail(i int, err error) {
	e := &BatchError{Index: i, Err: err}
	w.errs[i] = e
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = e
	}
	w.cancel()
}
