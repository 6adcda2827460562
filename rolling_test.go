// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// balancer passes connections on to the first of its backends that answers.
type balancer struct {
	net.Listener
	mu       sync.Mutex
	backends []string // guarded by mu
	wait     sync.WaitGroup
}

func balance(t *testing.T, backends ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: l, backends: backends}
	b.wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.wait.Go(func() { b.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		b.wait.Wait()
	})
	return b
}

// turn changes the backends, as a load balancer does that has noticed.
func (b *balancer) turn(backends ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = backends
}

func (b *balancer) dial() net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, address := range b.backends {
		if conn, err := net.Dial("tcp", address); err == nil {
			// The next client goes to another one.
			b.backends = append(append(append([]string{}, b.backends[:i]...), b.backends[i+1:]...), address)
			return conn
		}
	}
	return nil
}

// pass carries bytes both ways. The end of one direction is passed on as just
// that, so that a farewell is not cut off by a request that crosses it.
func (b *balancer) pass(client net.Conn) {
	defer client.Close()
	server := b.dial()
	if server == nil {
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(server, client)
	_ = server.(*net.TCPConn).CloseWrite()
	back.Wait()
}

// TestARollingDeployCutsNoTransaction restarts two gateways behind a balancer,
// one after the other, under 20 clients that try again only what they may: a
// login, and what begins a transaction and was answered with 57P01.
func TestARollingDeployCutsNoTransaction(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	testpg.Exec(t, upstream, "create table ledger (n int primary key)")
	change := func(c *weir.Config) { c.Pool.Max, c.ShutdownSpread = 4, 500*time.Millisecond }
	one, two := open(t, upstream, change), open(t, upstream, change)
	b := balance(t, one.Addr().String(), two.Addr().String())
	u := parse(t, one.url())
	u.Host = b.Addr().String()

	var next atomic.Int64
	var moves atomic.Int64
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			d := deployed{url: u.String(), moves: &moves}
			defer d.close()
			for n := next.Add(1); ; n = next.Add(1) {
				select {
				case <-done:
					next.Add(-1)
					return
				default:
				}
				if err := d.enter(t.Context(), n); err != nil {
					t.Errorf("entry %d: %v", n, err)
					return
				}
			}
		})
	}
	// Three of it, so that each client has moved more than once.
	for range 3 {
		fresh := open(t, upstream, change)
		before := next.Load()
		until(t, "the clients to work", func() bool { return next.Load() > before+100 || t.Failed() })
		b.turn(fresh.Addr().String(), two.Addr().String())
		if err := ended(t, one.shutdown(bounded(t))); err != nil {
			t.Error(err)
		}
		one, two = two, fresh
	}
	close(done)
	wait.Wait()
	entered := testpg.Exec(t, upstream, "select count(*) from ledger")[0][0]
	if want := fmt.Sprint(next.Load()); entered != want && !t.Failed() {
		t.Errorf("%s entries are in the ledger, want %s", entered, want)
	}
	if moves.Load() < 20 {
		t.Errorf("the clients moved %d times", moves.Load())
	}
}

// deployed is a client of a rolling deploy.
type deployed struct {
	url   string
	conn  *pgx.Conn
	moves *atomic.Int64
}

func (d *deployed) close() {
	if d.conn != nil {
		_ = d.conn.PgConn().Conn().Close()
	}
}

// enter writes one line of the ledger: the even ones in a transaction, the odd
// ones alone.
func (d *deployed) enter(ctx context.Context, n int64) error {
	insert := fmt.Sprintf("insert into ledger values (%d)", n)
	if n%2 == 1 {
		return d.first(ctx, insert)
	}
	for i, sql := range []string{"begin", "select 1", insert, "commit"} {
		run := d.run
		if i == 0 {
			run = d.first
		}
		if err := run(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// first runs what is outside a transaction, elsewhere if this weir stops.
func (d *deployed) first(ctx context.Context, sql string) error {
	for deadline := time.Now().Add(patience); ; {
		err := d.run(ctx, sql)
		if code(err) != "57P01" && d.conn != nil || time.Now().After(deadline) {
			return err
		}
		d.close()
		d.conn = nil
	}
}

// run runs one statement, on a new connection where there is none. A login that
// fails leaves none.
func (d *deployed) run(ctx context.Context, sql string) error {
	if d.conn == nil {
		conn, err := pgx.Connect(ctx, d.url)
		if err != nil {
			return err
		}
		d.conn = conn
		d.moves.Add(1)
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	_, err := d.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}
