// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir"
)

// slow is a pool in which each transaction waits for a while and then fails.
type slow struct {
	wait  time.Duration
	err   error
	begun int
}

func (s *slow) BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error) {
	s.begun++
	time.Sleep(s.wait)
	return nil, s.err
}

// TestDoHasOneDeadlineOverAllAttempts has pools let each attempt wait.
func TestDoHasOneDeadlineOverAllAttempts(t *testing.T) {
	t.Parallel()
	full, conflict := &pgconn.PgError{Code: "53300"}, &pgconn.PgError{Code: "40001"}
	for _, test := range []struct {
		name        string
		pool        slow
		options     []weir.DoOption
		begun       int
		least, most time.Duration
	}{
		{"a wait as long as the deadline", slow{wait: 30 * time.Second, err: full}, nil, 1, 30 * time.Second, 31 * time.Second},
		{"shorter waits", slow{wait: 12 * time.Second, err: full}, nil, 3, 36 * time.Second, 37 * time.Second},
		{"another deadline", slow{wait: time.Second, err: full}, []weir.DoOption{weir.WithPatience(time.Second)}, 1, time.Second, 2 * time.Second},
		{"none", slow{wait: 30 * time.Second, err: full}, []weir.DoOption{weir.WithPatience(0)}, 10, 300 * time.Second, 310 * time.Second},
		{"conflicts, which work and do not wait", slow{wait: 30 * time.Second, err: conflict}, nil, 10, 300 * time.Second, 310 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := weir.Do(t.Context(), &test.pool, func(context.Context, pgx.Tx) error { return nil }, test.options...)
				if !errors.Is(err, weir.ErrGaveUp) || !errors.Is(err, test.pool.err) {
					t.Errorf("got %v, want that it gave up", err)
				}
				if took := time.Since(began); test.pool.begun != test.begun || took < test.least || took > test.most {
					t.Errorf("%d attempts in %v, want %d in %v to %v", test.pool.begun, took, test.begun, test.least, test.most)
				}
			})
		})
	}
}
