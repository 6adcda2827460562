// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

func TestDoCommits(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		if err := weir.Do(bounded(t), l, addRow); err != nil {
			t.Fatal(err)
		}
		if got := l.rows(t); got != "1" {
			t.Errorf("%s rows, want 1", got)
		}
	})
}

func TestDoSetsTheOptionsOfTheTransaction(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		var level, readOnly string
		err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, "select current_setting('transaction_isolation'), current_setting('transaction_read_only')").
				Scan(&level, &readOnly)
		}, weir.WithTxOptions(pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}))
		if err != nil || level != "serializable" || readOnly != "on" {
			t.Errorf("got %q, read only %q, %v", level, readOnly, err)
		}
	})
}

// TestDoRunsASerializationFailureAgain has PostgreSQL undo the first attempt, at
// a statement or at COMMIT.
func TestDoRunsASerializationFailureAgain(t *testing.T) {
	t.Parallel()
	serializable := pgx.TxOptions{IsoLevel: pgx.Serializable}
	// other commits a transaction that cannot have run before or after another
	// one that read what this writes, and writes what this has read.
	other := func(ctx context.Context, l *library) error {
		return weir.Do(ctx, l, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into rows select count(*) from rows")
			return err
		}, weir.WithTxOptions(serializable), weir.WithAttempts(1))
	}
	for name, others := range map[string]func(ctx context.Context, tx pgx.Tx, meet func() error) error{
		"at a statement": func(ctx context.Context, tx pgx.Tx, meet func() error) error {
			var n int
			if err := tx.QueryRow(ctx, "select count(*) from rows").Scan(&n); err != nil {
				return err
			}
			if err := meet(); err != nil {
				return err
			}
			return addRow(ctx, tx)
		},
		"at COMMIT": func(ctx context.Context, tx pgx.Tx, meet func() error) error {
			if _, err := tx.Exec(ctx, "insert into rows select count(*) from rows"); err != nil {
				return err
			}
			return meet()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			libraries(t, func(t *testing.T, l *library) {
				ctx, attempts := bounded(t), 0
				var inFn error
				var retries []weir.Retry
				err := weir.Do(ctx, l, func(ctx context.Context, tx pgx.Tx) error {
					attempts++
					inFn = others(ctx, tx, func() error {
						if attempts > 1 {
							return nil
						}
						return other(ctx, l)
					})
					return inFn
				}, weir.WithTxOptions(serializable), weir.OnRetry(func(r weir.Retry) {
					if atCommit := inFn == nil; atCommit != (name == "at COMMIT") {
						t.Errorf("it failed otherwise: the function returned %v", inFn)
					}
					retries = append(retries, r)
				}))
				if err != nil || attempts != 2 {
					t.Errorf("%d attempts, want 2: %v", attempts, err)
				}
				if len(retries) != 1 || retries[0].Attempt != 1 || code(retries[0].Err) != "40001" || retries[0].Pause > 10*time.Millisecond {
					t.Errorf("retries: %v", retries)
				}
				if got := l.rows(t); got != "2" {
					t.Errorf("%s rows, want 2", got)
				}
			})
		})
	}
}

func TestDoRunsADeadlockAgain(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		testpg.Exec(t, l.admin, "insert into rows values (1), (2)")
		ctx := bounded(t)
		var both sync.WaitGroup // have locked their first row
		both.Add(2)
		attempts := make([]int, 2)
		run := func(i int) error {
			return weir.Do(ctx, l, func(ctx context.Context, tx pgx.Tx) error {
				attempts[i]++
				if _, err := tx.Exec(ctx, "set local deadlock_timeout = '20ms'"); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, "select from rows where n = $1 for update", i+1); err != nil {
					return err
				}
				if attempts[i] == 1 {
					both.Done()
					both.Wait()
				}
				_, err := tx.Exec(ctx, "select from rows where n = $1 for update", 2-i)
				return err
			})
		}
		second := make(chan error, 1)
		go func() { second <- run(1) }()
		if err := errors.Join(run(0), <-second); err != nil {
			t.Error(err)
		}
		if attempts[0]+attempts[1] < 3 {
			t.Errorf("attempts %v: there was no deadlock", attempts)
		}
	})
}

func TestDoReturnsTheFunctionsOwnError(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		own, attempts := errors.New("no such customer"), 0
		err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			return errors.Join(addRow(ctx, tx), own)
		})
		if !errors.Is(err, own) || errors.Is(err, weir.ErrGaveUp) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		err = weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			_, err := tx.Exec(ctx, "select 1 / 0")
			return err
		})
		if code(err) != "22012" || attempts != 2 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		if got := l.rows(t); got != "0" {
			t.Errorf("%s rows, want none", got)
		}
	}, connsOf(1))
}

func TestDoRollsBackWhenTheFunctionPanics(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		func() {
			defer func() {
				if got := recover(); got != "a defect" {
					t.Errorf("the panic arrived as %v", got)
				}
			}()
			_ = weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
				if err := addRow(ctx, tx); err != nil {
					t.Error(err)
				}
				panic("a defect")
			})
		}()
		until(t, "no connection to be in use", func() bool { return l.Stat().AcquiredConns() == 0 })
		if err := weir.Do(bounded(t), l, addRow); err != nil {
			t.Error(err)
		}
		if got := l.rows(t); got != "1" {
			t.Errorf("%s rows, want that of the second transaction", got)
		}
	}, connsOf(1))
}

// TestDoDoesNotBelieveAFunctionThatSwallowsAnError has functions return nil,
// although nothing can be committed.
func TestDoDoesNotBelieveAFunctionThatSwallowsAnError(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		for name, c := range map[string]struct {
			fn   func(ctx context.Context, tx pgx.Tx) error
			want error // that errors.Is finds, nil for any
			rows string
		}{
			"a failed statement": {func(ctx context.Context, tx pgx.Tx) error {
				_, _ = tx.Exec(ctx, "select 1 / 0")
				return nil
			}, pgx.ErrTxCommitRollback, "0"},
			"its own ROLLBACK": {func(ctx context.Context, tx pgx.Tx) error {
				return tx.Rollback(ctx)
			}, nil, "0"},
			"a ROLLBACK in SQL": {func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "rollback")
				return err
			}, nil, "0"},
			"open rows": {func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Query(ctx, "select generate_series(1, 100000)")
				return err
			}, nil, "0"},
			"its own COMMIT": {func(ctx context.Context, tx pgx.Tx) error {
				return tx.Commit(ctx)
			}, nil, "0"},
		} {
			attempts := 0
			err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
				attempts++
				if err := addRow(ctx, tx); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				return c.fn(ctx, tx)
			})
			if err == nil || c.want != nil && !errors.Is(err, c.want) || errors.Is(err, weir.ErrCommitUnknown) || attempts != 1 {
				t.Errorf("%s: %d attempts, %v", name, attempts, err)
			}
			if got := l.rows(t); got != c.rows {
				t.Errorf("%s: %s rows, want %s", name, got, c.rows)
			}
		}
		// A pool closes what it does not keep in the background.
		until(t, "no connection to be in use", func() bool { return l.Stat().AcquiredConns() == 0 })
	})
}

// TestDoRunsNothingAgainThatWasCommitted has a function commit in SQL, and fail
// afterwards with what is run again elsewhere.
func TestDoRunsNothingAgainThatWasCommitted(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			if err := addRow(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "commit"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "do $$ begin raise serialization_failure; end $$")
			return err
		})
		if code(err) != "40001" {
			t.Error(err)
		}
		if got := l.rows(t); got != "1" {
			t.Errorf("%s rows, want 1", got)
		}
	})
}

// raise fails as if PostgreSQL had undone the transaction.
func raise(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "do $$ begin raise serialization_failure; end $$")
	return err
}

func TestDoGivesUp(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		attempts := 0
		err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			return raise(ctx, tx)
		}, weir.WithAttempts(3), weir.WithBackoff(time.Millisecond, time.Millisecond))
		if !errors.Is(err, weir.ErrGaveUp) || code(err) != "40001" || attempts != 3 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
	})
}

func TestDoEndsWithItsContextWhileItPauses(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		ctx, cancel := context.WithCancel(bounded(t))
		err := weir.Do(ctx, l, raise, weir.WithBackoff(time.Hour, time.Hour), weir.WithPatience(0), weir.OnRetry(func(weir.Retry) { cancel() }))
		if !errors.Is(err, weir.ErrGaveUp) || !errors.Is(err, context.Canceled) || code(err) != "40001" {
			t.Error(err)
		}
	})
}

func TestDoEndsWithItsContextInTheFunction(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		ctx, cancel := context.WithCancel(bounded(t))
		attempts := 0
		var cancelled time.Time
		err := weir.Do(ctx, l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			if err := addRow(ctx, tx); err != nil {
				t.Error(err)
			}
			cancelled = time.Now()
			cancel()
			return nil
		})
		took := time.Since(cancelled)
		if !errors.Is(err, context.Canceled) || errors.Is(err, weir.ErrCommitUnknown) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		if got := l.rows(t); got != "0" {
			t.Errorf("%s rows, want none", got)
		}
		if l.Stat().TotalConns() != 1 && took < time.Second { // which a ROLLBACK gets
			t.Errorf("the connection was closed after %v, although a ROLLBACK would have done", took)
		}
	}, func(c *pgxpool.Config) { c.MinConns, c.MaxConns = 0, 1 })
}

// TestDoTakesAFunctionsOwnTimeoutAsItsError has a function set a shorter limit
// than the context's: to run it again would give it more time than it wants.
func TestDoTakesAFunctionsOwnTimeoutAsItsError(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		attempts := 0
		err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			ctx, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			defer stop()
			_, err := tx.Exec(ctx, "select pg_sleep(60)")
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
	})
}
