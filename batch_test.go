// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// echoOp is an operation that asks PostgreSQL for a number.
func echoOp(n int) weir.Op[int] {
	return func(ctx context.Context, db weir.Querier) (got int, err error) {
		err = db.QueryRow(ctx, "select $1::int", n).Scan(&got)
		return got, err
	}
}

// rowOp is an operation that adds a row.
func rowOp(n int) weir.Op[int] {
	return func(ctx context.Context, db weir.Querier) (got int, err error) {
		err = db.QueryRow(ctx, "insert into rows values ($1) returning n", n).Scan(&got)
		return got, err
	}
}

// failOp is an operation that returns an error.
func failOp(err error) weir.Op[int] {
	return func(context.Context, weir.Querier) (int, error) { return 0, err }
}

// ops makes operations of numbers, from 0.
func ops(n int, of func(int) weir.Op[int]) []weir.Op[int] {
	list := make([]weir.Op[int], n)
	for i := range list {
		list[i] = of(i)
	}
	return list
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestBatchReturnsResultsInOrder(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		for name, batch := range map[string]func() ([]int, error){
			"Batch":    func() ([]int, error) { return weir.Batch(bounded(t), l, 7, ops(50, echoOp)...) },
			"BatchAll": func() ([]int, error) { return weir.BatchAll(bounded(t), l, 7, ops(50, echoOp)...) },
			"BatchTx":  func() ([]int, error) { return weir.BatchTx(bounded(t), l, ops(50, echoOp)...) },
		} {
			if got, err := batch(); err != nil || !slices.Equal(got, upTo(50)) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	})
}

// TestBatchRunsSoManyAtOnce has operations wait until as many run as may, and
// sees no more.
func TestBatchRunsSoManyAtOnce(t *testing.T) {
	t.Parallel()
	for concurrency, want := range map[int]int32{1: 1, 3: 3, 0: weir.DefaultConcurrency, -1: weir.DefaultConcurrency, 100: 20} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			t.Parallel()
			var running, most, begun atomic.Int32
			full := make(chan struct{})
			op := func(ctx context.Context, _ weir.Querier) (int, error) {
				now := running.Add(1)
				defer running.Add(-1)
				for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
				}
				if begun.Add(1) == want {
					close(full)
				}
				select {
				case <-full:
					return 0, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
			got, err := weir.Batch(bounded(t), nil, concurrency, slices.Repeat([]weir.Op[int]{op}, 20)...)
			if err != nil || len(got) != 20 {
				t.Errorf("%d results, %v", len(got), err)
			}
			if most.Load() != want {
				t.Errorf("%d ran at once, want %d", most.Load(), want)
			}
		})
	}
}

func TestBatchEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		own := errors.New("no such customer")
		began, cancelled := make(chan struct{}), false
		list := []weir.Op[int]{
			func(ctx context.Context, db weir.Querier) (int, error) {
				close(began)
				_, err := db.Exec(ctx, "select pg_sleep(60)")
				cancelled = errors.Is(err, context.Canceled)
				return 0, err
			},
			func(context.Context, weir.Querier) (int, error) {
				<-began
				return 0, own
			},
			func(context.Context, weir.Querier) (int, error) {
				t.Error("an operation began after an error")
				return 0, nil
			},
		}
		got, err := weir.Batch(bounded(t), l, 2, list...)
		failed, ok := errors.AsType[*weir.BatchError](err)
		if !ok || failed.Index != 1 || !errors.Is(err, own) || got != nil {
			t.Errorf("%v, %v", got, err)
		}
		if !cancelled {
			t.Error("the operation that ran was not cancelled")
		}
	})
}

func TestBatchAllJoinsTheErrors(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		own := errors.New("no such customer")
		got, err := weir.BatchAll(bounded(t), l, 2, echoOp(7), failOp(own), echoOp(8),
			func(ctx context.Context, db weir.Querier) (int, error) {
				_, err := db.Exec(ctx, "select 1 / 0")
				return 0, err
			})
		if !slices.Equal(got, []int{7, 0, 8, 0}) || !errors.Is(err, own) || code(err) != "22012" {
			t.Errorf("%v, %v", got, err)
		}
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("%T is no list of errors", err)
		}
		var indexes []int
		for _, e := range joined.Unwrap() {
			failed, ok := errors.AsType[*weir.BatchError](e)
			if !ok {
				t.Fatalf("%v has no index", e)
			}
			indexes = append(indexes, failed.Index)
		}
		if !slices.Equal(indexes, []int{1, 3}) {
			t.Errorf("operations %v failed, want 1 and 3", indexes)
		}
	})
}

func TestBatchOfNothing(t *testing.T) {
	t.Parallel()
	if got, err := weir.Batch[int](bounded(t), nil, 3); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestBatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(bounded(t))
	list := []weir.Op[int]{
		func(context.Context, weir.Querier) (int, error) {
			cancel()
			return 1, nil
		},
		echoOp(2), // there is no pool: it would panic
	}
	_, err := weir.Batch(ctx, nil, 1, list...)
	if failed, ok := errors.AsType[*weir.BatchError](err); !ok || failed.Index != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("Batch: %v", err)
	}
	got, err := weir.BatchAll(ctx, nil, 1, list...)
	if !errors.Is(err, context.Canceled) || len(got) != 2 {
		t.Errorf("BatchAll: %v, %v", got, err)
	}
}

func TestBatchPanicsAsAnOperationDoes(t *testing.T) {
	t.Parallel()
	defer func() {
		text, _ := recover().(string)
		for _, words := range []string{"operation 1", "a defect", "batch_test.go"} {
			if !strings.Contains(text, words) {
				t.Errorf("the panic lacks %q: %s", words, text)
			}
		}
	}()
	_, err := weir.Batch(bounded(t), nil, 2,
		func(ctx context.Context, _ weir.Querier) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		},
		func(context.Context, weir.Querier) (int, error) { panic("a defect") })
	t.Errorf("it returned: %v", err)
}

func TestBatchTxRollsBackTogether(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		own := errors.New("no such customer")
		got, err := weir.BatchTx(bounded(t), l, rowOp(1), rowOp(2), failOp(own), rowOp(3))
		failed, ok := errors.AsType[*weir.BatchError](err)
		if !ok || failed.Index != 2 || !errors.Is(err, own) || got != nil {
			t.Errorf("%v, %v", got, err)
		}
		if n := l.rows(t); n != "0" {
			t.Errorf("%s rows, want none", n)
		}
	})
}

func TestBatchTxRunsAgainAsDoDoes(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		attempts := 0
		got, err := weir.BatchTx(bounded(t), l, rowOp(1), func(ctx context.Context, db weir.Querier) (int, error) {
			if attempts++; attempts == 1 {
				return 0, raise(ctx, db.(pgx.Tx))
			}
			return rowOp(2)(ctx, db)
		})
		if err != nil || attempts != 2 || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("%d attempts, %v, %v", attempts, got, err)
		}
		if n := l.rows(t); n != "2" {
			t.Errorf("%s rows, want 2", n)
		}
	})
}

// TestBatchOverAPoolLendsConnections runs more operations at once than there
// are connections: those wait, in the program or in weir.
func TestBatchOverAPoolLendsConnections(t *testing.T) {
	t.Parallel()
	url := testpg.URL(t)
	g := open(t, url, poolOf(2))
	began := time.Now()
	got, err := weir.Batch(bounded(t), pool(t, g.url()), 10, ops(100, echoOp)...)
	if err != nil || !slices.Equal(got, upTo(100)) {
		t.Errorf("%v, %v after %v", got, err, time.Since(began))
	}
	if n := g.Status().Upstreams.Idle + g.Status().Upstreams.Active; n > 2 {
		t.Errorf("weir has %d connections, want 2 at most", n)
	}
}
