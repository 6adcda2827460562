// SPDX-License-Identifier: Apache-2.0

// Command gorm uses GORM through a weir inside the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/weir-pg/weir"
)

// Customer orders things.
type Customer struct {
	ID     uint
	Name   string `gorm:"unique"`
	Orders []Order
}

// Order is one thing.
type Order struct {
	ID         uint
	CustomerID uint
	Cents      int
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
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: gateway.DB()}), &gorm.Config{})
	if err != nil {
		return err
	}
	db = db.WithContext(ctx)
	if err := db.AutoMigrate(&Customer{}, &Order{}); err != nil {
		return err
	}
	anna := Customer{Name: "anna"}
	if err := db.Create(&anna).Error; err != nil {
		return err
	}
	var group errgroup.Group
	for i := range 40 {
		group.Go(func() error { return db.Create(&Order{CustomerID: anna.ID, Cents: i}).Error })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := double(db, anna.ID); err != nil {
		return err
	}
	return report(db, out)
}

// double doubles all orders of a customer in one transaction.
func double(db *gorm.DB, customer uint) error {
	return db.Transaction(func(tx *gorm.DB) error {
		var orders []Order
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("customer_id = ?", customer).Find(&orders).Error; err != nil {
			return err
		}
		for i := range orders {
			orders[i].Cents *= 2
		}
		return tx.Save(&orders).Error
	})
}

// report prints what each customer has ordered.
func report(db *gorm.DB, out io.Writer) error {
	var customers []Customer
	if err := db.Preload("Orders").Order("name").Find(&customers).Error; err != nil {
		return err
	}
	for _, c := range customers {
		total := 0
		for _, o := range c.Orders {
			total += o.Cents
		}
		fmt.Fprintf(out, "%s has %d orders of %d cents\n", c.Name, len(c.Orders), total)
	}
	return nil
}
