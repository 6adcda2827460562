// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// poolOf gives pools n connections.
func poolOf(n int) func(*weir.Config) {
	return func(c *weir.Config) { c.Pool.Max = n }
}

// soon is how long requests wait where a test waits for the end of that. The
// first login has to come about in it.
const soon = time.Second

// waits is how long requests wait for a connection.
func waits(d time.Duration) func(*weir.Config) {
	return func(c *weir.Config) { c.Pool.AcquireTimeout = d }
}

// hold opens a transaction, which keeps an upstream until release.
func hold(t testing.TB, g *gateway, params ...string) (release func()) {
	t.Helper()
	conn := g.connect(t, params...)
	g.connect(t) // what later clients are greeted with is known from now on
	must(t, conn, "begin; select 1")
	must(t, conn, "select 1")
	return sync.OnceFunc(func() { must(t, conn, "rollback") })
}

func TestAcquireTimeoutIsA53300ThatSaysWhatWasFull(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	release := hold(t, g, "application_name=hoarder")
	conn := g.connect(t)
	g.reload(t, poolOf(1), waits(soon))
	err := exec(t, conn, "select 1")
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "53300" || e.Severity != "ERROR" {
		t.Fatalf("got %v, want ERROR 53300", err)
	}
	for _, words := range []string{
		"query_wait_timeout: too many connections for role", "weir refused the request", "within " + soon.String(),
		"1 of 1 in use", "1 waiting", `application_name "hoarder"`,
	} {
		if !strings.Contains(e.Message, words) {
			t.Errorf("the message %q lacks %q", e.Message, words)
		}
	}
	for _, words := range []string{"1 of 1 in use", "1 waiting", "hoarder"} {
		if !strings.Contains(e.Detail, words) {
			t.Errorf("the detail %q lacks %q", e.Detail, words)
		}
	}
	if !strings.Contains(e.Hint, "pool.max") {
		t.Errorf("the hint %q does not say what to raise", e.Hint)
	}
	g.reload(t, poolOf(1))
	release()
	if got := ask(t, conn, "select 'usable'"); got != "usable" {
		t.Errorf("after the error the connection gave %q", got)
	}
	g.balanced(t)
}

func TestAcquireTimeoutInAPipelineEndsEachGroupByItself(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	release := hold(t, g)
	r := g.raw(t)
	g.reload(t, poolOf(1), waits(soon))
	var pipeline []pgproto3.FrontendMessage
	for range 3 {
		pipeline = append(pipeline, group("select 1")...)
	}
	r.send(t, pipeline...)
	if got, want := r.transcript(t, 3), "E(53300) Z(I) E(53300) Z(I) E(53300) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	g.reload(t, poolOf(1))
	release()
	r.send(t, pipeline...)
	if got, want := r.transcript(t, 3), "1 2 D C Z(I) 1 2 D C Z(I) 1 2 D C Z(I)"; got != want {
		t.Errorf("after the errors: got %q, want %q", got, want)
	}
}

func TestGroupsAfterATimeoutAreServedOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	release := hold(t, g)
	r := g.raw(t)
	g.reload(t, poolOf(1), waits(soon))
	const groups = 20
	var pipeline []pgproto3.FrontendMessage
	for range groups {
		pipeline = append(pipeline, group("select 1")...)
	}
	began := time.Now()
	r.send(t, pipeline...)
	if got, want := r.transcript(t, 1), "E(53300) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	g.reload(t, poolOf(1))
	most := int(time.Since(began) / soon) // that can have waited for long enough
	release()
	got, timedOut := r.transcript(t, groups-1)+" ", 1
	for ; strings.HasPrefix(got, "E(53300) Z(I) "); timedOut++ {
		got = strings.TrimPrefix(got, "E(53300) Z(I) ")
	}
	if want := strings.Repeat("1 2 D C Z(I) ", groups-timedOut); got != want || timedOut > most {
		t.Errorf("%d groups timed out, of at most %d, and then came %q, want %q", timedOut, most, got, want)
	}
}

func TestARequestThatTimedOutWasNotExecuted(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	testpg.Exec(t, g.upstream, "create table rows (n int)")
	release := hold(t, g)
	conn := g.connect(t)
	g.reload(t, poolOf(1), waits(soon))
	for range 3 {
		if err := exec(t, conn, "insert into rows values (1)"); code(err) != "53300" {
			t.Errorf("got %v, want 53300", err)
		}
	}
	g.reload(t, poolOf(1))
	release()
	if n := number(t, conn, "select count(*) from rows"); n != 0 {
		t.Errorf("%d rows were inserted by requests that were refused", n)
	}
}

// TestALargeRequestWaitsWhole has requests wait that are larger than the
// buffers of an exchange.
func TestALargeRequestWaitsWhole(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	filler := strings.Repeat("x", 300_000)
	text := "select length('" + filler + "')"
	for _, c := range []struct {
		name string
		sent []pgproto3.FrontendMessage
		want string
	}{
		{"simple", []pgproto3.FrontendMessage{&pgproto3.Query{String: text}}, "T D C Z(I)"},
		{"extended", group(text), "1 2 D C Z(I)"},
		{"named", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Name: "big", Query: text}, &pgproto3.Bind{PreparedStatement: "big"}, &pgproto3.Execute{}, &pgproto3.Sync{},
		}, "1 2 D C Z(I)"},
		{"value", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: "select length($1::text)"}, &pgproto3.Bind{Parameters: [][]byte{[]byte(filler)}},
			&pgproto3.Execute{}, &pgproto3.Sync{},
		}, "1 2 D C Z(I)"},
	} {
		release := hold(t, g)
		r := g.raw(t)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			r.send(t, c.sent...)
		}()
		until(t, c.name+" to wait", func() bool { return g.Status().Waiting == 1 })
		release()
		if got := r.transcript(t, 1); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		<-sent
	}
}

func TestAWaiterThatHasGoneLeavesTheQueueAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	defer hold(t, g)()
	var waiters []*raw
	for range 10 {
		r := g.raw(t)
		r.query(t, "select 1")
		waiters = append(waiters, r)
	}
	until(t, "ten to wait", func() bool { return g.Status().Waiting == 10 })
	for _, r := range waiters[:6] {
		_ = r.Conn.Close() // how it ends is up to it
	}
	until(t, "six to leave", func() bool { return g.Status().Waiting == 4 })
}

func TestAThousandWaitersAreAllServed(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(5))
	const clients = 1000
	conns := make([]*pgx.Conn, clients)
	var logins sync.WaitGroup
	gate := make(chan struct{}, 32)
	for i := range conns {
		gate <- struct{}{}
		logins.Go(func() {
			defer func() { <-gate }()
			conns[i] = g.connect(t)
		})
	}
	logins.Wait()
	if t.Failed() {
		return
	}
	var holds []func()
	for range 5 {
		holds = append(holds, hold(t, g))
	}
	var queries sync.WaitGroup
	for i, conn := range conns {
		queries.Go(func() {
			var got int
			if err := conn.QueryRow(bounded(t), "select $1::int", i).Scan(&got); err != nil || got != i {
				t.Errorf("client %d got %d, %v", i, got, err)
			}
		})
	}
	until(t, "all to wait", func() bool { return g.Status().Waiting == clients })
	if s := g.Status(); s.Clients.Waiting != clients || s.OldestWait <= 0 {
		t.Errorf("the status counts %d waiting clients, the oldest for %v s, want %d", s.Clients.Waiting, s.OldestWait, clients)
	}
	for _, release := range holds {
		release()
	}
	queries.Wait()
	g.balanced(t)
}

func TestOneClientMoreThanTheMostIsToldSo(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), func(c *weir.Config) { c.MaxClients = 2 })
	first := g.connect(t)
	g.connect(t)
	_, err := g.try(t)
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "53300" || e.Severity != "FATAL" || !strings.Contains(e.Message, "max_clients = 2") {
		t.Fatalf("got %v, want FATAL 53300 that names max_clients", err)
	}
	if s := g.Status(); s.Clients.Refused != 1 || s.Clients.Max != 2 {
		t.Errorf("the status has %d refused of %d, want 1 of 2", s.Clients.Refused, s.Clients.Max)
	}
	if err := first.Close(context.Background()); err != nil {
		t.Error(err)
	}
	until(t, "a place", func() bool {
		_, err := g.try(t)
		return err == nil
	})
}

// TestMaxClientsHoldsWhenManyComeAtOnce has many log in side by side.
func TestMaxClientsHoldsWhenManyComeAtOnce(t *testing.T) {
	t.Parallel()
	const most = 20
	g := open(t, testpg.URL(t), func(c *weir.Config) { c.MaxClients = most })
	g.connect(t)
	gate := make(chan struct{}, most)
	var wait sync.WaitGroup
	for range 4 * most {
		gate <- struct{}{}
		wait.Go(func() {
			defer func() { <-gate }()
			if _, err := g.try(t); err != nil && code(err) != "53300" {
				t.Errorf("got %v, want 53300", err)
			}
		})
	}
	wait.Wait()
	if n := g.Status().Clients.Idle; n != most {
		t.Errorf("%d clients are in, want %d", n, most)
	}
}

// TestRefusalsAreLoggedTogether has eight requests wait in vain at the same time.
func TestRefusalsAreLoggedTogether(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	defer hold(t, g)()
	conns := make([]*pgx.Conn, 8)
	for i := range conns {
		conns[i] = g.connect(t)
	}
	g.reload(t, poolOf(1), waits(soon))
	var wait sync.WaitGroup
	for _, conn := range conns {
		wait.Go(func() {
			if err := exec(t, conn, "select 1"); code(err) != "53300" {
				t.Errorf("got %v, want 53300", err)
			}
		})
	}
	wait.Wait()
	line := regexp.MustCompile(`requests were refused for want of a connection to PostgreSQL.* requests=(\d+) .*too many connections for role`)
	until(t, "the log to have all eight", func() bool {
		lines, sum := line.FindAllStringSubmatch(g.log.String(), -1), 0
		for _, l := range lines {
			n, _ := strconv.Atoi(l[1])
			sum += n
		}
		if len(lines) > 3 {
			t.Fatalf("%d lines, want one a second at most", len(lines))
		}
		return sum == 8
	})
}

// TestANewcomerIsToldWhyThereIsNoConnection has clients log in to a weir that has
// just started and can have no connection. They wait for a few seconds.
func TestANewcomerIsToldWhyThereIsNoConnection(t *testing.T) {
	t.Parallel()
	full := testpg.Role(t, database(t), "connection limit 1")
	stranger, err := pgx.Connect(bounded(t), full)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Close(context.Background()) })
	for name, c := range map[string]struct {
		upstream, code, saying, reason string
		wait                           time.Duration
	}{
		"PostgreSQL is full": {full, "53300", "weir refused", "queue_timeout", patience},
		"PostgreSQL is down": {nowhere(t), "08006", "cannot reach PostgreSQL", "upstream_down", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, c.upstream, waits(c.wait))
			began := time.Now()
			_, err := g.try(t)
			if code(err) != c.code || !strings.Contains(err.Error(), c.saying) {
				t.Errorf("got %v, want %s that says %q", err, c.code, c.saying)
			}
			if waited := time.Since(began); waited > patience/2 {
				t.Errorf("it took %v", waited)
			}
			if n := g.Status().Pools[0].Rejects; n[c.reason] != 1 {
				t.Errorf("it was not counted: %v", n)
			}
			if !strings.Contains(g.log.String(), "requests were refused for want of a connection to PostgreSQL") {
				t.Error("it was not logged")
			}
		})
	}
}
