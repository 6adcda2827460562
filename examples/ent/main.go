// SPDX-License-Identifier: Apache-2.0

// Command ent uses ent through a weir inside the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"golang.org/x/sync/errgroup"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/examples/ent/ent"
	"github.com/weir-pg/weir/examples/ent/ent/order"
)

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
	client := ent.NewClient(ent.Driver(entsql.OpenDB(dialect.Postgres, gateway.DB())))
	if err := client.Schema.Create(ctx); err != nil {
		return err
	}
	var group errgroup.Group
	for i := range 40 {
		group.Go(func() error { return client.Order.Create().SetCustomer("anna").SetCents(i).Exec(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := raise(ctx, client, "anna", 20); err != nil {
		return err
	}
	return report(ctx, client, out)
}

// raise adds to all orders of a customer in one transaction.
func raise(ctx context.Context, client *ent.Client, customer string, cents int) error {
	tx, err := client.Tx(ctx)
	if err != nil {
		return err
	}
	if err := tx.Order.Update().Where(order.Customer(customer)).AddCents(cents).Exec(ctx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// report prints what each customer has ordered.
func report(ctx context.Context, client *ent.Client, out io.Writer) error {
	var totals []struct {
		Customer string
		Orders   int
		Cents    int
	}
	err := client.Order.Query().Order(order.ByCustomer()).GroupBy(order.FieldCustomer).
		Aggregate(ent.As(ent.Count(), "orders"), ent.As(ent.Sum(order.FieldCents), "cents")).
		Scan(ctx, &totals)
	for _, t := range totals {
		fmt.Fprintf(out, "%s has %d orders of %d cents\n", t.Customer, t.Orders, t.Cents)
	}
	return err
}
