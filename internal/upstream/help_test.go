// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/upstream"
)

// patience bounds what must not hang. Nothing waits for it to pass.
const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func target(t *testing.T, dsn string) *upstream.Target {
	t.Helper()
	got, err := upstream.ParseTarget(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func login(t *testing.T, dsn string, params map[string]string) *upstream.Login {
	t.Helper()
	got, err := target(t, dsn).Login(within(t), params)
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	t.Cleanup(func() { got.Stream.Close() })
	return got
}

// quickly fails unless one of several attempts took no longer than bound: a
// machine that stalls makes some of them slower, and nothing makes one faster.
func quickly(t *testing.T, bound time.Duration, attempt func() (took time.Duration)) {
	t.Helper()
	var all []time.Duration
	for range 10 {
		took := attempt()
		if took <= bound {
			return
		}
		all = append(all, took)
	}
	t.Errorf("took %v, want %v at most", all, bound)
}

// refused logs in where that must fail.
func refused(t *testing.T, dsn string) error {
	t.Helper()
	got, err := target(t, dsn).Login(within(t), nil)
	if err == nil {
		got.Stream.Close()
		t.Fatalf("login to %s worked, want an error", got.Address)
	}
	return err
}

// ask runs one statement over conn and returns the first value of the answer,
// or PostgreSQL's error code.
func ask(t *testing.T, conn net.Conn, sql string) string {
	t.Helper()
	send(t, conn, sql)
	return answer(t, conn)
}

func send(t *testing.T, conn net.Conn, sql string) {
	t.Helper()
	query := pgproto3.Query{String: sql}
	packet, err := query.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
}

func answer(t *testing.T, conn net.Conn) string {
	t.Helper()
	front := pgproto3.NewFrontend(conn, conn)
	var got string
	for {
		message, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			got = string(message.Values[0])
		case *pgproto3.ErrorResponse:
			got = message.Code
		case *pgproto3.ReadyForQuery:
			return got
		}
	}
}

// edit returns dsn with query keys set, in pairs of key and value.
func edit(t *testing.T, dsn string, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	// libpq, unlike a web form, takes a plus for a plus.
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// as returns dsn with another role.
func as(t *testing.T, dsn, user, password string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}
