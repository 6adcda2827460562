// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// shutdown begins a shutdown and returns how it ended.
func (g *gateway) shutdown(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- g.Shutdown(ctx) }()
	return ended
}

// ended waits for the end of a shutdown.
func ended(t testing.TB, shutdown <-chan error) error {
	t.Helper()
	select {
	case err := <-shutdown:
		return err
	case <-time.After(patience):
		t.Fatalf("the shutdown did not end within %v", patience)
		return nil
	}
}

// deserted waits until nobody uses the test's database.
func deserted(t testing.TB, url string) {
	t.Helper()
	until(t, "nothing of weir's to be left in pg_stat_activity", func() bool {
		rows := testpg.Exec(t, url, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
		return rows[0][0] == "0"
	})
}

func TestShutdownSendsIdleClientsAway(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	var clients []*raw
	for range 10 {
		r := g.raw(t)
		r.query(t, "select 1")
		r.transcript(t, 1)
		clients = append(clients, r)
	}
	secure := g.raw(t, "sslmode=require")
	clients = append(clients, secure)
	stopped := g.shutdown(bounded(t))
	for _, r := range clients {
		if got, want := r.transcript(t, 1), "E(57P01) EOF"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := ended(t, stopped); err != nil {
		t.Error(err)
	}
	deserted(t, g.upstream)
}

// commitsAndGoes has a client that is no longer welcome finish its transaction,
// with a statement, and checks that it is sent away at the end.
func (r *raw) commitsAndGoes(t testing.TB, sql string) {
	t.Helper()
	r.query(t, sql)
	if got, want := r.transcript(t, 1), "C Z(T)"; got != want {
		t.Errorf("in its transaction the client got %q, want %q", got, want)
	}
	r.query(t, "commit")
	if got, want := r.transcript(t, 2), "C Z(I) E(57P01) EOF"; got != want {
		t.Errorf("at its end the client got %q, want %q", got, want)
	}
}

func TestShutdownLetsTransactionsFinish(t *testing.T) {
	t.Parallel()
	g := table(t)
	r := g.raw(t)
	r.query(t, "begin; select 1")
	r.transcript(t, 1)
	stopped := g.shutdown(bounded(t))
	until(t, "the gateway to drain", func() bool { return g.Ready(t.Context()) != nil })
	r.commitsAndGoes(t, "insert into rows values (1)")
	if err := ended(t, stopped); err != nil {
		t.Error(err)
	}
	deserted(t, g.upstream)
	if n := testpg.Exec(t, g.upstream, "select count(*) from rows")[0][0]; n != "1" {
		t.Errorf("%s rows were committed, want 1", n)
	}
}

func TestShutdownRefusesNewClients(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	release := hold(t, g)
	address := g.url()
	stopped := g.shutdown(bounded(t))
	until(t, "new clients to be refused", func() bool {
		if g.Addr() == nil {
			return true // nobody listens there any more
		}
		_, err := login(t, address) // g.try would ask for the address again
		return err != nil
	})
	if err := g.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("Ready says %v of a gateway at %s that shuts down", err, address)
	}
	release()
	if err := ended(t, stopped); err != nil {
		t.Error(err)
	}
}

func TestShutdownServesThoseWhoWait(t *testing.T) {
	t.Parallel()
	g := table(t)
	release := hold(t, g)
	waiter := g.raw(t)
	waiter.query(t, "insert into rows values (1)")
	until(t, "one to wait", func() bool { return g.Status().Waiting == 1 })
	stopped := g.shutdown(bounded(t))
	until(t, "the gateway to drain", func() bool { return g.Ready(t.Context()) != nil })
	release()
	if got, want := waiter.transcript(t, 2), "C Z(I) E(57P01) EOF"; got != want {
		t.Errorf("the waiter got %q, want %q", got, want)
	}
	if err := ended(t, stopped); err != nil {
		t.Error(err)
	}
	deserted(t, g.upstream)
}

func TestShutdownCutsWhatDoesNotEndInTime(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(3))
	testpg.Exec(t, g.upstream, "create table rows (n int)")
	idle, active, alone, waiting := g.raw(t), g.raw(t), g.raw(t), g.raw(t)
	idle.query(t, "begin; select 1")
	idle.transcript(t, 1)
	active.query(t, "begin; select 1")
	active.transcript(t, 1)
	active.query(t, "insert into rows select 1 from pg_sleep(300)")
	alone.query(t, "insert into rows select 1 from pg_sleep(301)")
	executing(t, g.upstream, "pg_sleep", "2")
	waiting.query(t, "select 1")
	until(t, "one to wait", func() bool { return g.Status().Waiting == 1 })
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	err := ended(t, g.shutdown(ctx))
	if err == nil || !strings.Contains(err.Error(), "were cut") {
		t.Errorf("the shutdown ended with %v, want how many clients were cut", err)
	}
	for name, r := range map[string]*raw{"idle in transaction": idle, "active in transaction": active, "active": alone, "waiting": waiting} {
		if got := r.transcript(t, 1); !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
			t.Errorf("the client %s got %q, want the end", name, got)
		}
	}
	deserted(t, g.upstream)
	if n := testpg.Exec(t, g.upstream, "select count(*) from rows")[0][0]; n != "0" {
		t.Errorf("%s rows were committed by statements that were cut", n)
	}
}

// TestCloseDoesNotWaitForPostgreSQL closes a gateway while clients wait for a
// server that is not there.
func TestCloseDoesNotWaitForPostgreSQL(t *testing.T) {
	t.Parallel()
	g := open(t, nowhere(t), waits(time.Hour))
	r := g.dial(t)
	r.send(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres"}})
	login := make(chan error, 1)
	go func() {
		_, err := g.try(t)
		login <- err
	}()
	until(t, "a client to wait", func() bool { return g.Status().Waiting == 1 })
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_ = ended(t, g.shutdown(ctx)) // with or without a cut client
	if err := <-login; code(err) != "57P01" {
		t.Errorf("the waiting client got %v, want 57P01", err)
	}
	r.ends(t)
}

// TestShutdownClosesEverySocket has a client stay on after its farewell: its
// connection must not outlive the gateway.
func TestShutdownClosesEverySocket(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t)
	if err := ended(t, g.shutdown(bounded(t))); err != nil {
		t.Error(err)
	}
	if got, want := r.transcript(t, 1), "E(57P01) EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	until(t, "the other side to be closed", func() bool {
		_, err := r.Write([]byte{'S', 0, 0, 0, 4})
		return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
	})
}

// TestShutdownPauseLetsLoadBalancersNotice: those who have not noticed yet send
// clients on, who must be served.
func TestShutdownPauseLetsLoadBalancersNotice(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), func(c *weir.Config) { c.ShutdownPause = time.Hour })
	ctx, stop := context.WithCancel(t.Context())
	stopped := g.shutdown(ctx)
	until(t, "the gateway not to be ready", func() bool { return g.Ready(t.Context()) != nil })
	conn := g.connect(t)
	for range 3 {
		must(t, conn, "select 1")
	}
	stop()
	_ = ended(t, stopped) // ctx ended it early
}

// TestShutdownSpreadsTheFarewells has clients leave one after the other; until
// its turn each is served.
func TestShutdownSpreadsTheFarewells(t *testing.T) {
	t.Parallel()
	const clients, spread = 40, 2 * time.Second
	g := open(t, database(t), func(c *weir.Config) { c.ShutdownSpread = spread })
	for range clients {
		g.connect(t)
	}
	busy := g.connect(t)
	must(t, busy, "begin")
	must(t, busy, "select 1")
	began := time.Now()
	stopped := g.shutdown(bounded(t))
	until(t, "the idle clients to be sent away", func() bool {
		left := clients + 1 - g.Status().Clients.Total
		passed := time.Since(began)
		// Turns are drawn by lot: half of the clients more than the average is far beyond chance.
		if most := float64(clients)*(float64(passed)/float64(spread)) + clients/2; float64(left) > most {
			t.Errorf("%d clients have left after %v of %v", left, passed, spread)
		}
		return left >= clients
	})
	must(t, busy, "commit")
	if err := ended(t, stopped); err != nil {
		t.Error(err)
	}
}

func TestASecondShutdownIsHarmless(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	g.connect(t)
	first, second := g.shutdown(bounded(t)), g.shutdown(bounded(t))
	_, _ = ended(t, first), ended(t, second)
	if err := g.Listen(); err == nil {
		t.Error("a gateway that is shut down listens again")
	}
}
