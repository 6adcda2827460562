// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
)

// Keepalive finds a peer that vanished without FIN while the connection is
// idle, userTimeout one that vanished while data is on its way. Both within
// about a minute.
const (
	keepIdle     = 30 * time.Second
	keepInterval = 10 * time.Second
	keepCount    = 3
	userTimeout  = 30 * time.Second
)

// dialer is how sockets to PostgreSQL are made. The zero userTimeout leaves
// TCP_USER_TIMEOUT as the system has it.
type dialer struct {
	keepalive   net.KeepAliveConfig
	userTimeout time.Duration
}

func newDialer() dialer {
	return dialer{
		keepalive: net.KeepAliveConfig{
			Enable:   true,
			Idle:     keepIdle,
			Interval: keepInterval,
			Count:    keepCount,
		},
		userTimeout: userTimeout,
	}
}

// synPatience is how long a connect may go unanswered before it is begun anew.
// The kernel sends its own next after 1, 3 and 7 s, too late for a server that
// is expected back at any moment.
const synPatience = 500 * time.Millisecond

// dial connects, until ctx ends.
func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for {
		try, stop := context.WithTimeout(ctx, synPatience)
		conn, err := d.once(try, network, address)
		silent := errors.Is(try.Err(), context.DeadlineExceeded)
		stop()
		if err == nil || ctx.Err() != nil || !silent {
			return conn, err
		}
	}
}

// once connects. TCP_NODELAY is Go's default; a Unix socket has none of these
// options.
func (d dialer) once(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: d.keepalive, Control: d.control}
	if !d.keepalive.Enable {
		dialer.KeepAlive = -1 // net: a negative KeepAlive turns probes off
	}
	return dialer.DialContext(ctx, network, address)
}

func (d dialer) control(network, _ string, raw syscall.RawConn) error {
	if d.userTimeout <= 0 || !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := raw.Control(func(fd uintptr) { failed = setUserTimeout(int(fd), d.userTimeout) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("set TCP_USER_TIMEOUT: %w", err)
	}
	return nil
}
