// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// skipExamples leaves the examples out where tests that need PostgreSQL skip.
func skipExamples() {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); !testpg.Found() && skip.Value.String() == "" {
		if err := skip.Value.Set("^Example"); err != nil {
			panic(err)
		}
	}
}

// exampleURL is that of a PostgreSQL.
func exampleURL() string { return ok(testpg.Shared()) }

var banks atomic.Int32

// bank opens a gateway for an example, before a database with three accounts.
func bank() *weir.Gateway {
	ctx := context.Background()
	dsn := exampleURL()
	admin := ok(pgx.Connect(ctx, dsn))
	defer admin.Close(ctx)
	name := fmt.Sprint("bank_", banks.Add(1))
	ok(admin.Exec(ctx, "create database "+name))
	u := ok(url.Parse(dsn))
	u.Path = "/" + name
	g := ok(weir.Open(ctx, weir.Config{Upstream: u.String()}))
	ok(g.Pool().Exec(ctx, "create table accounts (owner text primary key, balance int not null check (balance >= 0))"))
	ok(g.Pool().Exec(ctx, "insert into accounts values ('anna', 100), ('bela', 20), ('cleo', 0)"))
	return g
}

// ok ends an example that cannot go on.
func ok[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
