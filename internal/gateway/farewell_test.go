// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/gateway"
	"github.com/weir-pg/weir/internal/testpg"
)

// TestShutdownCutsNobodyWhoAsksNothingOnABusyMachine has weir come to a client that is
// idle only when its time to leave is over.
func TestShutdownCutsNobodyWhoAsksNothingOnABusyMachine(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cfg := config.Default()
	cfg.Upstream, cfg.ShutdownPause = testpg.Database(t, testpg.URL(t)), 0
	cfg, err := config.Complete(*cfg, config.Inside)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := pgx.ParseConfig(cfg.Upstream)
	if err != nil {
		t.Fatal(err)
	}
	client.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return g.Dial(ctx) }
	conn, err := pgx.ConnectConfig(ctx, client)
	if err == nil {
		err = conn.Ping(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for g.Status().Clients.Idle != 1 {
		select {
		case <-ctx.Done():
			t.Fatal("the client does not become idle")
		case <-time.After(time.Millisecond):
		}
	}
	time.AfterFunc(4*gateway.Farewell, g.Stall())
	now, end := context.WithCancel(context.Background())
	end()
	if err := g.Shutdown(now, func() <-chan struct{} { return now.Done() }); err != nil {
		t.Error(err)
	}
}
