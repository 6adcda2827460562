// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

var (
	scripts = flag.Int("scripts", 60, "how many scripts to make up")
	seed    = flag.Uint64("seed", 1, "seed of the first; the others follow")
	lasting = flag.Duration("time", 0, "make scripts up for so long, instead of -scripts")
)

// workers is how many scripts run at a time.
const workers = 2

// TestRandomScripts has many clients on few upstreams do what is made up at
// random. Each script is repeated by its seed alone.
func TestRandomScripts(t *testing.T) {
	t.Parallel()
	began := time.Now()
	server := newServer(t)
	for i := range workers {
		t.Run(fmt.Sprintf("worker %d", i), func(t *testing.T) {
			t.Parallel()
			g := newGroundAt(t, server)
			parameters := g.parameters(t)
			s := *seed + uint64(i)
			for ; !t.Failed() && more(s, began); s += workers {
				checkSeed(t, g, s, parameters)
			}
			t.Logf("%d scripts", (s-*seed)/workers)
		})
	}
}

// newServer starts a PostgreSQL for scripts that are made up. Clients of one may want the
// same lock, for which the one thread of a script would wait for ever.
func newServer(t testing.TB) (url string) {
	return testpg.New(t, pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "10", "lock_timeout": "1s"}}).URL()
}

// more reports whether the script of a seed is still to be made up.
func more(s uint64, began time.Time) bool {
	if *lasting > 0 {
		return time.Since(began) < *lasting
	}
	return s < *seed+uint64(*scripts)
}

// checkSeed runs the script of a seed, and makes it short if it fails.
func checkSeed(t *testing.T, g *ground, seed uint64, parameters []parameter) {
	t.Helper()
	s := invent(seed, parameters)
	d := s.play(t, g)
	if d == nil {
		return
	}
	short := s.shrink(t, g, d)
	t.Errorf("-seed=%d -scripts=1 -with=%q: %v", seed, *trying, short)
}

// invented is a script that was made up.
type invented struct {
	pool   int
	params []map[string]string
	steps  []step
	known  bool // it shows a known difference, which is avoided otherwise

	// bounded: weir has a statement_timeout of its own, which it lifts for those
	// who keep their connections. They see that, so nobody looks at it.
	bounded bool
}

// invent makes a script up.
func invent(seed uint64, parameters []parameter) invented {
	m := maker{rand.New(rand.NewPCG(seed, 0)), 0, inUse(), parameters}
	m.clients = 2 + m.IntN(5)
	s := invented{pool: 1 + m.IntN(3), bounded: seed%2 == 0}
	for range m.clients {
		s.params = append(s.params, m.params())
	}
	s.steps = m.steps(150)
	for i := range s.steps {
		if s.bounded {
			s.steps[i].text = bounding.Replace(s.steps[i].text)
		}
	}
	return s
}

// bounding puts other time limits in the place of statement_timeout: one that runs out as
// soon, and for the long ones one that never does.
var bounding = strings.NewReplacer("statement_timeout = '1ms'", "lock_timeout = '1ms'", "statement_timeout", "idle_in_transaction_session_timeout")

// params makes up what a client starts with.
func (m maker) params() map[string]string {
	all := map[string]string{"work_mem": "9MB", "timezone": "Asia/Tokyo", "search_path": "public", "application_name": "started", "options": "-c datestyle=German"}
	maps.DeleteFunc(all, func(string, string) bool { return m.IntN(4) > 0 })
	return all
}

// play runs the script, in which steps for which there is no room are left out.
func (s invented) play(t *testing.T, g *ground) (d *difference) {
	t.Helper()
	g.forget(t)
	g.exec(t, fresh(len(s.params)))
	w := g.open(t, s.pool, func(c *weir.Config) {
		if s.bounded {
			c.Pool.StatementTimeout = time.Hour
		}
	})
	defer func() {
		if err := w.close(); err != nil && d == nil {
			d = w.differ(nil, nil, "close weir: "+err.Error())
		}
	}()
	w.begin(s.params)
	defer func() {
		if err := w.end(); err != nil && d == nil {
			d = w.differ([]string{err.Error()}, nil, "a goodbye failed")
		}
	}()
	for _, step := range s.steps {
		if !s.known && avoid(step.text) || !w.room(step) {
			continue
		}
		if d := w.do(step); d != nil {
			return d
		}
		if w.over {
			return nil
		}
	}
	return w.settle()
}

// fresh is SQL that makes the tables anew. What a script has left, which may have ended
// before its time, is gone on both sides.
func fresh(clients int) string {
	var b strings.Builder
	b.WriteString("drop schema public cascade; create schema public; grant usage on schema public to public;")
	b.WriteString(fixtures)
	b.WriteString("create table things (id int, name text); insert into things values (1, 'one'), (2, 'two');" +
		"grant select on things to public; create sequence numbers; grant all on sequence numbers to public;")
	for i := range clients {
		fmt.Fprintf(&b, "create table own%d (n int, id serial primary key); grant all on own%d to public;", i, i)
	}
	return b.String()
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
