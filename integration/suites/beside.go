// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/jackc/pgx/v5"
)

// strange is what other clients leave behind between a suite's: settings that change
// what a statement means, a role, numbers of sequences, prepared statements.
var strange = []string{
	"set datestyle = 'German'", "set timezone = 'Asia/Tokyo'", "set intervalstyle = 'iso_8601'", "set search_path = 'pg_catalog'", "set standard_conforming_strings = off",
	"set bytea_output = 'escape'", "set extra_float_digits = 0", "set enable_seqscan = off", "set role pg_monitor", "reset role", "reset all", "set transform_null_equals = on",
	"set app.tenant = 'beside'", "select set_config('app.other', 'beside', false)", "set client_encoding = 'LATIN1'", "set default_transaction_isolation = 'serializable'",
	"begin; set local work_mem = '1MB'; select 1; rollback", "set statement_timeout = '1h'", "set client_min_messages = 'error'", "set row_security = off", "select 1",
}

// beside has n clients do something strange until stop is called. Their errors are
// told if one lost its connection; what PostgreSQL refuses is no matter.
func beside(ctx context.Context, dsn string, n int) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	errs := make([]error, n)
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() { errs[i] = stranger(ctx, dsn, rand.New(rand.NewPCG(uint64(i), 0))) })
	}
	return func() error {
		cancel()
		clients.Wait()
		return errors.Join(errs...)
	}
}

// stranger is one of them.
func stranger(ctx context.Context, dsn string, r *rand.Rand) error {
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for range 50 {
			if _, err := conn.PgConn().Exec(ctx, strange[r.IntN(len(strange))]).ReadAll(); err != nil && conn.IsClosed() {
				break
			}
		}
		_ = conn.Close(context.WithoutCancel(ctx)) // it goes anyway
	}
	return nil
}
