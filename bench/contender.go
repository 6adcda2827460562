// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"syscall"
)

// contender is a way from a client to PostgreSQL that is measured.
type contender struct {
	name    string // in tables: "weir", "PgBouncer", "PostgreSQL"
	key     string // in -peers
	version string
	command func(pool int) string // as a reader would type it; nil if nothing is started
	lacks   map[string]string     // by pgbench mode: why it cannot be measured in it
	start   func(ctx context.Context, pool int) (*peer, error)
}

// peer is a contender that runs.
type peer struct {
	name string
	host string
	port int
	pid  int    // of the proxy; 0 where there is none
	stop func() // ends it; does not fail
}

func (p *peer) addr() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }

// contenders makes those that -peers names, in its order.
func (r *rig) contenders() ([]*contender, error) {
	makers := map[string]func() (*contender, error){
		weir:      func() (*contender, error) { return r.weir("weir", weir, r.binary) },
		reference: func() (*contender, error) { return r.weir("reference", reference, r.opts.ref) },
		pgbouncer: r.pgbouncer,
		postgres:  r.postgres,
	}
	var out []*contender
	for _, key := range r.opts.peers {
		c, err := makers[key]()
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// postgres is PostgreSQL with no proxy: a client, a server process.
func (r *rig) postgres() (*contender, error) {
	return &contender{
		name:    "PostgreSQL",
		key:     postgres,
		version: r.serverVersion,
		start: func(context.Context, int) (*peer, error) {
			return &peer{name: "PostgreSQL", host: r.db.Host, port: int(r.db.Port), stop: func() {}}, nil
		},
	}, nil
}

// begin launches a proxy that listens on 127.0.0.1:port.
func (r *rig) begin(ctx context.Context, name string, cmd *exec.Cmd, port int, end syscall.Signal) (*peer, error) {
	p := &peer{name: name, host: "127.0.0.1", port: port}
	proc, err := launch(ctx, cmd, r.file(name+".log"), p.addr(), end)
	if err != nil {
		return nil, err
	}
	p.pid, p.stop = cmd.Process.Pid, proc.stop
	return p, nil
}
