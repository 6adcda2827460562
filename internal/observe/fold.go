// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"maps"
	"strings"
)

// maxSeries is how many pools, and how many budgets, get label values of their
// own. A pool is about 120 series; a gateway for any database of a server must
// not let its users make as many as they like.
const maxSeries = 100

// otherLabel stands for all pools or budgets beyond the first maxSeries.
const otherLabel = "(other)"

// foldPools returns pools with distinct label values, at most maxSeries+1. The
// first ones keep their names, so that counters do not move between series.
func foldPools(pools []Pool) []Pool {
	type key struct{ database, user string }
	var folded []Pool
	index := make(map[key]int)
	for _, p := range pools {
		k := key{label(p.Database), label(p.User)}
		i, found := index[k]
		if !found && len(folded) >= maxSeries {
			k = key{otherLabel, otherLabel}
			i, found = index[k]
		}
		if found {
			folded[i] = mergePools(folded[i], p)
			continue
		}
		index[k] = len(folded)
		p.Database, p.User = k.database, k.user
		folded = append(folded, p)
	}
	return folded
}

// mergePools returns the sum of two pools, under the name of the first.
func mergePools(a, b Pool) Pool {
	a.Idle += b.Idle
	a.Active += b.Active
	a.Connecting += b.Connecting
	a.Listening += b.Listening
	a.Listeners += b.Listeners
	a.Channels += b.Channels
	a.Max += b.Max
	a.Waiting += b.Waiting
	a.OldestWait = max(a.OldestWait, b.OldestWait)
	a.Pinned += b.Pinned
	a.OldestPin = max(a.OldestPin, b.OldestPin)
	a.Utilisation = ratio(a.Active, a.Max)
	a.Queries += b.Queries
	a.Transactions += b.Transactions
	a.Parses += b.Parses
	a.Deferred += b.Deferred
	a.BytesIn += b.BytesIn
	a.BytesOut += b.BytesOut
	a.Notifications += b.Notifications
	a.NotificationsLost += b.NotificationsLost
	a.Errors = mergeCounts(a.Errors, b.Errors)
	a.Rejects = mergeCounts(a.Rejects, b.Rejects)
	a.Retries = mergeCounts(a.Retries, b.Retries)
	a.Wait.Histogram = a.Wait.Histogram.add(b.Wait.Histogram)
	a.Query.Histogram = a.Query.Histogram.add(b.Query.Histogram)
	a.Transaction.Histogram = a.Transaction.Histogram.add(b.Transaction.Histogram)
	a.Connect.Histogram = a.Connect.Histogram.add(b.Connect.Histogram)
	return a
}

// mergeCounts copies: the maps belong to the snapshot.
func mergeCounts(a, b map[string]uint64) map[string]uint64 {
	sum := make(map[string]uint64, len(a))
	maps.Copy(sum, a)
	for name, n := range b {
		sum[name] += n
	}
	return sum
}

// foldBudgets does for budgets what foldPools does for pools.
func foldBudgets(budgets []Budget) []Budget {
	type key struct {
		scope Scope
		name  string
	}
	var folded []Budget
	index := make(map[key]int)
	for _, b := range budgets {
		k := key{b.Scope, label(b.Name)}
		i, found := index[k]
		if !found && len(folded) >= maxSeries {
			k.name = otherLabel
			i, found = index[k]
		}
		if found {
			folded[i].Limit += b.Limit
			folded[i].Effective += b.Effective
			folded[i].InUse += b.InUse
			continue
		}
		index[k] = len(folded)
		b.Name = k.name
		folded = append(folded, b)
	}
	return folded
}

// foldServers merges servers of one name, of which clients want different things:
// up only if all are.
func foldServers(servers []Server) []Server {
	var folded []Server
	index := make(map[string]int)
	for _, s := range servers {
		s.Name = label(s.Name)
		if i, found := index[s.Name]; found {
			folded[i].Up = folded[i].Up && s.Up
			folded[i].Outages += s.Outages
			folded[i].Probes += s.Probes
			folded[i].Down += s.Down
			continue
		}
		index[s.Name] = len(folded)
		folded = append(folded, s)
	}
	return folded
}

// label makes name a valid label value. PostgreSQL allows names that are not
// UTF-8, and one such value would fail the whole scrape.
func label(name string) string {
	return strings.ToValidUTF8(name, "\uFFFD")
}
