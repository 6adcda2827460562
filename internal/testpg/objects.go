// SPDX-License-Identifier: Apache-2.0

package testpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/pgserver"
)

// Database makes an empty database with a name of its own on the server of
// admin, a superuser's URL, and returns the same URL with that database. It is
// dropped when the test ends, whoever still uses it.
func Database(t testing.TB, admin string) string {
	t.Helper()
	name := unique("db")
	Exec(t, admin, "create database "+name)
	t.Cleanup(func() { drop(t, admin, name) })
	u := parse(t, admin)
	u.Path = "/" + name
	return u.String()
}

// Role makes a role that may log in and may create tables in the database of
// admin, a superuser's URL, and returns the same URL with that role and its
// password. attributes are those of CREATE ROLE, such as "connection limit 5";
// "" is none. The role is dropped when the test ends, with what it owns.
func Role(t testing.TB, admin, attributes string) string {
	t.Helper()
	name, password := unique("role"), rand.Text()
	Exec(t, admin, "create role "+name+" login password '"+password+"' "+attributes)
	Exec(t, admin, inTurn+"grant all on schema public to "+name)
	t.Cleanup(func() { Exec(t, admin, inTurn+"drop owned by "+name+"; drop role "+name) })
	u := parse(t, admin)
	u.User = url.UserPassword(name, password)
	return u.String()
}

// inTurn begins statements that change who may do what with the schema public,
// whose row two sessions cannot change at once ("tuple concurrently updated").
const inTurn = "select pg_advisory_xact_lock(20775); "

// drop drops a database. Sessions that are told to leave it are waited for for 5 s
// (CountOtherDBBackends in src/backend/storage/ipc/procarray.c), which a busy
// machine may not give them time enough to do.
func drop(t testing.TB, admin, name string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, err := try(t, admin, "drop database "+name+" with (force)")
		if err == nil {
			return
		}
		refusal, refused := errors.AsType[*pgconn.PgError](err)
		if !refused || refusal.Code != "55006" || time.Now().After(deadline) { // object_in_use
			t.Fatal(err)
		}
	}
}

// Exec runs sql, one or more statements, in a connection of its own and
// returns the rows of the last one as text; NULL is "". The connection's backend
// has gone when it returns.
func Exec(t testing.TB, url, sql string) [][]string {
	t.Helper()
	rows, err := try(t, url, sql)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func try(t testing.TB, url, sql string) (rows [][]string, err error) {
	// A test's own context has ended when its clean-ups run.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect for %q: %w", sql, err)
	}
	defer pgserver.Leave(ctx, conn)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	if len(results) == 0 {
		return nil, nil
	}
	for _, row := range results[len(results)-1].Rows {
		texts := make([]string, len(row))
		for i, value := range row {
			texts[i] = string(value)
		}
		rows = append(rows, texts)
	}
	return rows, nil
}

// unique returns an identifier that needs no quotes and that no other test has.
func unique(prefix string) string {
	return "weir_" + prefix + "_" + strings.ToLower(rand.Text()[:12])
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatalf("URL of the test's PostgreSQL: %v", err)
	}
	return u
}
