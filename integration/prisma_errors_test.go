// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// prismaError is an error as an application sees it.
type prismaError struct {
	Name, Code, Message string
	Cause               struct{ OriginalCode string }
}

// String is how docs/prisma.md writes it: Prisma's code, with the SQLSTATE
// where that is all that tells it from others.
func (e prismaError) String() string {
	switch {
	case e.Name == "":
		return "works"
	case e.Code == "":
		return "no code"
	case e.Cause.OriginalCode != "" && (e.Code == "P2010" || e.Code == "P2039"):
		return e.Code + " (" + e.Cause.OriginalCode + ")"
	}
	return e.Code
}

// refusal is something that can go wrong, in the words of docs/prisma.md.
type refusal struct {
	what    string
	url     func(t *testing.T) string // where the application connects
	env     []string                  // of client.mjs
	ways    []string                  // of client.mjs, in the order of the table's columns
	message string                    // what every error contains
}

var everyWay = []string{"query", "raw", "transaction"}

// What Prisma's users see when weir refuses, or cannot help, is in
// docs/prisma.md as it is measured here.
func TestPrismaErrorsAreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/prisma.md")
	if err != nil {
		t.Fatal(err)
	}
	p := newPrisma(t)
	for _, r := range refusals() {
		t.Run(r.what, func(t *testing.T) {
			row := "| " + r.what
			for _, e := range p.ask(t, r) {
				row += " | " + e.String()
			}
			t.Log(row)
			if !strings.Contains(string(page), row+" |") {
				t.Errorf("docs/prisma.md does not have this row:\n%s |", row)
			}
		})
	}
}

func refusals() []refusal {
	const queued = "query_wait_timeout: too many connections for role"
	return []refusal{
		{
			what: "no connection became free in `pool.acquire_timeout`", ways: everyWay, message: queued,
			url: busy("DATABASE_POOL_ACQUIRE_TIMEOUT=200"),
		},
		{
			what: "an interactive transaction took longer than its `timeout`", ways: []string{"slow"}, message: "expired transaction",
			url: serving(), env: []string{"TRANSACTION_TIMEOUT=200"},
		},
		{
			what: "a statement ran longer than `pool.statement_timeout`", ways: []string{"slow"}, message: "canceling statement due to statement timeout",
			url: serving("DATABASE_STATEMENT_TIMEOUT=200"),
		},
		{what: "more clients than `max_clients`", ways: everyWay, message: "too many connections to weir", url: busy("WEIR_MAX_CLIENTS=1")},
		{what: "PostgreSQL is not there", ways: everyWay, message: "cannot reach PostgreSQL at 127.0.0.1:", url: unreachable},
		{what: "weir is not there", ways: everyWay, message: "Can't reach database server at 127.0.0.1:", url: nowhere},
		{
			what: "wrong password or user", ways: everyWay, message: "authentication failed",
			url: changed(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "guess") }),
		},
		{what: "no such database", ways: everyWay, message: "does not exist", url: changed(func(u *url.URL) { u.Path = "/nowhere" })},
		{
			what: "`sslmode=require` and weir's self-signed certificate", ways: []string{"query"}, message: "self-signed certificate",
			url: changed(parameters("sslmode=require")),
		},
		{what: "`sslmode=no-verify`", ways: []string{"query"}, url: changed(parameters("sslmode=no-verify"))},
		{what: "`uselibpqcompat=true&sslmode=require`", ways: []string{"query"}, url: changed(parameters("uselibpqcompat=true&sslmode=require"))},
		{
			what: "the connection to PostgreSQL was lost in a transaction", ways: []string{"lost"}, message: "terminating connection due to administrator command",
			url: serving(),
		},
	}
}

// busy is a weir with one connection and one client, who keeps it.
func busy(settings ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		w := open(t, tabled(t, testpg.URL(t)).url, append(settings, "DATABASE_POOL_MAX=1")...)
		conn, err := pgx.Connect(t.Context(), w.url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
		if _, err := conn.Exec(t.Context(), "begin; select 1"); err != nil {
			t.Fatal(err)
		}
		return w.url
	}
}

// serving is a weir that serves.
func serving(settings ...string) func(*testing.T) string {
	return func(t *testing.T) string { return open(t, tabled(t, testpg.URL(t)).url, settings...).url }
}

// changed is a weir and a URL of it that differs.
func changed(change func(*url.URL)) func(*testing.T) string {
	return func(t *testing.T) string {
		u, err := url.Parse(serving()(t))
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
}

func parameters(raw string) func(*url.URL) { return func(u *url.URL) { u.RawQuery = raw } }

// unreachable is a weir before nothing.
func unreachable(t *testing.T) string {
	return open(t, nowhere(t), "DATABASE_POOL_ACQUIRE_TIMEOUT=200").url
}

// nowhere is a URL at which nobody listens.
func nowhere(t *testing.T) string {
	return "postgres://app:secret@" + testpg.Nobody(t) + "/app?sslmode=disable"
}

// ask asks in all ways and returns what came of each.
func (p prisma) ask(t *testing.T, r refusal) (outcomes []prismaError) {
	t.Helper()
	cmd := p.command(within(t), r.url(t), p.script, append([]string{"ask"}, r.ways...)...)
	cmd.Env = append(cmd.Env, r.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("client.mjs ask: %v\n%.4000s", err, out)
	}
	said := map[string]prismaError{}
	for line := range strings.Lines(string(out)) {
		var answer struct {
			What  string
			Value prismaError
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("client.mjs ask said %q: %v", line, err)
		}
		said[answer.What] = answer.Value
	}
	for _, way := range r.ways {
		e, ok := said[way]
		if !ok || !strings.Contains(strings.ToLower(e.Message), strings.ToLower(r.message)) {
			t.Errorf("%s: %q, want what contains %q", way, e.Message, r.message)
		}
		outcomes = append(outcomes, e)
	}
	return outcomes
}

// Prisma's command line says why, too.
func TestPrismaCommandThatGetsNoConnection(t *testing.T) {
	t.Parallel()
	out, err := newPrisma(t).cli(t.Context(), withSchema(t, busy("DATABASE_POOL_ACQUIRE_TIMEOUT=200")(t), "public"), "migrate", "deploy")
	if want := "P2037: query_wait_timeout: too many connections for role"; err == nil || !strings.Contains(out, want) {
		t.Errorf("%v\n%s\nwant %q", err, out, want)
	}
}
