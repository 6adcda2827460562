// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir"
)

// The settings of DATABASE_URL, DATABASE_POOL_MAX and their like.
func ExampleConfigFromEnv() {
	_ = os.Setenv("DATABASE_URL", "postgres://app:secret@db.example:5432/bank") // in real life somebody else does
	_ = os.Setenv("DATABASE_POOL_MAX", "7")
	defer os.Unsetenv("DATABASE_URL")
	defer os.Unsetenv("DATABASE_POOL_MAX")

	cfg, err := weir.ConfigFromEnv()
	fmt.Println(cfg.Pool.Max, cfg.Pool.AcquireTimeout, err)

	_ = os.Setenv("DATABASE_POOL_MAX", "many")
	_, err = weir.ConfigFromEnv()
	if mistakes, ok := errors.AsType[weir.Mistakes](err); ok {
		fmt.Println(mistakes[0])
	}
	// Output:
	// 7 30s <nil>
	// env DATABASE_POOL_MAX = "many": expected a whole number from 1 to 262143
}

// Far more goroutines than connections to PostgreSQL: they wait in weir's queue.
func ExampleGateway_Pool() {
	ctx := context.Background()
	gateway, err := weir.Open(ctx, weir.Config{Upstream: exampleURL(), Pool: weir.PoolSettings{Max: 2}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()

	answers := make(chan error)
	for range 50 {
		go func() {
			_, err := gateway.Pool().Exec(ctx, "select pg_sleep(0.001)")
			answers <- err
		}()
	}
	failed := 0
	for range 50 {
		if err := <-answers; err != nil {
			failed++
		}
	}
	fmt.Println(failed, "failed with", gateway.Status().Upstreams.Limit, "connections to PostgreSQL")
	// Output: 0 failed with 2 connections to PostgreSQL
}

// A pool that prepares its connections.
func ExampleGateway_PoolConfig() {
	gateway := bank()
	defer gateway.Close()
	ctx := context.Background()

	cfg, err := gateway.PoolConfig()
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set time zone 'Asia/Tokyo'") // follows the connection through weir
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var zone string
	err = pool.QueryRow(ctx, "select current_setting('TimeZone')").Scan(&zone)
	fmt.Println(zone, err)
	// Output: Asia/Tokyo <nil>
}

// The dial function of a driver's own settings.
func ExampleGateway_Dial() {
	gateway := bank()
	defer gateway.Close()
	ctx := context.Background()

	cfg, err := pgx.ParseConfig("host=weir user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg.DialFunc = gateway.Dial
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
	fmt.Println(conn.Ping(ctx))
	// Output: <nil>
}

// Where something is wrong, the error says what.
func ExampleGateway_Health_down() {
	gateway, err := weir.Open(context.Background(), weir.Config{Upstream: "postgres://app:secret@127.0.0.1:1/bank?sslmode=disable"})
	if err != nil {
		fmt.Println(err) // not because PostgreSQL is down
		return
	}
	defer gateway.Close()

	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	switch err := gateway.Health(ctx); {
	case err == nil:
		fmt.Println("healthy")
	case weir.IsUpstreamDown(err):
		fmt.Println("PostgreSQL is down")
	case weir.IsQueueTimeout(err):
		fmt.Println("all connections are in use")
	default:
		fmt.Println(err)
	}
	// Output: PostgreSQL is down
}
