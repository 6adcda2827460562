// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
)

// A gateway for the program alone: no port, no other process.
func ExampleOpen() {
	ctx := context.Background()
	gateway, err := weir.Open(ctx, weir.Config{
		Upstream: exampleURL(), // "postgres://app:secret@db.example.com:5432/app"
		Pool:     weir.PoolSettings{Max: 20, AcquireTimeout: 5 * time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()

	var answer int
	err = gateway.Pool().QueryRow(ctx, "select 6 * 7").Scan(&answer)
	fmt.Println(answer, err)
	// Output: 42 <nil>
}

// database/sql, and what is built on it.
func ExampleGateway_DB() {
	gateway := bank() // weir.Open, before a database with accounts
	defer gateway.Close()

	var total int
	err := gateway.DB().QueryRow("select sum(balance) from accounts").Scan(&total)
	fmt.Println(total, err)
	// Output: 120 <nil>
}

// A connection of one's own, with other settings than those of the pool.
func ExampleGateway_ConnConfig() {
	gateway := bank()
	defer gateway.Close()
	ctx := context.Background()

	config, err := gateway.ConnConfig()
	if err != nil {
		fmt.Println(err)
		return
	}
	config.RuntimeParams["application_name"] = "reports"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)

	var name string
	err = conn.QueryRow(ctx, "show application_name").Scan(&name)
	fmt.Println(name, err)
	// Output: reports <nil>
}

// The gateway of a program serves other programs too, until its context ends.
func ExampleGateway_ListenAndServe() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	gateway, err := weir.Open(ctx, weir.Config{
		Upstream: exampleURL(),
		Listen:   []string{"127.0.0.1:0"}, // "127.0.0.1:6432"
		HTTP:     "127.0.0.1:0",           // "127.0.0.1:6433"
	}, weir.WhenListening(func(*weir.Gateway) error {
		fmt.Println("clients can connect")
		stop() // for the sake of the example
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(gateway.ListenAndServe(ctx))
	// Output:
	// clients can connect
	// <nil>
}

// What a metric or a page would show.
func ExampleGateway_Status() {
	gateway := bank()
	defer gateway.Close()

	s := gateway.Status()
	fmt.Println("waiting:", s.Waiting, "the oldest for", s.OldestWait, "s")
	fmt.Println("connections:", s.Upstreams.Limit, "at most")
	// Output:
	// waiting: 0 the oldest for 0 s
	// connections: 10 at most
}

// A health check with a limit of its own.
func ExampleGateway_Health() {
	gateway := bank()
	defer gateway.Close()

	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	fmt.Println(gateway.Health(ctx))
	// Output: <nil>
}

// A request that found no free connection in time has not been executed.
func ExampleIsQueueTimeout() {
	gateway, err := weir.Open(context.Background(), weir.Config{
		Upstream: exampleURL(),
		Pool:     weir.PoolSettings{Max: 1, AcquireTimeout: 5 * time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()

	err = weir.Do(context.Background(), gateway.Pool(), func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select 1"); err != nil {
			return err
		}
		_, err := gateway.Pool().Exec(ctx, "select 1") // not in tx: it waits for the connection that tx has
		return err
	})
	var known interface{ SQLState() string }
	fmt.Println(weir.IsQueueTimeout(err), weir.NotExecuted(err), errors.As(err, &known) && known.SQLState() == "53300")
	// Output: true true true
}
