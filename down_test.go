// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// nowhere is the URL of a PostgreSQL that does not run.
func nowhere(t testing.TB) string {
	t.Helper()
	return "postgres://postgres:secret@" + testpg.Nobody(t) + "/postgres?sslmode=disable"
}

// knowsOfTheOutage has a gateway ask a PostgreSQL that is down until it has seen
// that: what waits from now on hears of it, however short its wait is.
func (g *gateway) knowsOfTheOutage(t testing.TB) {
	t.Helper()
	until(t, "the outage to be seen", func() bool {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_ = g.Health(ctx) // it fails
		s := g.Status().Servers
		return len(s) == 1 && !s[0].Up && s[0].Probes > 0
	})
}

// host is the host:port in a URL.
func host(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestPostgreSQLDownAtStart(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	if err := server.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	g := open(t, server.URL(), waits(soon))
	if err := g.Ready(t.Context()); err != nil {
		t.Logf("before anyone asked: %v", err)
	}
	began := time.Now()
	_, err := g.try(t)
	waited := time.Since(began)
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "08006" || e.Severity != "FATAL" {
		t.Fatalf("got %v, want FATAL 08006", err)
	}
	for _, words := range []string{host(t, server.URL()), "connection refused"} {
		if !strings.Contains(e.Message, words) {
			t.Errorf("the message %q lacks %q", e.Message, words)
		}
	}
	if waited < soon {
		t.Errorf("the client waited only %v", waited)
	}
	if err := g.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), host(t, server.URL())) {
		t.Errorf("Ready says %v, want that there is no connection, and to where", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "clients to be served", func() bool {
		conn, err := g.try(t)
		return err == nil && ask(t, conn, "select 1") == "1"
	})
	until(t, "the gateway to be ready", func() bool { return g.Ready(t.Context()) == nil })
	if strings.Contains(g.log.String(), "secret") {
		t.Error("the log has the password")
	}
}

// TestClientsThatWaitAreServedWhenPostgreSQLComesUp has a login and a request
// wait through the start of the server.
func TestClientsThatWaitAreServedWhenPostgreSQLComesUp(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL(), waits(patience))
	early := g.raw(t)
	early.query(t, "select 1")
	early.transcript(t, 1)
	if err := server.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	early.query(t, "select 2")
	late := make(chan error, 1)
	go func() {
		_, err := g.try(t, "work_mem=5MB")
		late <- err
	}()
	until(t, "both to wait", func() bool { return g.Status().Waiting == 2 })
	if err := g.Ready(t.Context()); err == nil {
		t.Error("Ready with no PostgreSQL")
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := early.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("the request that waited got %q, want %q", got, want)
	}
	if err := <-late; err != nil {
		t.Errorf("the login that waited got %v", err)
	}
	g.balanced(t)
}

func TestARequestWhilePostgreSQLIsDownSaysWhy(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL())
	conn := g.connect(t)
	must(t, conn, "select 1")
	g.reload(t, waits(soon)) // which a login need not fit in
	if err := server.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	err := exec(t, conn, "select 1")
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "08006" || e.Severity != "ERROR" || !strings.Contains(e.Message, host(t, server.URL())) {
		t.Errorf("got %v, want ERROR 08006 that names the host", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the connection to be usable", func() bool { return exec(t, conn, "select 1") == nil })
}
