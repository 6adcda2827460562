// SPDX-License-Identifier: Apache-2.0

package testpg

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Database makes an empty database with a name of its own on the server of
// admin, a superuser's URL, and returns the same URL with that database. It is
// dropped when the test ends, whoever still uses it.
func Database(t testing.TB, admin string) string {
	t.Helper()
	name := unique("db")
	Exec(t, admin, "create database "+name)
	t.Cleanup(func() { Exec(t, admin, "drop database "+name+" with (force)") })
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
	Exec(t, admin, "grant all on schema public to "+name)
	t.Cleanup(func() { Exec(t, admin, "drop owned by "+name+"; drop role "+name) })
	u := parse(t, admin)
	u.User = url.UserPassword(name, password)
	return u.String()
}

// Exec runs sql, one or more statements, in a connection of its own and
// returns the rows of the last one as text; NULL is "".
func Exec(t testing.TB, url, sql string) [][]string {
	t.Helper()
	// A test's own context has ended when its clean-ups run.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect for %q: %v", sql, err)
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(results) == 0 {
		return nil
	}
	var rows [][]string
	for _, row := range results[len(results)-1].Rows {
		texts := make([]string, len(row))
		for i, value := range row {
			texts[i] = string(value)
		}
		rows = append(rows, texts)
	}
	return rows
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
