// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
)

func TestOpenSaysWhatIsWrongWithItsConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config func() weir.Config
		want   string
	}{
		"nothing": {func() weir.Config { return weir.Config{} }, "set Config.Upstream"},
		"no URL":  {func() weir.Config { return weir.Config{Upstream: "db.example"} }, "upstream"},
		"a negative time": {func() weir.Config {
			return weir.Config{Upstream: "postgres://db/app", Pool: weir.PoolSettings{AcquireTimeout: -1}}
		}, "pool.acquire_timeout"},
		"no connections": {func() weir.Config {
			c := weir.DefaultConfig()
			c.Upstream, c.Pool.Max = "postgres://db/app", 0
			return c
		}, "pool.max"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := weir.Open(t.Context(), c.config())
			if _, ok := errors.AsType[weir.Mistakes](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want mistakes that name %q", err, c.want)
			}
		})
	}
}

// A Config written as a literal has defaults where it says nothing.
func TestALiteralConfigWorks(t *testing.T) {
	t.Parallel()
	g, err := weir.Open(t.Context(), weir.Config{Upstream: database(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Pool().Ping(bounded(t)); err != nil {
		t.Error(err)
	}
	if got, want := g.Status().Pools[0].Max, weir.DefaultConfig().Pool.Max; got != want {
		t.Errorf("the pool may have %d connections, want %d", got, want)
	}
}

func TestOpenNeedsNoPostgreSQL(t *testing.T) {
	t.Parallel()
	cfg := settings("postgres://app:secret@127.0.0.1:1/app")
	g, err := weir.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := weir.Open(ended, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestConfigFromEnv(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://app:secret@db/app?schema=public")
	t.Setenv("DATABASE_POOL_MAX", "7")
	t.Setenv("DATABASE_POOL_ACQUIRE_TIMEOUT", "1500")
	c, err := weir.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	if c.Upstream != "postgres://app:secret@db/app" || c.Pool.Max != 7 || c.Pool.AcquireTimeout != 1500*time.Millisecond {
		t.Errorf("got %q, %d, %v", c.Upstream, c.Pool.Max, c.Pool.AcquireTimeout)
	}
	t.Setenv("DATABASE_POOL_MAX", "many")
	if _, err := weir.ConfigFromEnv(); err == nil || !strings.Contains(err.Error(), "DATABASE_POOL_MAX") {
		t.Errorf("a wrong variable: %v", err)
	}
}

// A gateway that a program has for itself does not listen, so its upstream may be
// where it would, and need no password.
func TestOnlyListeningChecksWhoCouldComeIn(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:6432", "0.0.0.0:6433"} {
		g, err := weir.Open(t.Context(), weir.Config{Upstream: "postgres://app@127.0.0.1:6432/app", Listen: []string{listen}})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if _, ok := errors.AsType[weir.Mistakes](g.Listen()); !ok {
			t.Errorf("it listens on %s", listen)
		}
	}
}

func TestListenAndServeServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg := settings(database(t), func(c *weir.Config) { c.HTTP = "127.0.0.1:0" })
	listening := make(chan struct{})
	g, err := weir.Open(ctx, cfg, weir.WhenListening(func(*weir.Gateway) error {
		close(listening)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.ListenAndServe(ctx) }()
	<-listening
	page := "http://" + g.HTTPAddr().String() + "/healthz"
	r, err := http.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", r.Status)
	}
	through := &gateway{Gateway: g, upstream: cfg.Upstream}
	url := through.url()
	if got := ask(t, through.connect(t), "select 1"); got != "1" {
		t.Errorf("a client got %q", got)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := http.Get(page); err == nil {
		t.Error("HTTP is still served")
	}
	if _, err := pgx.Connect(bounded(t), url); err == nil {
		t.Error("clients are still let in")
	}
}

func TestListenAndServeEndsWithTheGateway(t *testing.T) {
	t.Parallel()
	listening := make(chan struct{})
	g, err := weir.Open(t.Context(), settings("postgres://app:secret@127.0.0.1:1/app"), weir.WhenListening(func(*weir.Gateway) error {
		close(listening)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.ListenAndServe(t.Context()) }()
	<-listening
	if err := g.Shutdown(bounded(t)); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// An address that is taken leaves the gateway to the program.
func TestListenAndServeThatCannotListenEndsNothing(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, change := range map[string]func(*weir.Config){
		"http":    func(c *weir.Config) { c.HTTP = taken.Addr().String() },
		"clients": func(c *weir.Config) { c.HTTP, c.Listen = "127.0.0.1:0", []string{taken.Addr().String()} },
	} {
		g := prepare(t, database(t), change)
		if err := g.ListenAndServe(t.Context()); err == nil || !strings.Contains(err.Error(), "another program listens there") {
			t.Errorf("%s: %v", name, err)
		}
		if g.Addr() != nil || g.HTTPAddr() != nil {
			t.Errorf("%s: it listens all the same", name)
		}
		if err := g.Pool().Ping(bounded(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
