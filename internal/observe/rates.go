// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"sync"
	"time"
)

// Rates is what a gateway did in a stretch of time that has just passed. The zero
// value: no time has.
type Rates struct {
	Seconds      float64 `json:"seconds"` // how long the stretch is: shorter just after the start
	Queries      float64 `json:"queries_per_second"`
	Transactions float64 `json:"transactions_per_second"`
	Errors       float64 `json:"errors_per_second"` // PostgreSQL's and those of requests that got no connection
	ErrorRate    float64 `json:"error_rate"`        // Errors as a share of all requests, from 0 to 1

	Wait  Latency `json:"wait"`  // without its histogram
	Query Latency `json:"query"` // without its histogram
}

// Sample is the counts of one or more pools at one moment. They only grow.
type Sample struct {
	At                                     time.Time
	Queries, Transactions, Errors, Rejects uint64
	Wait, Query                            HistogramSnapshot
}

// Sample returns the counts now.
func (s *PoolStats) Sample() Sample {
	return Sample{
		At:           time.Now(),
		Queries:      s.Queries.Value(),
		Transactions: s.Transactions.Value(),
		Errors:       s.Errors.total(),
		Rejects:      s.Rejects.total(),
		Wait:         s.Wait.Snapshot(),
		Query:        s.Query.Snapshot(),
	}
}

// Add returns the sum of two samples, at the time of s.
func (s Sample) Add(other Sample) Sample {
	s.Queries += other.Queries
	s.Transactions += other.Transactions
	s.Errors += other.Errors
	s.Rejects += other.Rejects
	s.Wait = s.Wait.add(other.Wait)
	s.Query = s.Query.add(other.Query)
	return s
}

// since is what happened after an earlier sample.
func (s Sample) since(earlier Sample) Rates {
	took := s.At.Sub(earlier.At).Seconds()
	if took <= 0 {
		return Rates{}
	}
	queries, rejects := s.Queries-earlier.Queries, s.Rejects-earlier.Rejects
	failed := s.Errors - earlier.Errors + rejects
	r := Rates{
		Seconds:      took,
		Queries:      float64(queries) / took,
		Transactions: float64(s.Transactions-earlier.Transactions) / took,
		Errors:       float64(failed) / took,
		Wait:         s.Wait.Sub(earlier.Wait).Latency(),
		Query:        s.Query.Sub(earlier.Query).Latency(),
	}
	if asked := queries + rejects; asked > 0 {
		r.ErrorRate = min(float64(failed)/float64(asked), 1)
	}
	r.Wait.Histogram, r.Query.Histogram = HistogramSnapshot{}, HistogramSnapshot{}
	return r
}

// SampleEvery is how far apart the samples of a window are, and windowSize how
// many it keeps: those of a minute.
const (
	SampleEvery = time.Second
	windowSize  = int(time.Minute/SampleEvery) + 1
)

// Window keeps the samples of the last minute. The zero value has none.
type Window struct {
	mu      sync.Mutex
	samples []Sample // guarded by mu; the oldest first
}

// Keep takes in a sample, SampleEvery after the last.
func (w *Window) Keep(s Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == windowSize {
		w.samples = append(w.samples[:0], w.samples[1:]...)
	}
	w.samples = append(w.samples, s)
}

// Over returns what happened from d before now to now, or since the oldest sample
// if that is younger.
func (w *Window) Over(now Sample, d time.Duration) Rates {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return Rates{}
	}
	from := w.samples[0]
	for _, s := range w.samples {
		if now.At.Sub(s.At) < d {
			break
		}
		from = s
	}
	return now.since(from)
}
