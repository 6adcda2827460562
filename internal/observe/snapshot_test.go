// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// sample returns a snapshot in which every field has a value.
func sample() observe.Snapshot {
	stats := observe.NewPoolStats("shop", "app", 2)
	stats.Queries.Add(0, 40)
	stats.Queries.Add(1, 2)
	stats.Transactions.Add(0, 21)
	stats.Parses.Add(1, 3)
	stats.BytesIn.Add(0, 4096)
	stats.BytesOut.Add(1, 65536)
	stats.Errors.Add("23505")
	stats.Rejects.Add(full)
	stats.Wait.Observe(0, 10*time.Microsecond)
	stats.Query.Observe(0, 2*time.Millisecond)
	stats.Query.Observe(1, 20*time.Millisecond)
	stats.Transaction.Observe(1, 200*time.Millisecond)
	stats.Connect.Observe(0, 5*time.Millisecond)
	pool := stats.Snapshot()
	pool.Mode = "transaction"
	pool.Idle, pool.Active, pool.Connecting, pool.Min, pool.Max = 1, 4, 1, 2, 10
	pool.Waiting, pool.OldestWait = 3, 0.25
	pool.LastError = "connection refused"
	pool.Pinned, pool.OldestPin = 1, 214
	pool.Pins = []observe.Pin{{
		PID: 1073741825, ApplicationName: "worker", Age: 214,
		Reasons: []observe.PinReason{{Reason: "pg_advisory_lock", Age: 214}, {Reason: "LISTEN", Age: 3}},
	}}

	busy := observe.NewHistogram(1)
	busy.Observe(0, 30*time.Microsecond)
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	snap := observe.Snapshot{
		Version: "1.2.3", Started: started, Taken: started.Add(time.Minute), Draining: true,
		Clients: observe.Clients{Login: 1, Idle: 90, Active: 4, Waiting: 3, Replicating: 1, Total: 99, Max: 1000, Refused: 7, StatementBytes: 4096},
		Pools:   []observe.Pool{pool},
		Budgets: []observe.Budget{
			{Scope: observe.ScopeServer, Name: "db:5432", Limit: 97, Effective: 8, Source: "max_connections", InUse: 6},
			{Scope: observe.ScopeRole, Name: "app", Limit: 20, Effective: 20, Source: "rolconnlimit", InUse: 6},
		},
		Servers: []observe.Server{{Name: "db:5432", LastErrorAt: started, LastError: "connection refused"}},
		Loops:   []observe.Loop{{Number: 0, Busy: busy.Snapshot().Latency()}},
		Recent:  ratesOf(10),
		Minute:  ratesOf(60),
	}
	snap.Summarise()
	return snap
}

// ratesOf returns the rates of so many seconds.
func ratesOf(seconds float64) observe.Rates {
	figures := observe.Latency{Count: 420, Sum: 1.5, P50: 0.001, P95: 0.004, P99: 0.02}
	return observe.Rates{Seconds: seconds, Queries: 42, Transactions: 21, Errors: 0.5, ErrorRate: 0.0119, Wait: figures, Query: figures}
}

func TestSnapshotAsJSON(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(sample(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "snapshot.json", append(got, '\n'))
}

func TestSnapshotSurvivesJSON(t *testing.T) {
	t.Parallel()
	want := sample()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got observe.Snapshot
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, l := range latencies(&want) {
		l.Histogram = observe.HistogramSnapshot{} // not part of the JSON
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func latencies(s *observe.Snapshot) []*observe.Latency {
	p := &s.Pools[0]
	return []*observe.Latency{&p.Wait, &p.Query, &p.Transaction, &p.Connect, &s.Loops[0].Busy}
}

func TestSummarise(t *testing.T) {
	t.Parallel()
	pools := func() []observe.Pool {
		return []observe.Pool{
			{Idle: 1, Active: 3, Connecting: 2, Max: 6, Waiting: 4, OldestWait: 1.5},
			{Idle: 2, Active: 1, Max: 10, Waiting: 1, OldestWait: 0.5},
		}
	}
	tests := []struct {
		name      string
		budgets   []observe.Budget
		limit     int
		wantRatio float64
	}{
		{"no budget", nil, 16, 4.0 / 16},
		{"a server with more than the pools want", []observe.Budget{{Scope: observe.ScopeServer, Effective: 97}}, 16, 4.0 / 16},
		{"a server with less", []observe.Budget{{Scope: observe.ScopeServer, Limit: 97, Effective: 8}}, 8, 4.0 / 8},
		{"two servers", []observe.Budget{
			{Scope: observe.ScopeServer, Effective: 5},
			{Scope: observe.ScopeServer, Effective: 5},
		}, 10, 4.0 / 10},
		{"a role's limit is in each pool's already", []observe.Budget{{Scope: observe.ScopeRole, Effective: 3}}, 16, 4.0 / 16},
	}
	for _, tt := range tests {
		s := observe.Snapshot{Pools: pools(), Budgets: tt.budgets}
		s.Summarise()
		s.Summarise() // a second time changes nothing
		want := observe.Upstreams{Idle: 3, Active: 4, Connecting: 2, Limit: tt.limit}
		if s.Upstreams != want {
			t.Errorf("%s: upstreams: got %+v, want %+v", tt.name, s.Upstreams, want)
		}
		if s.Waiting != 5 || s.OldestWait != 1.5 {
			t.Errorf("%s: got %d waiting, the oldest for %v s; want 5 and 1.5 s", tt.name, s.Waiting, s.OldestWait)
		}
		if s.Utilisation != tt.wantRatio || s.Pools[0].Utilisation != 0.5 {
			t.Errorf("%s: utilisation: got %v and %v, want %v and 0.5", tt.name, s.Utilisation, s.Pools[0].Utilisation, tt.wantRatio)
		}
	}
}

func TestSummariseOfNothing(t *testing.T) {
	t.Parallel()
	var s observe.Snapshot
	s.Summarise()
	if s.Utilisation != 0 || s.Pools == nil || s.Budgets == nil || s.Servers == nil || s.Loops == nil {
		t.Errorf("got %+v, want utilisation 0 and empty lists", s)
	}
}

// golden compares got with a file in testdata; -update rewrites the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs; run with -update and review the change.\ngot:\n%s", path, got)
	}
}
