// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
)

// measurement is one section of the results, to be made.
type measurement struct {
	name     string
	pool     int // most connections from a proxy to PostgreSQL
	rounds   int
	seconds  int // of one sample; 0 if it takes as long as it takes
	cases    []scenario
	commands []string          // as a reader would type them
	proxies  bool              // without PostgreSQL alone
	lacks    map[string]string // by contender's key: why it cannot take part
	fresh    bool              // each sample needs a proxy that has done nothing yet
	own      []*contender      // who takes part; nil: those of -peers
	sample   func(context.Context, *peer, scenario) (sample, error)
}

// measure makes the measurements that the options ask for, one after the other.
func (r *rig) measure(ctx context.Context) (results, error) {
	found := results{}
	for _, m := range []measurement{r.throughput(), r.latency(), r.memory(), r.logins(), r.restart(), r.settings(), r.library()} {
		if !r.opts.has(m.name) || r.opts.ref != "" && m.own != nil {
			continue
		}
		rows, err := r.alternate(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		found[m.name] = section{Setup: r.setup(m), Rows: rows}
	}
	return found, nil
}

// alternate lets the contenders take turns in every case of every round. A
// sample that fails is kept with its error, so that one bad run does not cost
// half an hour of others; only ctx, or a proxy that does not start, ends it.
func (r *rig) alternate(ctx context.Context, m measurement) ([]row, error) {
	team := r.team(m)
	if !m.fresh {
		defer team.stop()
		if err := team.start(ctx, m.pool); err != nil {
			return nil, err
		}
	}
	rows := emptyRows(m, team)
	for round := range m.rounds {
		for i := range rows {
			if rows[i].Lacks != "" {
				continue
			}
			s, err := r.turn(ctx, m, team.find(rows[i].Contender), rows[i].Case)
			if err != nil {
				return nil, err
			}
			rows[i].Samples = append(rows[i].Samples, s)
			r.say("%s %d/%d: %s: %s: %s", m.name, round+1, m.rounds, rows[i].Case, rows[i].Contender, s)
		}
	}
	return rows, nil
}

// emptyRows are the rows of a section, in the order of the turns: the
// contenders of a case follow each other.
func emptyRows(m measurement, t *team) []row {
	var rows []row
	for _, c := range m.cases {
		for _, player := range t.players {
			rows = append(rows, row{Case: c, Contender: player.name, Lacks: cmp.Or(m.lacks[player.key], player.lacks[c.Mode])})
		}
	}
	return rows
}

// turn takes one sample of one contender.
func (r *rig) turn(ctx context.Context, m measurement, p *player, c scenario) (sample, error) {
	if m.fresh {
		defer p.stop()
		if err := p.begin(ctx, m.pool); err != nil {
			return sample{}, err
		}
	}
	s, err := m.sample(ctx, p.peer, c)
	if ctx.Err() != nil {
		return sample{}, ctx.Err()
	}
	if err != nil {
		s = sample{Err: err.Error()}
	}
	return s, nil
}
