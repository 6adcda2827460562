// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-pg/weir/internal/observe"
)

// The documentation lists the metrics as they are. With -update the test writes
// them there.
func TestDocsListTheMetrics(t *testing.T) {
	t.Parallel()
	const (
		path  = "../../docs/metrics.md"
		begin = "<!-- metrics -->\n"
		end   = "<!-- /metrics -->\n"
	)
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no %q and %q", path, begin, end)
	}
	want := before + begin + metricsTable(t) + end + after
	switch {
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case string(page) != want:
		t.Errorf("%s differs from the metrics: run go test ./internal/observe -run Docs -update", path)
	}
}

func metricsTable(t *testing.T) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(observe.NewCollector(sample))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		var labels []string
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+pair.GetName()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	return b.String()
}
