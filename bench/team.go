// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
)

// team is the contenders of one measurement.
type team struct{ players []*player }

// player is a contender, and the peer while it runs.
type player struct {
	*contender
	peer *peer // nil while it does not run
}

// team is who takes part in m, in the order of their turns.
func (r *rig) team(m measurement) *team {
	t := &team{}
	list := r.list
	if m.own != nil {
		list = m.own
	}
	for _, c := range list {
		if !m.proxies || c.key != postgres {
			t.players = append(t.players, &player{contender: c})
		}
	}
	return t
}

// start begins all. The caller calls stop, also after an error.
func (t *team) start(ctx context.Context, pool int) error {
	for _, p := range t.players {
		if err := p.begin(ctx, pool); err != nil {
			return err
		}
	}
	return nil
}

func (t *team) stop() {
	for _, p := range t.players {
		p.stop()
	}
}

// find returns the player of that name, which is one of the team's.
func (t *team) find(name string) *player {
	for _, p := range t.players {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (p *player) begin(ctx context.Context, pool int) (err error) {
	if p.peer, err = p.start(ctx, pool); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	return nil
}

// stop ends the peer, if it runs.
func (p *player) stop() {
	if p.peer != nil {
		p.peer.stop()
		p.peer = nil
	}
}
