// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir"
)

func TestHealthOfAPostgreSQLThatAnswers(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	if err := g.Health(bounded(t)); err != nil {
		t.Error(err)
	}
	g.balanced(t)
	if s := g.Status(); s.Upstreams.Idle != 1 || s.Clients.Total != 0 {
		t.Errorf("it has left %d connections and %d clients, want 1 and 0", s.Upstreams.Idle, s.Clients.Total)
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	wrong, err := url.Parse(database(t))
	if err != nil {
		t.Fatal(err)
	}
	wrong.Path = "/nowhere"
	for name, c := range map[string]struct {
		gateway *gateway
		within  time.Duration // enough to find out what is wrong
		is      func(error) bool
		state   string
		late    bool
		words   string
	}{
		"nobody listens": {prepare(t, nowhere(t)), 3 * time.Second, weir.IsUpstreamDown, "08006", true, "cannot reach PostgreSQL at"},
		"it is silent":   {prepare(t, "postgres://app:secret@"+silent.Addr().String()+"/app?sslmode=disable"), 300 * time.Millisecond, weir.IsUpstreamDown, "08006", true, "has not answered in time"},
		"it is full":     {full(t), 300 * time.Millisecond, weir.IsQueueTimeout, "53300", true, "1 of 1 are in use"},
		"it refuses":     {prepare(t, wrong.String()), patience, func(err error) bool { return !weir.NotExecuted(err) }, "3D000", false, `"nowhere"`},
	} {
		ctx, stop := context.WithTimeout(t.Context(), c.within)
		err := c.gateway.Health(ctx)
		stop()
		if err == nil {
			t.Errorf("%s: healthy", name)
			continue
		}
		if !c.is(err) || !strings.Contains(err.Error(), c.words) || errors.Is(err, context.DeadlineExceeded) != c.late {
			t.Errorf("%s: %v", name, err)
		}
		if e, ok := errors.AsType[*weir.HealthError](err); !ok || e.Database == "" || e.User == "" {
			t.Errorf("%s: %#v", name, err)
		}
		if e, ok := errors.AsType[*weir.Error](err); !ok || e.SQLState() != c.state {
			t.Errorf("%s: %v, want %s", name, err, c.state)
		}
	}
}

// TestStatusHasTheRatesOfTheLastSeconds has some queries, of which one fails.
func TestStatusHasTheRatesOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	until(t, "a first sample", func() bool { return g.Status().Recent.Seconds > 0 })
	for range 9 {
		if _, err := g.Pool().Exec(bounded(t), "select 1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Pool().Exec(bounded(t), "select nothing"); err == nil {
		t.Fatal("no error")
	}
	until(t, "the queries to show", func() bool {
		r := g.Status().Recent
		return r.Queries > 0 && r.Query.Count >= 10 && r.Query.P99 > 0 && r.ErrorRate > 0 && r.ErrorRate < 0.2 && r.Wait.Count > 0
	})
	if s := g.Status(); s.Minute.Query.Count < s.Recent.Query.Count {
		t.Errorf("a minute has %d queries, its last 10 s %d", s.Minute.Query.Count, s.Recent.Query.Count)
	}
}
