// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// patience bounds what a test waits for, however slow the machine.
const patience = time.Minute

// gateway is a weir of one test, on a port of its own.
type gateway struct {
	*weir.Gateway
	upstream string // the URL of the PostgreSQL behind it
	log      *log
}

// gateways numbers the gateways of this process, so that the goroutines of each
// can be told apart.
var gateways atomic.Int64

// open starts a gateway before the PostgreSQL at upstream. At the end of the
// test it is shut down, and must leave nothing running.
func open(t testing.TB, upstream string, change ...func(*weir.Config)) *gateway {
	t.Helper()
	g := prepare(t, upstream, change...)
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	return g
}

// prepare is open without the listener.
func prepare(t testing.TB, upstream string, change ...func(*weir.Config)) *gateway {
	t.Helper()
	cfg := settings(upstream, change...)
	g := &gateway{upstream: upstream, log: &log{}}
	id := strconv.FormatInt(gateways.Add(1), 10)
	var err error
	pprof.Do(context.Background(), pprof.Labels("gateway", id), func(context.Context) {
		g.Gateway, err = weir.Open(t.Context(), cfg, weir.WithLogger(slog.New(slog.NewTextHandler(g.log, nil))))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.end(t)
		checkGone(t, id)
		if held := g.Status().Clients.StatementBytes; held != 0 {
			t.Errorf("statements of %d bytes are still charged to clients that have gone", held)
		}
		if text := g.log.String(); strings.Contains(text, "defect in weir") {
			t.Errorf("the gateway's log:\n%s", text)
		}
	})
	return g
}

// settings are those of a test's gateway.
func settings(upstream string, change ...func(*weir.Config)) weir.Config {
	cfg := weir.DefaultConfig()
	cfg.Upstream = upstream
	cfg.Listen, cfg.HTTP = []string{"127.0.0.1:0"}, ""
	cfg.Pool.Min = 0
	cfg.ShutdownPause = 0
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

// end closes the gateway. One that does not end fails the test, and is left.
func (g *gateway) end(t testing.TB) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- g.Close() }()
	select {
	case err := <-closed:
		if err != nil && !strings.Contains(err.Error(), "were cut") {
			t.Errorf("close the gateway: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the gateway did not close within %v", patience)
	}
}

// checkGone fails the test if goroutines of a gateway that was closed remain.
func checkGone(t testing.TB, id string) {
	t.Helper()
	label := `"gateway":"` + id + `"`
	var profile bytes.Buffer
	before := t.Failed()
	until(t, "goroutines of the gateway to end", func() bool {
		profile.Reset()
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(profile.String(), label)
	})
	if !before && t.Failed() {
		t.Log(profile.String())
	}
}

// until waits for a condition.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; !met(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("waited %v in vain for %s", patience, what)
			return
		}
		time.Sleep(pause)
	}
}

// url returns the URL of the gateway for clients, with further parameters as
// key=value pairs.
func (g *gateway) url(params ...string) string {
	u, err := url.Parse(g.upstream)
	if err != nil {
		panic(err) // the test's own
	}
	u.Host = g.Addr().String()
	q := url.Values{"sslmode": {"disable"}}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// connect logs a client in, which is closed at the end of the test.
func (g *gateway) connect(t testing.TB, params ...string) *pgx.Conn {
	t.Helper()
	conn, err := g.try(t, params...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return conn
}

// try is connect for a login that may fail.
func (g *gateway) try(t testing.TB, params ...string) (*pgx.Conn, error) {
	t.Helper()
	conn, err := pgx.Connect(bounded(t), g.url(params...))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return conn, nil
}

// raw logs a client in and hands its connection over.
func (g *gateway) raw(t testing.TB, params ...string) *raw {
	t.Helper()
	conn, err := pgconn.Connect(bounded(t), g.url(params...))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return hijack(t, conn)
}

// bounded is a context that ends with the test, or when patience does. It is
// for what a test does a few times: each call adds to the end of the test.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}

// exec runs one statement as a simple query.
func exec(t testing.TB, conn *pgx.Conn, sql string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// must runs one statement that has to succeed.
func must(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if err := exec(t, conn, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// ask returns the one value that a query gives, as text.
func ask(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return string(results[0].Rows[0][0])
}

// number is ask for an integer.
func number(t testing.TB, conn *pgx.Conn, sql string) int {
	t.Helper()
	n, err := strconv.Atoi(ask(t, conn, sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// code returns the SQLSTATE of an error, "" where it has none.
func code(err error) string {
	var e *pgconn.PgError
	if asPgError(err, &e) {
		return e.Code
	}
	return ""
}

// balanced waits until no client holds an upstream and nobody waits.
func (g *gateway) balanced(t testing.TB) {
	t.Helper()
	until(t, "the pools to be balanced", func() bool {
		s := g.Status()
		return s.Upstreams.Active == 0 && s.Waiting == 0 && s.Upstreams.Connecting == 0
	})
}

// database gives the test a database of its own.
func database(t testing.TB) string {
	t.Helper()
	return testpg.Database(t, testpg.URL(t))
}

// log keeps what a gateway logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
