// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// TestARestartIsAPause has fifty clients read and write while PostgreSQL restarts:
// none is disconnected, and each goes on afterwards.
func TestARestartIsAPause(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgserver.Mode{pgserver.Fast, pgserver.Immediate} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			server := testpg.New(t, pgserver.Options{})
			testpg.Exec(t, server.URL(), "create table ledger (n int)")
			g := open(t, server.URL(), poolOf(5), waits(patience))
			var rounds atomic.Int64 // statements that succeeded
			var over atomic.Bool    // the restart
			var wait sync.WaitGroup
			for range 50 {
				conn := g.connect(t)
				wait.Go(func() { write(t, conn, &rounds, &over) })
			}
			until(t, "the clients to work", func() bool { return rounds.Load() > 200 })
			if err := server.Restart(t.Context(), mode); err != nil {
				t.Error(err)
			}
			over.Store(true)
			wait.Wait()
			g.balanced(t)
		})
	}
}

// write reads and writes until the restart is over, and ten times more. A statement
// that was under way may have failed with its upstream; the client may not.
func write(t *testing.T, conn *pgx.Conn, rounds *atomic.Int64, over *atomic.Bool) {
	for left := 10; left > 0; {
		after := over.Load()
		err := exec(t, conn, "insert into ledger values (1)")
		if err == nil {
			err = exec(t, conn, "select count(*) from ledger")
		}
		switch c := code(err); {
		case err == nil:
			rounds.Add(1)
			if after {
				left--
			}
		case c == "08006" || c == "08007" || c == "57P01" || c == "57P02":
		default:
			t.Errorf("a client saw %v", err)
			return
		}
	}
}

// hostsOf is the URL of several servers that are copies of each other.
func hostsOf(t testing.TB, attrs string, servers ...*pgserver.Server) string {
	t.Helper()
	u, err := url.Parse(servers[0].URL())
	if err != nil {
		t.Fatal(err)
	}
	var hosts, ports string
	for i, s := range servers {
		if i > 0 {
			hosts, ports = hosts+",", ports+","
		}
		hosts, ports = hosts+"127.0.0.1", ports+strconv.Itoa(s.Port())
	}
	q := u.Query()
	q.Set("host", hosts)
	q.Set("port", ports)
	if attrs != "" {
		q.Set("target_session_attrs", attrs)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// found is how long after it accepts writes a new primary may go unnoticed.
const found = time.Second

func TestThePromotedStandbyIsFoundWithinASecond(t *testing.T) {
	t.Parallel()
	a := testpg.New(t, pgserver.Options{})
	b := testpg.Standby(t, a)
	testpg.Exec(t, a.URL(), "create table ledger (n int)")
	g := open(t, hostsOf(t, "read-write", a, b), poolOf(5), waits(patience))
	conn := g.connect(t)
	must(t, conn, "insert into ledger values (1)")

	if err := a.Stop(pgserver.Immediate); err != nil {
		t.Fatal(err)
	}
	served := make(chan time.Time, 10)
	for range cap(served) {
		client := g.connect(t) // PostgreSQL is not asked
		go func() {
			if err := insert(t, client); err != nil {
				t.Errorf("a client that waited got %v", err)
			}
			served <- time.Now()
		}()
	}
	until(t, "the outage to be seen", func() bool { return !g.Status().Servers[0].Up })
	if err := b.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	accepts := time.Now()
	testpg.Exec(t, b.URL(), "insert into ledger values (3)")
	slowest := time.Since(accepts)
	var delays []time.Duration
	for len(delays) < cap(served) {
		select {
		case at := <-served:
			delays = append(delays, at.Sub(accepts))
		default: // ask what weir is not needed for, to know how slow the machine is now
			began := time.Now()
			testpg.Exec(t, b.URL(), "select 1")
			slowest = max(slowest, time.Since(began))
		}
	}
	most := found + 5*slowest // a machine with much to do is slow at everything
	for _, d := range delays {
		if d > most {
			t.Errorf("a client was served %v after the new primary accepted writes, want %v at most", d, most)
		}
	}
	if got := testpg.Exec(t, b.URL(), "select count(*) from ledger")[0][0]; got != "12" {
		t.Errorf("rows: got %s, want 12", got)
	}
}

// insert writes a row, trying again where that was not done.
func insert(t *testing.T, conn *pgx.Conn) error {
	for {
		err := exec(t, conn, "insert into ledger values (2)")
		if c := code(err); c != "57P01" && c != "57P02" && c != "08006" {
			return err
		}
	}
}

// TestTheEndOfTheWaitSaysHowLongPostgreSQLHasBeenDown reads the error and the status.
func TestTheEndOfTheWaitSaysHowLongPostgreSQLHasBeenDown(t *testing.T) {
	t.Parallel()
	g := open(t, nowhere(t), waits(soon))
	g.knowsOfTheOutage(t)
	_, err := g.try(t)
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "08006" || e.Detail == "" {
		t.Fatalf("got %v, want 08006 with a DETAIL", err)
	}
	var lasted, unit string
	if n, err := fmt.Sscanf(e.Detail, "It has taken no connections for %s weir has tried %s", &lasted, &unit); n != 2 {
		t.Errorf("DETAIL %q: %v", e.Detail, err)
	}
	s := g.Status().Servers[0]
	if s.Up || s.HeldSince.IsZero() || s.LastError == "" || s.Outages != 1 || s.Probes == 0 || s.Down == 0 {
		t.Errorf("the status does not tell of the outage: %+v", s)
	}
}

func TestReadyOnlyWithAServerThatAnswers(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	if err := server.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	g := open(t, server.URL(), func(c *weir.Config) { c.Pool.Min = 0 })
	if err := g.Ready(t.Context()); err == nil {
		t.Error("ready with no PostgreSQL")
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "weir to be ready without a client", func() bool { return g.Ready(context.WithoutCancel(t.Context())) == nil })
}

// TestAStandbyIsLeftWhereOneOfSeveralHostsTakesWrites has weir find a standby first:
// the primary is stopped meanwhile, or it would win where the standby is slow.
func TestAStandbyIsLeftWhereOneOfSeveralHostsTakesWrites(t *testing.T) {
	t.Parallel()
	a := testpg.New(t, pgserver.Options{})
	b := testpg.Standby(t, a)
	testpg.Exec(t, a.URL(), "create table ledger (n int)")
	if err := a.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	g := open(t, hostsOf(t, "", b, a), poolOf(2))
	conn := g.connect(t)
	if got := ask(t, conn, "select pg_is_in_recovery()"); got != "t" {
		t.Fatalf("in recovery: got %s, want the first host, a standby", got)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	testpg.Exec(t, a.URL(), "insert into ledger values (0)") // the standby follows again
	must(t, conn, "insert into ledger values (1)")           // refused there, asked again elsewhere

	single := open(t, b.URL(), poolOf(1))
	reader := single.connect(t)
	pid := number(t, reader, "select pg_backend_pid()")
	if err := exec(t, reader, "insert into ledger values (1)"); code(err) != "25006" {
		t.Errorf("a write to a standby: got %v, want 25006", err)
	}
	if again := number(t, reader, "select pg_backend_pid()"); again != pid {
		t.Error("the only host's upstream was closed because it is a standby")
	}

	must(t, conn, "set default_transaction_read_only = on")
	pid = number(t, conn, "select pg_backend_pid()")
	if err := exec(t, conn, "insert into ledger values (1)"); code(err) != "25006" {
		t.Errorf("a write that the client forbade itself: got %v, want 25006", err)
	}
	if again := number(t, conn, "select pg_backend_pid()"); again != pid {
		t.Error("the primary's upstream was closed because its client reads only")
	}
}
