// SPDX-License-Identifier: Apache-2.0

// Command sqlc uses the code that sqlc generates through a weir inside the
// program, with weir.Batch and weir.Do.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/examples/sqlc/orders"
)

//go:embed schema.sql
var schema string

func main() {
	if err := start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start opens the gateway that DATABASE_URL and its like describe.
func start(ctx context.Context) error {
	cfg, err := weir.ConfigFromEnv()
	if err != nil {
		return err
	}
	gateway, err := weir.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(run(ctx, gateway, os.Stdout), gateway.Shutdown(ctx))
}

// run makes forty orders, eight at a time, over the few connections that the
// gateway has.
func run(ctx context.Context, gateway *weir.Gateway, out io.Writer) error {
	pool := gateway.Pool()
	if _, err := pool.Exec(ctx, schema); err != nil {
		return err
	}
	var ops []weir.Op[int64]
	for i := range 40 {
		ops = append(ops, create("anna", i))
	}
	if _, err := weir.Batch(ctx, pool, 8, ops...); err != nil {
		return err
	}
	if err := double(ctx, pool, "anna"); err != nil {
		return err
	}
	totals, err := orders.New(pool).Totals(ctx)
	for _, t := range totals {
		fmt.Fprintf(out, "%s has %d orders of %d cents\n", t.Customer, t.Orders, t.Cents)
	}
	return err
}

// create is an operation that makes an order and returns its id.
func create(customer string, cents int) weir.Op[int64] {
	return func(ctx context.Context, db weir.Querier) (int64, error) {
		return orders.New(db).Create(ctx, orders.CreateParams{Customer: customer, Cents: int32(cents)})
	}
}

// double doubles all orders of a customer in one transaction.
func double(ctx context.Context, pool weir.Beginner, customer string) error {
	return weir.Do(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		q := orders.New(tx)
		ids, err := q.Lock(ctx, customer)
		if err != nil {
			return err
		}
		return q.Double(ctx, ids)
	})
}
