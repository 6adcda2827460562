// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// memory is what one more idle client costs the proxy, between a tenth of the
// clients and all of them: the first ones also pay for what is there once.
func (r *rig) memory() measurement {
	return measurement{
		name:    memory,
		pool:    poolSize,
		rounds:  min(r.opts.rounds, 3),
		cases:   []scenario{{Clients: r.opts.idle}},
		proxies: true,
		fresh:   true, // a process hardly gives memory back
		sample:  r.sampleMemory,
	}
}

func (r *rig) sampleMemory(ctx context.Context, p *peer, c scenario) (sample, error) {
	longest := time.Minute
	if r.opts.smoke {
		longest = time.Second
	}
	idle := &idlers{login: r.login, addr: p.addr()}
	defer idle.close()

	first := c.Clients / 10
	if err := idle.grow(ctx, first); err != nil {
		return sample{}, err
	}
	low, err := settled(ctx, p.pid, longest)
	if err != nil {
		return sample{}, err
	}
	if err := idle.grow(ctx, c.Clients); err != nil {
		return sample{}, err
	}
	high, err := settled(ctx, p.pid, longest)
	if err != nil {
		return sample{}, err
	}
	if err := idle.check(ctx); err != nil {
		return sample{}, err
	}
	return sample{Bytes: float64(high-low) / float64(c.Clients-first), Total: float64(high)}, nil
}

// idlers are clients that have logged in and do nothing.
type idlers struct {
	login   *login
	addr    string
	clients []*client
}

// grow logs in until there are n clients, 8 at a time.
func (i *idlers) grow(ctx context.Context, n int) error {
	for len(i.clients) < n {
		more, err := i.login.openMany(ctx, i.addr, min(8, n-len(i.clients)))
		i.clients = append(i.clients, more...)
		if err != nil {
			return fmt.Errorf("client %d of %d: %w", len(i.clients)+1, n, err)
		}
	}
	return nil
}

// check asks every hundredth client a query, to see that it is still served.
func (i *idlers) check(ctx context.Context) error {
	for n := 0; n < len(i.clients); n += 100 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := i.clients[n].query(); err != nil {
			return fmt.Errorf("idle client %d: %w", n+1, err)
		}
	}
	return nil
}

func (i *idlers) close() {
	for _, c := range i.clients {
		c.close()
	}
}
