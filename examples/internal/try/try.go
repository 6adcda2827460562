// SPDX-License-Identifier: Apache-2.0

// Package try runs the examples in tests.
package try

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// patience bounds an example, however slow the machine.
const patience = 2 * time.Minute

// connections is how many the gateway may have to PostgreSQL: fewer than an
// example wants at once.
const connections = 3

// Output runs an example on a gateway before a database of its own, and returns
// what it has printed. It checks that all of it went through the gateway, which
// had no more connections than it may, and that nothing was left open.
func Output(t *testing.T, run func(context.Context, *weir.Gateway, io.Writer) error) string {
	t.Helper()
	url := testpg.Database(t, testpg.URL(t))
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	cfg := weir.DefaultConfig()
	cfg.Upstream, cfg.Pool.Max, cfg.Pool.Min = url, connections, 0
	g, err := weir.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(ctx, g, &out); err != nil {
		t.Errorf("after it had printed %q: %v", out.String(), err)
	}
	check(t, g)
	if err := g.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	return out.String()
}

// check looks at what the gateway has seen.
func check(t *testing.T, g *weir.Gateway) {
	t.Helper()
	for deadline := time.Now().Add(patience); g.Status().Upstreams.Active > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a connection is still in use")
		}
	}
	s := g.Status()
	var transactions uint64
	for _, p := range s.Pools {
		transactions += p.Transactions
	}
	if transactions < 10 {
		t.Errorf("the gateway has seen %d transactions: the example goes past it", transactions)
	}
	if n := s.Upstreams.Idle + s.Upstreams.Connecting; n > connections {
		t.Errorf("the gateway has %d connections, want %d at most", n, connections)
	}
}
