// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"maps"

	"github.com/weir-pg/weir/internal/listen"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/upstream"
)

// hubParams are the start-up parameters of the connection that listens: nothing
// may end it because it is idle, or its LISTEN because PostgreSQL is slow.
var hubParams = map[string]string{
	"application_name":     "weir listen",
	"idle_session_timeout": "0",
	"statement_timeout":    "0",
}

// newHub makes the pool's hub, which opens no connection before a client
// listens.
func (p *Pool) newHub() *listen.Hub {
	var claimed []*pool.Budget // by the one connection; a reload may change the pool's
	return listen.New(listen.Options{
		Name: p.name(),
		Claim: func(ctx context.Context) error {
			claimed = p.options.Load().budgets()
			return pool.Reserve(ctx, 0, claimed...)
		},
		Release: func() { pool.Give(claimed...) },
		Connect: p.connectHub,
		Sender:  p.env.knownAs,
		Linger:  p.config().IdleTimeout,
		Logger:  p.env.log,
	})
}

// connectHub opens the connection that listens.
func (p *Pool) connectHub(ctx context.Context) (*upstream.Login, error) {
	o := p.options.Load()
	ctx, stop := context.WithTimeout(ctx, o.Config.ConnectTimeout)
	defer stop()
	prepared, err := o.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(hubParams)
	for name, value := range prepared {
		if _, own := all[name]; !own {
			all[name] = value
		}
	}
	return o.Target.Login(ctx, all)
}

// Listening returns how many connections listen for the pool's clients, how many
// clients they do it for, and to how many channels.
func (p *Pool) Listening() (connections, clients, channels int) {
	s := p.hub.Status()
	if s.Open {
		connections = 1
	}
	return connections, int(p.listeners.Load()), s.Channels
}
