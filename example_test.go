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

// A transfer between two accounts. It is run again if PostgreSQL undoes it, or
// its connection is lost before COMMIT.
func ExampleDo() {
	gateway := bank() // weir.Open, before a database with accounts
	defer gateway.Close()
	ctx := context.Background()

	transfer := func(from, to string, amount int) error {
		return weir.Do(ctx, gateway.Pool(), func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "update accounts set balance = balance - $1 where owner = $2", amount, from); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "update accounts set balance = balance + $1 where owner = $2", amount, to)
			return err
		})
	}

	fmt.Println(transfer("anna", "bela", 30))
	fmt.Println(transfer("anna", "bela", 300) != nil) // anna has 70: nothing happens
	// Output:
	// <nil>
	// true
}

// A serializable transaction, with a word about each retry.
func ExampleDo_options() {
	gateway := bank()
	defer gateway.Close()

	var total int
	err := weir.Do(context.Background(), gateway.Pool(), func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select sum(balance) from accounts").Scan(&total)
	},
		weir.WithTxOptions(pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}),
		weir.WithAttempts(5),
		weir.WithBackoff(20*time.Millisecond, 500*time.Millisecond),
		weir.WithPatience(10*time.Second),
		weir.OnRetry(func(r weir.Retry) { fmt.Println("attempt", r.Attempt, "failed:", r.Err) }),
	)
	fmt.Println(total, err)
	// Output: 120 <nil>
}

// What to do with the errors of Do.
func ExampleCommitUnknownError() {
	answer := func(err error) string {
		switch {
		case err == nil:
			return "done"
		case errors.Is(err, weir.ErrCommitUnknown):
			return "look at the data before you try again"
		case errors.Is(err, weir.ErrGaveUp):
			return "nothing has happened; try again later"
		default:
			return "nothing has happened: " + err.Error()
		}
	}
	fmt.Println(answer(&weir.CommitUnknownError{Err: errors.New("unexpected EOF")}))
	// Output: look at the data before you try again
}

// balanceOf is an operation that reads an account.
func balanceOf(owner string) weir.Op[int] {
	return func(ctx context.Context, db weir.Querier) (n int, err error) {
		err = db.QueryRow(ctx, "select balance from accounts where owner = $1", owner).Scan(&n)
		return n, err
	}
}

// Three questions, two at a time.
func ExampleBatch() {
	gateway := bank()
	defer gateway.Close()

	balances, err := weir.Batch(context.Background(), gateway.Pool(), 2,
		balanceOf("anna"), balanceOf("bela"), balanceOf("cleo"))
	fmt.Println(balances, err)

	_, err = weir.Batch(context.Background(), gateway.Pool(), 2, balanceOf("anna"), balanceOf("nobody"))
	fmt.Println(err)
	// Output:
	// [100 20 0] <nil>
	// operation 1 of the batch: no rows in result set
}

// The answers that there are, and what became of the others.
func ExampleBatchAll() {
	gateway := bank()
	defer gateway.Close()

	balances, err := weir.BatchAll(context.Background(), gateway.Pool(), 2,
		balanceOf("nobody"), balanceOf("bela"), balanceOf("somebody"))
	fmt.Println(balances)
	fmt.Println(err)
	// Output:
	// [0 20 0]
	// operation 0 of the batch: no rows in result set
	// operation 2 of the batch: no rows in result set
}

// Operations that all happen, or none.
func ExampleBatchTx() {
	gateway := bank()
	defer gateway.Close()
	ctx := context.Background()

	add := func(owner string, amount int) weir.Op[int] {
		return func(ctx context.Context, db weir.Querier) (n int, err error) {
			err = db.QueryRow(ctx, "update accounts set balance = balance + $2 where owner = $1 returning balance", owner, amount).Scan(&n)
			return n, err
		}
	}
	fmt.Println(weir.BatchTx(ctx, gateway.Pool(), add("anna", -30), add("cleo", 30)))

	_, err := weir.BatchTx(ctx, gateway.Pool(), add("cleo", 500), add("anna", -500))
	var failed *weir.BatchError
	fmt.Println(errors.As(err, &failed), failed.Index)
	fmt.Println(weir.Batch(ctx, gateway.Pool(), 2, balanceOf("anna"), balanceOf("cleo")))
	// Output:
	// [70 30] <nil>
	// true 1
	// [70 30] <nil>
}

// Three statements in one round trip, one of them without a result.
func ExampleBatchPipeline() {
	gateway := bank()
	defer gateway.Close()

	type account struct {
		Owner   string
		Balance int
	}
	list := weir.AllRows(pgx.RowToStructByName[account])
	results, err := weir.BatchPipeline(context.Background(), gateway.Pool(),
		weir.Statement[[]account]{SQL: "select * from accounts where balance > $1 order by owner", Args: []any{10}, Read: list},
		weir.Statement[[]account]{SQL: "update accounts set balance = balance + 5"},
		weir.Statement[[]account]{SQL: "select * from accounts where owner = @owner", Args: []any{pgx.NamedArgs{"owner": "cleo"}}, Read: list},
	)
	fmt.Println(results, err)
	// Output: [[{anna 100} {bela 20}] [] [{cleo 5}]] <nil>
}
