// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/upstream"
)

// serverKey names a server as pools look for it: two that want different things
// of the same hosts may find one of them down and the other up.
type serverKey struct {
	address string // several are separated by commas
	attrs   string // target_session_attrs
}

// server is what the pools that connect to the same hosts share.
type server struct {
	*pool.Server
	serverKey
	hosts upstream.Hosts
}

// serverLocked returns the server of a target, which it has share what is known of
// the hosts.
func (g *Gateway) serverLocked(t *upstream.Target) *server {
	key := serverKey{t.Address(), t.Attrs()}
	s := g.servers[key]
	if s == nil {
		s = &server{
			serverKey: key,
			Server:    pool.NewServer(pool.ServerConfig{Name: key.address, Single: t.Single() && t.Hosts() > 1, Logger: g.log}),
		}
		g.servers[key] = s
	}
	t.Share(&s.hosts)
	return s
}
