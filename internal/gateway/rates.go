// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

// keepRates takes samples of what the gateway has done, until it closes. It costs
// queries nothing: the counters are there for the metrics.
func (g *Gateway) keepRates() {
	tick := time.NewTicker(observe.SampleEvery)
	defer tick.Stop()
	for {
		g.rates.Keep(g.sample())
		select {
		case <-tick.C:
		case <-g.background.Done():
			return
		}
	}
}

// sample is what all pools have counted, those included that are gone.
func (g *Gateway) sample() observe.Sample {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := g.past
	for _, d := range g.order {
		sum = sum.Add(d.pool.Stats().Sample())
	}
	sum.At = time.Now()
	return sum
}
