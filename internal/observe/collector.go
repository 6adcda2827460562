// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry with weir's metrics and those of the Go
// runtime and the process.
func NewRegistry(snapshot func() Snapshot) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		NewCollector(snapshot),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// NewCollector returns a collector that calls snapshot once for each scrape.
// Pools beyond the first 100 share the label values "(other)".
func NewCollector(snapshot func() Snapshot) prometheus.Collector {
	return collector{snapshot}
}

type collector struct {
	snapshot func() Snapshot
}

// Describe implements [prometheus.Collector].
func (c collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(metrics chan<- prometheus.Metric) {
	s := c.snapshot()
	out := sink(metrics)
	out.gateway(&s)
	for _, p := range foldPools(s.Pools) {
		out.pool(&p)
	}
	for _, b := range foldBudgets(s.Budgets) {
		out.budget(b)
	}
	for _, server := range foldServers(s.Servers) {
		out.server(server)
	}
	for _, l := range s.Loops {
		out.histogram(loopBusy, l.Busy.Histogram, strconv.Itoa(l.Number))
	}
}

// sink is where metrics go, with a method for each kind and each part of a snapshot.
type sink chan<- prometheus.Metric

func (out sink) gateway(s *Snapshot) {
	out.gauge(buildInfo, 1, label(s.Version))
	out.gauge(draining, truth(s.Draining))
	out.gauge(reloadSuccess, truth(s.Reload.Error == ""))
	out.gauge(reloadTime, seconds(s.Reload.At))
	out.gauge(clientConnections, float64(s.Clients.Login), "login")
	out.gauge(clientConnections, float64(s.Clients.Idle), "idle")
	out.gauge(clientConnections, float64(s.Clients.Active), "active")
	out.gauge(clientConnections, float64(s.Clients.Waiting), "waiting")
	out.gauge(clientConnections, float64(s.Clients.Replicating), "replicating")
	out.gauge(clientMax, float64(s.Clients.Max))
	out.counter(clientRefused, s.Clients.Refused)
	out.gauge(statementBytes, float64(s.Clients.StatementBytes))
}

func (out sink) pool(p *Pool) {
	db, user := p.Database, p.User
	out.gauge(upstreamConnections, float64(p.Idle), db, user, "idle")
	out.gauge(upstreamConnections, float64(p.Active), db, user, "active")
	out.gauge(upstreamConnections, float64(p.Connecting), db, user, "connecting")
	out.gauge(upstreamConnections, float64(p.Listening), db, user, "listening")
	out.gauge(upstreamMax, float64(p.Max), db, user)
	out.gauge(poolWaiting, float64(p.Waiting), db, user)
	out.gauge(poolOldestWait, p.OldestWait, db, user)
	out.gauge(poolUtilisation, p.Utilisation, db, user)
	out.gauge(poolPinned, float64(p.Pinned), db, user)
	out.gauge(poolOldestPin, p.OldestPin, db, user)

	out.counter(queries, p.Queries, db, user)
	out.counter(transactions, p.Transactions, db, user)
	out.counter(parses, p.Parses, db, user)
	out.counter(deferred, p.Deferred, db, user)
	out.counter(bytesReceived, p.BytesIn, db, user)
	out.counter(bytesSent, p.BytesOut, db, user)
	out.gauge(listeners, float64(p.Listeners), db, user)
	out.gauge(listenChannels, float64(p.Channels), db, user)
	out.counter(notifications, p.Notifications, db, user)
	out.counter(notificationsLost, p.NotificationsLost, db, user)
	for class, n := range p.Errors {
		out.counter(upstreamErrors, n, db, user, class)
	}
	for reason, n := range p.Retries {
		out.counter(retries, n, db, user, reason)
	}
	for reason, n := range p.Rejects {
		out.counter(poolRejects, n, db, user, reason)
	}

	out.histogram(poolWait, p.Wait.Histogram, db, user)
	out.histogram(querySeconds, p.Query.Histogram, db, user)
	out.histogram(txSeconds, p.Transaction.Histogram, db, user)
	out.histogram(upstreamConnect, p.Connect.Histogram, db, user)
}

func (out sink) server(s Server) {
	out.gauge(upstreamUp, truth(s.Up), s.Name)
	out.counter(upstreamOutages, s.Outages, s.Name)
	out.counter(upstreamProbes, s.Probes, s.Name)
	out.seconds(upstreamDown, s.Down, s.Name)
}

func (out sink) budget(b Budget) {
	out.gauge(budgetLimit, float64(b.Limit), string(b.Scope), b.Name)
	out.gauge(budgetEffective, float64(b.Effective), string(b.Scope), b.Name)
	out.gauge(budgetInUse, float64(b.InUse), string(b.Scope), b.Name)
}

func (out sink) gauge(d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (out sink) counter(d *prometheus.Desc, value uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func (out sink) seconds(d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

// histogram exports every second bound, a factor of 2.5 apart: each bound is a
// series for each pool, and a scrape is stored for months.
func (out sink) histogram(d *prometheus.Desc, s HistogramSnapshot, labels ...string) {
	buckets := make(map[float64]uint64, boundCount/2)
	var upTo uint64
	for i, bound := range bounds {
		upTo += s.Buckets[i]
		if i%2 == 0 {
			buckets[bound.Seconds()] = upTo
		}
	}
	out <- prometheus.MustNewConstHistogram(d, s.Count, s.Sum.Seconds(), buckets, labels...)
}

// seconds is a time as Prometheus has it, 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
