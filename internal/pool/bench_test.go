// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pool"
)

// nowhere is an Owner that keeps what it is granted.
type nowhere struct{ c *conn }

func (n *nowhere) Granted(c *conn) { n.c = c }
func (n *nowhere) Refused(error)   {}

// bench is a pool as in production, with two budgets and every limit set.
func bench(tb testing.TB, size int) *pool.Pool[*conn] {
	tb.Helper()
	s := &server{}
	p := pool.New(config(s, func(c *pool.Config[*conn]) {
		c.Max, c.Min = size, size
		c.IdleTimeout, c.Lifetime, c.CheckAfter = 30*time.Second, time.Hour, 30*time.Second
	}), newBudget(100), newBudget(200))
	tb.Cleanup(func() { p.Close(context.Canceled) })
	for p.Status().Idle < size {
		time.Sleep(time.Millisecond)
	}
	return p
}

func TestTransactionAllocatesNothing(t *testing.T) {
	p := bench(t, 1)
	if n := testing.AllocsPerRun(1000, func() {
		c, _ := p.TryAcquire(0, nil)
		p.Release(c)
	}); n != 0 {
		t.Errorf("idle connection: got %v allocations, want 0", n)
	}
	c, _ := p.TryAcquire(0, nil)
	var owner nowhere
	w := pool.Waiter[*conn]{Loop: 1, Owner: &owner}
	if n := testing.AllocsPerRun(1000, func() {
		p.Wait(&w)
		p.Release(c)
	}); n != 0 {
		t.Errorf("handed to a waiter: got %v allocations, want 0", n)
	}
	if owner.c != c {
		t.Error("the waiter did not get the connection")
	}
	p.Release(c)
}

func BenchmarkTransaction(b *testing.B) {
	p := bench(b, 20)
	for b.Loop() {
		c, ok := p.TryAcquire(0, nil)
		if !ok {
			b.Fatal("no connection")
		}
		p.Release(c)
	}
}

func BenchmarkTransactionContended(b *testing.B) {
	p := bench(b, 20)
	var loops atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		loop := int(loops.Add(1)) % 2
		for pb.Next() {
			c, ok := p.TryAcquire(loop, nil)
			if !ok {
				b.Error("no connection")
				return
			}
			p.Release(c)
		}
	})
}

func BenchmarkHandover(b *testing.B) {
	p := bench(b, 1)
	c, _ := p.TryAcquire(0, nil)
	var owner nowhere
	w := pool.Waiter[*conn]{Loop: 0, Owner: &owner}
	for b.Loop() {
		owner.c = nil
		p.Wait(&w)
		p.Release(c)
		if owner.c != c {
			b.Fatal("not handed over")
		}
	}
	p.Release(c)
}
