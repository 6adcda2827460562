// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// settings is the throughput of clients that each have a search_path and a
// TimeZone of their own, beside that of clients that are all alike. A proxy that
// lends connections has to bring a client's settings along. pgbench's options
// are those of all its clients, so each client is a pgbench.
func (r *rig) settings() measurement {
	return measurement{
		name:     settings,
		pool:     poolSize,
		rounds:   r.opts.rounds,
		seconds:  r.opts.seconds,
		cases:    r.cases(r.opts.clients...),
		commands: []string{"PGOPTIONS='" + ownOptions(1) + "' " + runCommand("1", r.opts.seconds)},
		lacks:    map[string]string{pgbouncer: "it refuses search_path in options"},
		sample:   r.sampleSettings,
	}
}

// ownOptions are the settings of one client, alike none.
func ownOptions(number int) string {
	return fmt.Sprintf("-c search_path=tenant_%d,public -c TimeZone=<t%d>-%d:%02d", number, number, number/60, number%60)
}

// sampleSettings measures both kinds of clients, one after the other. Rate and CPU
// are of those with settings of their own.
func (r *rig) sampleSettings(ctx context.Context, p *peer, c scenario) (sample, error) {
	alike, err := r.selectsApart(ctx, p, c, func(int) string { return "" })
	if err != nil {
		return sample{}, err
	}
	before, err := p.spent()
	if err != nil {
		return sample{}, err
	}
	own, err := r.selectsApart(ctx, p, c, ownOptions)
	if err != nil {
		return sample{}, err
	}
	after, err := p.spent()
	if err != nil {
		return sample{}, err
	}
	return sample{Rate: own.rate, CPU: perUnit(after-before, own.transactions), Share: own.rate / alike.rate}, nil
}

// selectsApart is selects with a pgbench for each client, which has the options
// for its number. The tally is of all; an error is the first.
func (r *rig) selectsApart(ctx context.Context, p *peer, c scenario, options func(number int) string) (tally, error) {
	var mu sync.Mutex
	var sum tally
	var first error
	var group sync.WaitGroup
	for number := 1; number <= c.Clients; number++ {
		group.Go(func() {
			out, err := r.pgbenchWith(ctx, options(number), p.host, p.port, runArgs(scenario{Mode: c.Mode, Clients: 1}, r.opts.seconds)...)
			var t tally
			if err == nil {
				t, err = parseTally(out)
			}
			if errors.Is(err, errNone) {
				err = nil // with many of them, one may have no turn
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = fmt.Errorf("client %d: %w", number, err)
			}
			sum.rate += t.rate
			sum.transactions += t.transactions
		})
	}
	group.Wait()
	if first == nil && sum.transactions == 0 {
		first = errNone
	}
	return sum, first
}
