// SPDX-License-Identifier: Apache-2.0

package main

import "context"

// crowd clients share crowdPool connections in the latency measurement.
const (
	crowd     = 200
	crowdPool = 10
)

// latency is how long a transaction takes where most clients have to wait for
// a connection: the percentiles of all transactions that pgbench logged. It
// shows whether waiting is fair, which a mean does not.
func (r *rig) latency() measurement {
	clients := crowd
	if r.opts.smoke {
		clients = crowd / 4
	}
	return measurement{
		name:     latency,
		pool:     crowdPool,
		rounds:   r.opts.rounds,
		seconds:  r.opts.seconds,
		cases:    r.cases(clients),
		commands: []string{runCommand("CLIENTS", r.opts.seconds) + " -l"},
		sample:   r.sampleLatency,
	}
}

func (r *rig) sampleLatency(ctx context.Context, p *peer, c scenario) (sample, error) {
	prefix := r.file("transactions")
	t, err := r.selects(ctx, p, c, prefix)
	if err != nil {
		return sample{}, err
	}
	times, err := readLogs(prefix)
	if err != nil {
		return sample{}, err
	}
	return sample{Rate: t.rate, P50: percentile(times, 50), P99: percentile(times, 99)}, nil
}
