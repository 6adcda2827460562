// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weir-pg/weir/internal/observe"
)

// export returns what a scrape of s returns, without Go's and the process's metrics.
func export(t *testing.T, s observe.Snapshot) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(observe.NewCollector(func() observe.Snapshot { return s }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		fmt.Fprintf(&text, "# HELP %s %s\n", family.GetName(), family.GetHelp())
		for _, metric := range family.GetMetric() {
			fmt.Fprintf(&text, "%s %s\n", family.GetName(), metric)
		}
	}
	return text.String()
}

func TestMetricsFollowPrometheusConventions(t *testing.T) {
	t.Parallel()
	problems, err := testutil.CollectAndLint(observe.NewCollector(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsHaveTheSnapshotsValues(t *testing.T) {
	t.Parallel()
	want := `
# HELP weir_build_info 1, with the version of this weir.
# TYPE weir_build_info gauge
weir_build_info{version="1.2.3"} 1
# HELP weir_budget_effective_limit The limit as it is now, after PostgreSQL refused connections.
# TYPE weir_budget_effective_limit gauge
weir_budget_effective_limit{name="app",scope="role"} 20
weir_budget_effective_limit{name="db:5432",scope="server"} 8
# HELP weir_client_connections Client connections by state.
# TYPE weir_client_connections gauge
weir_client_connections{state="active"} 4
weir_client_connections{state="idle"} 90
weir_client_connections{state="login"} 1
weir_client_connections{state="replicating"} 1
weir_client_connections{state="waiting"} 3
# HELP weir_draining 1 while weir is stopping, else 0.
# TYPE weir_draining gauge
weir_draining 1
# HELP weir_pool_rejects_total Requests refused without a connection to PostgreSQL, by reason.
# TYPE weir_pool_rejects_total counter
weir_pool_rejects_total{database="shop",reason="max_pinned",user="app"} 0
weir_pool_rejects_total{database="shop",reason="other",user="app"} 0
weir_pool_rejects_total{database="shop",reason="queue_timeout",user="app"} 1
weir_pool_rejects_total{database="shop",reason="shutdown",user="app"} 0
weir_pool_rejects_total{database="shop",reason="upstream_down",user="app"} 0
weir_pool_rejects_total{database="shop",reason="upstream_rejected",user="app"} 0
# HELP weir_pool_waiting Requests that wait for a connection to PostgreSQL.
# TYPE weir_pool_waiting gauge
weir_pool_waiting{database="shop",user="app"} 3
# HELP weir_queries_total Requests that PostgreSQL finished.
# TYPE weir_queries_total counter
weir_queries_total{database="shop",user="app"} 42
# HELP weir_query_seconds Time that PostgreSQL took for requests.
# TYPE weir_query_seconds histogram
weir_query_seconds_bucket{database="shop",user="app",le="1e-05"} 0
weir_query_seconds_bucket{database="shop",user="app",le="2.5e-05"} 0
weir_query_seconds_bucket{database="shop",user="app",le="6.3e-05"} 0
weir_query_seconds_bucket{database="shop",user="app",le="0.00016"} 0
weir_query_seconds_bucket{database="shop",user="app",le="0.0004"} 0
weir_query_seconds_bucket{database="shop",user="app",le="0.001"} 0
weir_query_seconds_bucket{database="shop",user="app",le="0.0025"} 1
weir_query_seconds_bucket{database="shop",user="app",le="0.0063"} 1
weir_query_seconds_bucket{database="shop",user="app",le="0.016"} 1
weir_query_seconds_bucket{database="shop",user="app",le="0.04"} 2
weir_query_seconds_bucket{database="shop",user="app",le="0.1"} 2
weir_query_seconds_bucket{database="shop",user="app",le="0.25"} 2
weir_query_seconds_bucket{database="shop",user="app",le="0.63"} 2
weir_query_seconds_bucket{database="shop",user="app",le="1.6"} 2
weir_query_seconds_bucket{database="shop",user="app",le="4"} 2
weir_query_seconds_bucket{database="shop",user="app",le="10"} 2
weir_query_seconds_bucket{database="shop",user="app",le="25"} 2
weir_query_seconds_bucket{database="shop",user="app",le="63"} 2
weir_query_seconds_bucket{database="shop",user="app",le="+Inf"} 2
weir_query_seconds_sum{database="shop",user="app"} 0.022
weir_query_seconds_count{database="shop",user="app"} 2
# HELP weir_upstream_up 1 if the PostgreSQL server takes connections as far as is known, else 0.
# TYPE weir_upstream_up gauge
weir_upstream_up{upstream="db:5432"} 0
`
	err := testutil.CollectAndCompare(observe.NewCollector(sample), strings.NewReader(want),
		"weir_build_info", "weir_budget_effective_limit", "weir_client_connections", "weir_draining",
		"weir_pool_rejects_total", "weir_pool_waiting", "weir_queries_total", "weir_query_seconds",
		"weir_upstream_up")
	if err != nil {
		t.Error(err)
	}
}

func TestEveryMetricIsExportedAndDescribed(t *testing.T) {
	t.Parallel()
	collector := observe.NewCollector(sample)
	described := make(chan *prometheus.Desc, 100)
	collector.Describe(described)
	close(described)
	registry := prometheus.NewPedanticRegistry() // fails on metrics that are not described
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(families), len(described); got != want {
		t.Errorf("got %d metrics from a full snapshot, want the %d described", got, want)
	}
}

func TestAFreshPoolHasAllItsSeries(t *testing.T) {
	t.Parallel()
	busy := observe.Snapshot{Pools: sample().Pools}
	fresh := observe.Snapshot{Pools: []observe.Pool{observe.NewPoolStats("shop", "app", 1).Snapshot()}}
	count := func(s observe.Snapshot) int {
		return testutil.CollectAndCount(observe.NewCollector(func() observe.Snapshot { return s }))
	}
	if got, want := count(fresh), count(busy); got != want {
		t.Errorf("got %d metrics, want the %d of a pool that has worked", got, want)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	few, lots := tenants(observe.MaxSeries+1), tenants(3*observe.MaxSeries)
	count := func(s observe.Snapshot) int { return strings.Count(export(t, s), "\n") }
	if got, want := count(lots), count(few); got != want {
		t.Errorf("got %d series for %d pools, want the %d of %d pools", got, len(lots.Pools), want, len(few.Pools))
	}

	var want strings.Builder
	want.WriteString("# HELP weir_queries_total Requests that PostgreSQL finished.\n# TYPE weir_queries_total counter\n")
	for i := range observe.MaxSeries {
		fmt.Fprintf(&want, "weir_queries_total{database=\"tenant%d\",user=\"app\"} 1\n", i)
	}
	fmt.Fprintf(&want, "weir_queries_total{database=\"(other)\",user=\"(other)\"} %d\n", 2*observe.MaxSeries)
	collector := observe.NewCollector(func() observe.Snapshot { return lots })
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want.String()), "weir_queries_total"); err != nil {
		t.Error(err)
	}
}

// tenants returns a gateway with n databases, each with a pool and a budget.
func tenants(n int) observe.Snapshot {
	var s observe.Snapshot
	for i := range n {
		name := fmt.Sprintf("tenant%d", i)
		stats := observe.NewPoolStats(name, "app", 1)
		stats.Queries.Add(0, 1)
		s.Pools = append(s.Pools, stats.Snapshot())
		s.Budgets = append(s.Budgets, observe.Budget{Scope: observe.ScopeDatabase, Name: name})
	}
	return s
}

func TestNamesThatAreNotUTF8AreExported(t *testing.T) {
	t.Parallel()
	latin1 := observe.NewPoolStats("caf\xe9", "app", 1).Snapshot()
	latin2 := observe.NewPoolStats("caf\xea", "app", 1).Snapshot() // the same label once both are replaced
	latin1.Active, latin2.Active = 2, 3
	text := export(t, observe.Snapshot{
		Pools:   []observe.Pool{latin1, latin2},
		Budgets: []observe.Budget{{Name: "\xff"}, {Name: "\xfe"}},
		Servers: []observe.Server{{Name: "\xff", Up: true}, {Name: "\xfe"}},
	})
	if got, want := strings.Count(text, "weir_upstream_connections label"), 4; got != want {
		t.Errorf("got %d series of upstream connections, want %d:\n%s", got, want, text)
	}
}

func TestRegistryHasRuntimeMetrics(t *testing.T) {
	t.Parallel()
	families, err := observe.NewRegistry(sample).Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, want := range []string{"weir_queries_total", "go_goroutines"} {
		if !names[want] {
			t.Errorf("%s is missing", want)
		}
	}
}
