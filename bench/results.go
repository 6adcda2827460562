// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// results is what was found, by measurement. docs/benchmarks.json is this, and
// the page and the plot are drawn from it alone.
type results map[string]section

// section is one measurement, with all that a reader needs to judge it.
type section struct {
	Setup setup `json:"setup"`
	Rows  []row `json:"rows"`
}

// setup is what a section was measured with.
type setup struct {
	Date     string            `json:"date"` // of the end, YYYY-MM-DD
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"` // by contender, and of what measures
	Commands []string          `json:"commands"` // as typed, without addresses and folders
	Pool     int               `json:"pool"`     // most connections from a proxy to PostgreSQL
	Rounds   int               `json:"rounds"`
	Seconds  int               `json:"seconds,omitempty"` // of one pgbench run
}

// row is one contender in one case.
type row struct {
	Case      scenario `json:"case"`
	Contender string   `json:"contender"`
	Lacks     string   `json:"lacks,omitempty"` // why it was not measured here
	Samples   []sample `json:"samples"`         // one per round, in the order they were taken
}

// scenario is a case. Its zero fields do not matter to the measurement.
type scenario struct {
	Mode    string `json:"mode,omitempty"` // pgbench's protocol mode, or how the clients are arranged
	Clients int    `json:"clients"`
}

// sample is one turn of one contender. Its zero fields were not measured.
type sample struct {
	Rate   float64 `json:"per_second,omitempty"`       // transactions or logins
	CPU    float64 `json:"cpu_us,omitempty"`           // the proxy's processor time for one of them, µs
	P50    float64 `json:"p50_us,omitempty"`           // latency, µs
	P99    float64 `json:"p99_us,omitempty"`           // latency, µs
	Bytes  float64 `json:"bytes_per_client,omitempty"` // the proxy's resident memory
	Total  float64 `json:"resident_bytes,omitempty"`   // the same, with all clients
	Share  float64 `json:"share,omitempty"`            // of the rate of clients that are alike, 1 is all of it
	Resume float64 `json:"first_answer_ms,omitempty"`  // after PostgreSQL answers again, ms
	Failed float64 `json:"failed,omitempty"`           // of all that was asked, 1 is all of it
	Err    string  `json:"error,omitempty"`            // why the other fields are of no use
}

// failures is one error for all samples that went wrong.
func (r results) failures() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r)) {
		for _, row := range r[name].Rows {
			for i, s := range row.Samples {
				if s.Err != "" {
					errs = append(errs, fmt.Errorf("%s, %s, %s, round %d: %s", name, row.Case, row.Contender, i+1, s.Err))
				}
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("the docs were left as they are, for samples failed:\n%w", errors.Join(errs...))
}

// String names the case in progress lines and errors.
func (s scenario) String() string {
	text := plural(s.Clients, "client")
	if s.Mode != "" {
		text = s.Mode + ", " + text
	}
	return text
}

// cases lists the scenarios of a section, in order, each once.
func (s section) cases() []scenario {
	var out []scenario
	for _, row := range s.Rows {
		if !slices.Contains(out, row.Case) {
			out = append(out, row.Case)
		}
	}
	return out
}

// contenders lists who takes part in a section, in order, each once.
func (s section) contenders() []string {
	var out []string
	for _, row := range s.Rows {
		if !slices.Contains(out, row.Contender) {
			out = append(out, row.Contender)
		}
	}
	return out
}

// row finds a contender's row of a case; the zero row if it took no part.
func (s section) row(c scenario, contender string) row {
	i := slices.IndexFunc(s.Rows, func(r row) bool { return r.Case == c && r.Contender == contender })
	if i < 0 {
		return row{}
	}
	return s.Rows[i]
}
