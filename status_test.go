// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/testpg"
)

// site serves a gateway's HTTP side.
func site(t testing.TB, g *gateway) string {
	t.Helper()
	s := httptest.NewServer(g.Handler("127.0.0.1:0"))
	t.Cleanup(s.Close)
	return s.URL
}

// get fetches a page.
func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// metric finds the value of a metric by its name and labels as written.
func metric(t testing.TB, text, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Errorf("there is no metric %s", name)
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Error(err)
	}
	return v
}

// TestStatusAddsUp has clients in every state: three idle, two that hold an
// upstream, four that wait.
func TestStatusAddsUp(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(2))
	base := site(t, g)
	idle := []*pgx.Conn{g.connect(t), g.connect(t), g.connect(t)}
	for range 25 {
		must(t, idle[0], "select 1")
	}
	holders := []*raw{g.raw(t), g.raw(t)}
	waiters := []*raw{g.raw(t), g.raw(t), g.raw(t), g.raw(t)}
	for _, r := range holders {
		r.query(t, "begin; select 1")
		r.transcript(t, 1)
	}
	for _, r := range waiters {
		r.query(t, "select 1")
	}
	until(t, "four to wait, all logins to be over, and the limits to be read", func() bool {
		s := g.Status()
		return s.Waiting == 4 && s.Clients.Login == 0 &&
			!slices.ContainsFunc(s.Budgets, func(b observe.Budget) bool { return b.InUse > 2 || b.Source == "" })
	})

	code, body := get(t, base+"/api/v1/status")
	var s weir.Status
	if err := json.Unmarshal([]byte(body), &s); code != http.StatusOK || err != nil {
		t.Fatalf("status %d, %v: %s", code, err, body)
	}
	c := s.Clients
	if c.Total != 9 || c.Idle != 3 || c.Waiting != 4 || c.Active != 2 || c.Login != 0 || c.Max <= 9 {
		t.Errorf("clients are %+v, want 3 idle, 2 active and 4 waiting of 9", c)
	}
	if u := s.Upstreams; u.Active != 2 || u.Idle != 0 || u.Connecting != 0 || u.Limit != 2 {
		t.Errorf("upstreams are %+v, want 2 active of 2", u)
	}
	if s.Waiting != 4 || s.OldestWait <= 0 || s.Utilisation != 1 {
		t.Errorf("waiting %d, the oldest for %v s, utilisation %v; want 4, more than 0, 1", s.Waiting, s.OldestWait, s.Utilisation)
	}
	if len(s.Pools) != 1 {
		t.Fatalf("%d pools, want 1", len(s.Pools))
	}
	for _, b := range s.Budgets {
		if b.InUse != 2 || b.Source == "" {
			t.Errorf("the budget of %s is %+v, want 2 in use, and what set it", b.Scope, b)
		}
	}
	if len(s.Servers) != 1 || !s.Servers[0].Up || len(s.Loops) == 0 {
		t.Errorf("servers %+v, loops %+v", s.Servers, s.Loops)
	}

	_, text := get(t, base+"/metrics")
	labels := `{database="` + s.Pools[0].Database + `",`
	user := `user="` + s.Pools[0].User + `"}`
	for name, want := range map[string]float64{
		`weir_client_connections{state="idle"}`:                         3,
		`weir_client_connections{state="active"}`:                       2,
		`weir_client_connections{state="waiting"}`:                      4,
		`weir_upstream_connections` + labels + `state="active",` + user: 2,
		`weir_upstream_connections_max` + labels + user:                 2,
		`weir_pool_waiting` + labels + user:                             4,
		`weir_pool_utilisation_ratio` + labels + user:                   1,
	} {
		if got := metric(t, text, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}

	for _, r := range holders {
		r.query(t, "commit")
		r.transcript(t, 1)
	}
	for _, r := range waiters {
		r.transcript(t, 1)
	}
	g.balanced(t)
	until(t, "all to be idle", func() bool { return g.Status().Clients.Idle == 9 })
	s = g.Status()
	if s.Clients.Idle != 9 || s.Pools[0].Idle != 2 || s.OldestWait != 0 {
		t.Errorf("afterwards the status is %+v", s)
	}
	// 25 alone, 4 of those who waited, 2 transactions of 2.
	p := s.Pools[0]
	if p.Queries != 33 || p.Query.Count != 33 || p.Transactions != 31 || p.Transaction.Count != 31 {
		t.Errorf("%d queries (%d timed) in %d transactions (%d timed), want 33 in 31", p.Queries, p.Query.Count, p.Transactions, p.Transaction.Count)
	}
	if p.Query.P99 > patience.Seconds() || p.Query.Sum > patience.Seconds() || p.Wait.Count < 31 || p.BytesIn == 0 || p.BytesOut == 0 {
		t.Errorf("the pool is %+v", p)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	g := open(t, nowhere(t), waits(1), func(c *weir.Config) { c.Pool.Min = 1 })
	base := site(t, g)
	if code, body := get(t, base+"/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz without PostgreSQL: %d %q, want 200 ok", code, body)
	}
	until(t, "/readyz to say why it fails", func() bool {
		code, body := get(t, base+"/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, host(t, g.upstream))
	})
	until(t, "the server to count as down", func() bool {
		_, text := get(t, base+"/metrics")
		return metric(t, text, `weir_upstream_up{upstream="`+host(t, g.upstream)+`"}`) == 0
	})

	up := open(t, testpg.URL(t), func(c *weir.Config) { c.Pool.Min = 1 })
	base = site(t, up)
	until(t, "/readyz", func() bool {
		code, _ := get(t, base+"/readyz")
		return code == http.StatusOK
	})
	defer hold(t, up)()
	up.shutdown(bounded(t))
	until(t, "/readyz to fail in a shutdown", func() bool {
		code, body := get(t, base+"/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "shutting down")
	})
	if code, _ := get(t, base+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz in a shutdown: %d, want 200", code)
	}
}
