// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
)

// once does something to the first message that matches.
func once(matches func(*faultproxy.Message) bool, do func(*faultproxy.Message) faultproxy.Fate) faultproxy.Script {
	done := false
	return func(m *faultproxy.Message) faultproxy.Fate {
		if done || !matches(m) {
			return faultproxy.Live
		}
		done = true
		return do(m)
	}
}

// asks matches a client's message with some text in it.
func asks(text string) func(*faultproxy.Message) bool {
	return func(m *faultproxy.Message) bool {
		return m.From == faultproxy.Client && bytes.Contains(m.Bytes, []byte(text))
	}
}

// replies matches a server's message with some text in it.
func replies(text string) func(*faultproxy.Message) bool {
	return func(m *faultproxy.Message) bool {
		return m.From == faultproxy.Upstream && bytes.Contains(m.Bytes, []byte(text))
	}
}

// swallow drops a message and the connection with it.
func swallow(m *faultproxy.Message) faultproxy.Fate {
	m.Bytes = nil
	return faultproxy.Reset
}

// TestDoRunsALostTransactionAgain cuts the connection to PostgreSQL before
// COMMIT was sent.
func TestDoRunsALostTransactionAgain(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func() faultproxy.Script{
		"before a statement": func() faultproxy.Script { return once(asks("insert"), swallow) },
		"in its answer":      func() faultproxy.Script { return once(replies("INSERT"), swallow) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			libraries(t, func(t *testing.T, l *library) {
				attempts := 0
				l.proxy.Script(script())
				err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
					attempts++
					if _, err := tx.Exec(ctx, "select 1"); err != nil {
						return err
					}
					return addRow(ctx, tx)
				})
				if err != nil || attempts != 2 {
					t.Errorf("%d attempts, want 2: %v", attempts, err)
				}
				if got := l.rows(t); got != "1" {
					t.Errorf("%s rows, want 1", got)
				}
			})
		})
	}
}

// TestDoKnowsNotWhatBecameOfACommit cuts the connection to PostgreSQL when
// COMMIT was sent. It is never run twice.
func TestDoKnowsNotWhatBecameOfACommit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script func() faultproxy.Script
		rows   string
	}{
		"COMMIT was lost":     {func() faultproxy.Script { return once(asks("commit"), swallow) }, "0"},
		"its answer was lost": {func() faultproxy.Script { return once(replies("COMMIT"), swallow) }, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			libraries(t, func(t *testing.T, l *library) {
				attempts := 0
				err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
					attempts++
					l.proxy.Script(c.script())
					return addRow(ctx, tx)
				})
				unknown, ok := errors.AsType[*weir.CommitUnknownError](err)
				if !errors.Is(err, weir.ErrCommitUnknown) || !ok || unknown.SQLState() != "08007" || unknown.Err == nil || attempts != 1 {
					t.Errorf("%d attempts, %v", attempts, err)
				}
				until(t, "what becomes of the transaction", func() bool { return l.rows(t) == c.rows })
			})
		})
	}
}

// TestDoKnowsNotWhatBecameOfACommitThatItLeft ends the context while COMMIT is
// under way. PostgreSQL has carried it out by then, or the cancel request that
// follows might meet it.
func TestDoKnowsNotWhatBecameOfACommitThatItLeft(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		ctx, cancel := context.WithCancel(bounded(t))
		attempts := 0
		err := weir.Do(ctx, l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			l.proxy.Script(once(replies("COMMIT"), func(m *faultproxy.Message) faultproxy.Fate {
				cancel()
				m.Bytes = nil
				return faultproxy.Hang
			}))
			return addRow(ctx, tx)
		})
		if !errors.Is(err, weir.ErrCommitUnknown) || !errors.Is(err, context.Canceled) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		until(t, "what becomes of the transaction", func() bool { return l.rows(t) == "1" })
		l.proxy.Reset()
	})
}

// TestDoInAnother has a Do inside a Do, whose COMMIT has an unknown outcome: to
// run the outer one again would run the inner one twice.
func TestDoInAnother(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		outer := 0
		err := weir.Do(bounded(t), l, func(ctx context.Context, _ pgx.Tx) error {
			outer++
			return weir.Do(ctx, l, func(ctx context.Context, tx pgx.Tx) error {
				l.proxy.Script(once(asks("commit"), swallow))
				return addRow(ctx, tx)
			})
		})
		if !errors.Is(err, weir.ErrCommitUnknown) || outer != 1 {
			t.Errorf("%d attempts, %v", outer, err)
		}
	})
}

func TestDoRunsATerminatedTransactionAgain(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		attempts := 0
		err := weir.Do(bounded(t), l, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			if err := addRow(ctx, tx); err != nil || attempts > 1 {
				return err
			}
			_, err := tx.Exec(ctx, "select pg_terminate_backend(pg_backend_pid())")
			return err
		}, weir.OnRetry(func(r weir.Retry) {
			if code(r.Err) != "57P01" {
				t.Errorf("it failed otherwise: %v", r.Err)
			}
		}))
		if err != nil || attempts != 2 {
			t.Errorf("%d attempts, want 2: %v", attempts, err)
		}
		if got := l.rows(t); got != "1" {
			t.Errorf("%s rows, want 1", got)
		}
	})
}

// TestDoHearsOfALossBeforeCOMMIT has the connection to PostgreSQL end while the
// function does something else: at the next thing that it asks, or at COMMIT, it
// is known that nothing was committed.
func TestDoHearsOfALossBeforeCOMMIT(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(context.Context, pgx.Tx) error{
		"COMMIT":      func(context.Context, pgx.Tx) error { return nil },
		"a statement": addRow,
	} {
		for _, through := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, through weir %v", name, through), func(t *testing.T) {
				t.Parallel()
				url := database(t)
				testpg.Exec(t, url, "create table rows (n int)")
				p, gone := pool(t, url), func() bool { return true }
				if through {
					g := open(t, url, poolOf(1))
					p, gone = pool(t, g.url()), func() bool { return g.Status().Upstreams.Active == 0 }
				}
				attempts := 0
				err := weir.Do(bounded(t), p, func(ctx context.Context, tx pgx.Tx) error {
					attempts++
					var pid int
					if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
						return err
					}
					if err := addRow(ctx, tx); err != nil || attempts > 1 {
						return err
					}
					testpg.Exec(t, url, fmt.Sprintf("select pg_terminate_backend(%d, 30000)", pid))
					until(t, "weir to notice", gone)
					return last(ctx, tx)
				})
				if err != nil || attempts != 2 {
					t.Errorf("%d attempts, want 2: %v", attempts, err)
				}
				if got := testpg.Exec(t, url, "select count(*) from rows")[0][0]; got != "1" {
					t.Errorf("%s rows, want 1", got)
				}
			})
		}
	}
}

// TestDoBeginsAgainWhereNoConnectionIsToBeHad fails the first logins.
func TestDoBeginsAgainWhereNoConnectionIsToBeHad(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, 0)
	p.Script(func(m *faultproxy.Message) faultproxy.Fate {
		if m.Type == 0 {
			return swallow(m)
		}
		return faultproxy.Live
	})
	var retries []error
	err := weir.Do(bounded(t), pool(t, through), func(context.Context, pgx.Tx) error { return nil },
		weir.OnRetry(func(r weir.Retry) {
			if retries = append(retries, r.Err); len(retries) == 2 {
				p.Script(nil)
			}
		}))
	if err != nil || len(retries) != 2 {
		t.Errorf("%v after %v", err, retries)
	}
}

func TestDoBeginsAgainWhenPostgreSQLIsFull(t *testing.T) {
	t.Parallel()
	url := database(t)
	role := testpg.Role(t, url, "connection limit 1")
	holder, err := pgx.Connect(bounded(t), role)
	if err != nil {
		t.Fatal(err)
	}
	var first error
	err = weir.Do(bounded(t), pool(t, role), func(context.Context, pgx.Tx) error { return nil },
		weir.WithAttempts(100), weir.OnRetry(func(r weir.Retry) {
			if r.Attempt == 1 {
				first = r.Err
				_ = holder.Close(bounded(t))
			}
		}))
	if err != nil || code(first) != "53300" {
		t.Errorf("%v after %v", err, first)
	}
}

func TestDoDoesNotWaitTwiceInWeirsQueue(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	release := hold(t, g)
	defer release()
	g.reload(t, poolOf(1), waits(soon)) // which a login need not fit in
	attempts := 0
	err := weir.Do(bounded(t), pool(t, g.url()), func(ctx context.Context, tx pgx.Tx) error {
		attempts++
		_, err := tx.Exec(ctx, "select 1")
		return err
	})
	if code(err) != "53300" || attempts > 1 || errors.Is(err, weir.ErrGaveUp) {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

// TestDoDoesNotWaitTwiceForPostgreSQL has weir wait for a PostgreSQL that is not
// there.
func TestDoDoesNotWaitTwiceForPostgreSQL(t *testing.T) {
	t.Parallel()
	g := open(t, nowhere(t), waits(soon))
	g.knowsOfTheOutage(t)
	err := weir.Do(bounded(t), g.Pool(), raise, weir.OnRetry(func(r weir.Retry) {
		t.Errorf("it was tried again after %v", r.Err)
	}))
	if !weir.IsUpstreamDown(err) || errors.Is(err, weir.ErrGaveUp) {
		t.Error(err)
	}
}

// TestDoOverTLS looks for what has arrived below TLS, and is not held up by what
// is no message of the protocol.
func TestDoOverTLS(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create table rows (n int)")
	p := pool(t, open(t, url, poolOf(1)).url("sslmode=require"), connsOf(1))
	attempts := 0
	for range 3 {
		err := weir.Do(bounded(t), p, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			return addRow(ctx, tx)
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n := p.Stat().NewConnsCount(); n != 1 || attempts != 3 {
		t.Errorf("%d connections and %d attempts, want 1 and 3", n, attempts)
	}
}

// TestDoOnOneConnection can run a conflict again, a lost connection not.
func TestDoOnOneConnection(t *testing.T) {
	t.Parallel()
	libraries(t, func(t *testing.T, l *library) {
		conn, err := pgx.Connect(bounded(t), l.url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(bounded(t))
		attempts := 0
		err = weir.Do(bounded(t), conn, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			if attempts == 1 {
				return raise(ctx, tx)
			}
			return nil
		}, weir.WithBackoff(time.Millisecond, time.Millisecond))
		if err != nil || attempts != 2 {
			t.Errorf("a conflict: %d attempts, %v", attempts, err)
		}
		err = weir.Do(bounded(t), conn, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			_ = conn.PgConn().Conn().Close()
			return addRow(ctx, tx)
		})
		if err == nil || attempts != 3 || errors.Is(err, weir.ErrCommitUnknown) {
			t.Errorf("a lost connection: %d attempts, %v", attempts, err)
		}
	})
}

// TestDoDoesNotTryWhatCannotWork gets an answer that another attempt gets too.
func TestDoDoesNotTryWhatCannotWork(t *testing.T) {
	t.Parallel()
	url := database(t)
	closed := pool(t, url)
	closed.Close()
	for name, p := range map[string]weir.Beginner{
		"a wrong password": pool(t, (&library{url: url}).roleURL(t, "postgres://nobody:wrong@host")),
		"a closed pool":    closed,
	} {
		err := weir.Do(bounded(t), p, func(context.Context, pgx.Tx) error { return nil },
			weir.OnRetry(func(r weir.Retry) { t.Errorf("%s was tried again after %v", name, r.Err) }))
		if err == nil || errors.Is(err, weir.ErrGaveUp) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
