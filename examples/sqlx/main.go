// SPDX-License-Identifier: Apache-2.0

// Command sqlx uses sqlx through a weir inside the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"github.com/weir-pg/weir"
)

// Order is a row of the table.
type Order struct {
	Customer string `db:"customer"`
	Cents    int    `db:"cents"`
}

// Total is what a customer has ordered.
type Total struct {
	Customer string `db:"customer"`
	Orders   int    `db:"orders"`
	Cents    int    `db:"cents"`
}

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

// run lets forty goroutines order at once, over the few connections that the
// gateway has.
func run(ctx context.Context, gateway *weir.Gateway, out io.Writer) error {
	db := sqlx.NewDb(gateway.DB(), "pgx")
	if _, err := db.ExecContext(ctx, "create table orders (customer text not null, cents int not null)"); err != nil {
		return err
	}
	var group errgroup.Group
	for i := range 40 {
		group.Go(func() error {
			_, err := db.NamedExecContext(ctx, "insert into orders values (:customer, :cents)", Order{"anna", i})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := double(ctx, db, "anna"); err != nil {
		return err
	}
	return report(ctx, db, out)
}

// double doubles all orders of a customer in one transaction.
func double(ctx context.Context, db *sqlx.DB, customer string) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after COMMIT there is nothing left to roll back
	var locked []int
	if err := tx.SelectContext(ctx, &locked, "select cents from orders where customer = $1 for update", customer); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "update orders set cents = cents * 2 where customer = $1", customer); err != nil {
		return err
	}
	return tx.Commit()
}

// report prints what each customer has ordered.
func report(ctx context.Context, db *sqlx.DB, out io.Writer) error {
	var totals []Total
	err := db.SelectContext(ctx, &totals, "select customer, count(*) as orders, sum(cents) as cents from orders group by customer order by customer")
	for _, t := range totals {
		fmt.Fprintf(out, "%s has %d orders of %d cents\n", t.Customer, t.Orders, t.Cents)
	}
	return err
}
