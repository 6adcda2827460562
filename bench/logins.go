// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// visitors is how many clients log in at once in the measurement of logins.
const visitors = 8

// logins is how often per second clients connect, log in, ask one query and
// leave, as a program does that keeps no connection.
func (r *rig) logins() measurement {
	return measurement{
		name:    logins,
		pool:    poolSize,
		rounds:  r.opts.rounds,
		seconds: r.opts.seconds,
		cases:   []scenario{{Clients: visitors}},
		sample:  r.sampleLogins,
	}
}

func (r *rig) sampleLogins(ctx context.Context, p *peer, c scenario) (sample, error) {
	before, err := p.spent()
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	n, err := r.login.visitFor(ctx, time.Duration(r.opts.seconds)*time.Second, p.addr(), c.Clients)
	if err != nil {
		return sample{}, err
	}
	took := time.Since(start)
	after, err := p.spent()
	if err != nil {
		return sample{}, err
	}
	return sample{Rate: float64(n) / took.Seconds(), CPU: perUnit(after-before, n)}, nil
}

// visitFor keeps so many clients coming for d and returns how many have been
// served, at least one. The first error ends it.
func (l *login) visitFor(ctx context.Context, d time.Duration, addr string, clients int) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var served atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(d)
	for range clients {
		group.Go(func() {
			for first := true; first || time.Now().Before(end) && ctx.Err() == nil; first = false {
				if err := l.visit(ctx, addr); err != nil {
					cancel(err)
					return
				}
				served.Add(1)
			}
		})
	}
	group.Wait()
	return served.Load(), context.Cause(ctx)
}

// visit logs in, asks one query and leaves.
func (l *login) visit(ctx context.Context, addr string) error {
	c, err := l.open(ctx, addr)
	if err != nil {
		return err
	}
	defer c.close()
	return c.query()
}
