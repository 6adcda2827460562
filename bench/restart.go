// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

// restart is how long after a restarted PostgreSQL is ready again a client,
// which connects anew as soon as it is refused, gets its first answer.
func (r *rig) restart() measurement {
	return measurement{
		name:   restart,
		pool:   poolSize,
		rounds: min(r.opts.rounds, 3),
		cases:  []scenario{{Clients: 1}},
		sample: r.sampleRestart,
	}
}

func (r *rig) sampleRestart(ctx context.Context, p *peer, _ scenario) (sample, error) {
	if err := r.login.visit(ctx, p.addr()); err != nil {
		return sample{}, fmt.Errorf("before the restart: %w", err)
	}
	if err := r.server.Restart(ctx, pgserver.Fast); err != nil {
		return sample{}, err
	}
	start := time.Now()
	for {
		err := r.login.visit(ctx, p.addr())
		took := time.Since(start)
		if err == nil {
			return sample{Resume: float64(took.Microseconds()) / 1000}, nil
		}
		if took > time.Minute {
			return sample{}, fmt.Errorf("no answer within a minute: %w", err)
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return sample{}, err
		}
	}
}
