// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/testpg"
)

// crewSize is how many clients work through a fault.
const crewSize = 100

// excused are the faults in which clients that only read may see errors, and why.
var excused = map[string]string{
	"TestConnectionsCutAtRandomUnderLoad": "a part of an answer that has gone to the client cannot be taken back",
}

// crew is the clients that work while a fault happens.
type crew struct {
	g       *gateway
	workers []*worker
	stop    context.CancelFunc
	wait    sync.WaitGroup
}

// hire makes the tables in the database at url, PostgreSQL's own, and puts
// clients of a gateway before it to work.
func hire(t *testing.T, g *gateway, url string) *crew {
	t.Helper()
	testpg.Exec(t, url, books)
	ctx, stop := context.WithCancel(t.Context())
	c := &crew{g: g, stop: stop}
	for i := range crewSize {
		c.workers = append(c.workers, &worker{ledger: ledger{job: jobs[i%len(jobs)], client: i}, conn: g.connect(t)})
	}
	for _, w := range c.workers {
		c.wait.Go(func() {
			defer w.ended.Store(true)
			w.run(ctx)
		})
	}
	t.Cleanup(c.wait.Wait)
	t.Cleanup(stop)
	c.served(t, 2)
	return c
}

// served waits until each client has had n more operations done, or has seen
// what ends it.
func (c *crew) served(t *testing.T, n int64) {
	t.Helper()
	want := make([]int64, len(c.workers))
	for i, w := range c.workers {
		want[i] = w.served.Load() + n
	}
	for i, w := range c.workers {
		until(t, w.name+" to be served", func() bool { return w.served.Load() >= want[i] || w.ended.Load() })
		if t.Failed() {
			t.FailNow()
		}
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

// flawless checks, after dismiss, that nobody saw any error.
func (c *crew) flawless(t *testing.T) {
	t.Helper()
	for _, w := range c.workers {
		if n := w.count(done); n != len(w.notes) {
			t.Errorf("client %d (%s): %d of %d operations succeeded", w.client, w.name, n, len(w.notes))
		}
	}
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
		// PostgreSQL may send a part of an answer before it goes: then nobody can
		// ask again unseen, and the error says so.
		if excused[t.Name()] != "" || strings.HasPrefix(detail(w.disturbed), "A part of the answer had gone to the client") {
			complain = t.Logf
		}
		complain("client %d (%s) only reads, and saw %v: %s", w.client, w.name, w.disturbed, detail(w.disturbed))
	}
	must(t, w.conn, "select 1")
}

// detail is the DETAIL of an error, "" where it has none.
func detail(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Detail
	}
	return ""
}

// checkPools checks that every client and every upstream is idle, and that the
// budgets count nothing else. A client is so a moment after its answer, and what
// reads PostgreSQL's limits has a place in the budgets for as long as it does.
func (c *crew) checkPools(t *testing.T) {
	t.Helper()
	s := c.g.Status()
	until(t, "clients and budgets to come to rest", func() bool {
		s = c.g.Status()
		return s.Clients.Idle == crewSize && !slices.ContainsFunc(s.Budgets, func(b observe.Budget) bool { return b.InUse != s.Upstreams.Idle })
	})
	if s.Clients.Idle != crewSize || s.Clients.Total != crewSize {
		t.Errorf("clients: %+v, want %d, idle", s.Clients, crewSize)
	}
	for _, b := range s.Budgets {
		if b.InUse != s.Upstreams.Idle {
			t.Errorf("the budget of %s %s counts %d connections, the pool %d", b.Scope, b.Name, b.InUse, s.Upstreams.Idle)
		}
	}
}

// report logs what the clients noted, by kind, and what they did not notice.
func (c *crew) report(t *testing.T) {
	t.Helper()
	t.Logf("asked again, unseen: %v", c.g.Status().Pools[0].Retries)
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
