// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"
)

// poolSize is a proxy's connections to PostgreSQL where clients do not crowd.
const poolSize = 20

// throughput is pgbench's select-only script in each mode with each number of
// clients, and what the proxy spends on a transaction.
func (r *rig) throughput() measurement {
	return measurement{
		name:     throughput,
		pool:     poolSize,
		rounds:   r.opts.rounds,
		seconds:  r.opts.seconds,
		cases:    r.cases(r.opts.clients...),
		commands: []string{runCommand("CLIENTS", r.opts.seconds)},
		sample:   r.sampleThroughput,
	}
}

func (r *rig) sampleThroughput(ctx context.Context, p *peer, c scenario) (sample, error) {
	before, err := p.spent()
	if err != nil {
		return sample{}, err
	}
	t, err := r.selects(ctx, p, c, "")
	if err != nil {
		return sample{}, err
	}
	after, err := p.spent()
	if err != nil {
		return sample{}, err
	}
	return sample{Rate: t.rate, CPU: perUnit(after-before, t.transactions)}, nil
}

// cases are all modes with all these numbers of clients.
func (r *rig) cases(clients ...int) []scenario {
	var out []scenario
	for _, mode := range r.opts.modes {
		for _, n := range clients {
			out = append(out, scenario{Mode: mode, Clients: n})
		}
	}
	return out
}

// spent is the proxy's processor time so far; 0 where there is no proxy, or
// where the system does not tell.
func (p *peer) spent() (time.Duration, error) {
	if p.pid == 0 {
		return 0, nil
	}
	t, err := processorTime(p.pid)
	if errors.Is(err, errors.ErrUnsupported) {
		return 0, nil
	}
	return t, err
}

// perUnit divides, into µs.
func perUnit(d time.Duration, n int64) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(n)
}
