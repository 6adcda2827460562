// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// crewSize is how many clients work through a fault.
const crewSize = 100

// pending are the faults in which clients that only read may still see errors,
// until weir repeats what they asked.
var pending = []string{
	"TestRestartUnderLoad/fast",
	"TestRestartUnderLoad/immediate",
	"TestTerminatedEachSecondUnderLoad",
}

// crew is the clients that work while a fault happens.
type crew struct {
	g       *gateway
	workers []*worker
	stop    context.CancelFunc
	wait    sync.WaitGroup
}

// hire makes the tables in the gateway's database and puts clients to work.
func hire(t *testing.T, g *gateway) *crew {
	t.Helper()
	testpg.Exec(t, g.upstream, books)
	ctx, stop := context.WithCancel(t.Context())
	c := &crew{g: g, stop: stop}
	for i := range crewSize {
		c.workers = append(c.workers, &worker{ledger: ledger{job: jobs[i%len(jobs)], client: i}, conn: g.connect(t)})
	}
	for _, w := range c.workers {
		c.wait.Go(func() { w.run(ctx) })
	}
	t.Cleanup(c.wait.Wait)
	t.Cleanup(stop)
	c.served(t, 2)
	return c
}

// served waits until each client has had n more operations done.
func (c *crew) served(t *testing.T, n int64) {
	t.Helper()
	want := make([]int64, len(c.workers))
	for i, w := range c.workers {
		want[i] = w.served.Load() + n
	}
	for i, w := range c.workers {
		until(t, w.name+" to be served", func() bool { return w.served.Load() >= want[i] })
	}
}

// dismiss ends the work once everybody is served again, and compares what the
// clients noted with what the PostgreSQL at url has.
func (c *crew) dismiss(t *testing.T, url string) {
	t.Helper()
	c.served(t, 2)
	c.stop()
	c.wait.Wait()
	c.g.balanced(t)
	c.checkPools(t)
	var ledgers []*ledger
	for _, w := range c.workers {
		c.checkWorker(t, w)
		if w.parts >= 0 {
			ledgers = append(ledgers, &w.ledger)
		}
	}
	audit(t, url, ledgers)
	c.report(t)
}

// checkWorker checks that a client has seen no error that it may not see, and
// is still connected.
func (c *crew) checkWorker(t *testing.T, w *worker) {
	t.Helper()
	if w.broken != nil {
		t.Errorf("client %d (%s): %v", w.client, w.name, w.broken)
		return
	}
	if w.disturbed != nil {
		complain := t.Errorf
		if slices.Contains(pending, t.Name()) {
			complain = t.Logf
		}
		complain("client %d (%s) only reads, and saw %v", w.client, w.name, w.disturbed)
	}
	must(t, w.conn, "select 1")
}

// checkPools checks that every upstream is idle, and that the budgets count
// nothing else.
func (c *crew) checkPools(t *testing.T) {
	t.Helper()
	s := c.g.Status()
	if s.Clients.Idle != crewSize || s.Clients.Total != crewSize {
		t.Errorf("clients: %+v, want %d, idle", s.Clients, crewSize)
	}
	for _, b := range s.Budgets {
		if b.InUse != s.Upstreams.Idle {
			t.Errorf("the budget of %s %s counts %d connections, the pool %d", b.Scope, b.Name, b.InUse, s.Upstreams.Idle)
		}
	}
}

// report logs what the clients noted, by kind.
func (c *crew) report(t *testing.T) {
	t.Helper()
	for i, job := range jobs {
		var counts [4]int
		for n := i; n < len(c.workers); n += len(jobs) {
			for _, note := range c.workers[n].notes {
				counts[note]++
			}
		}
		t.Logf("%-26s %6d done, %4d refused, %4d unknown", job.name, counts[done], counts[refused], counts[unknown])
	}
}
