// SPDX-License-Identifier: Apache-2.0

package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy passes TCP connections on to a server. Its methods may be called from
// any goroutine.
type Proxy struct {
	// Fixed after construction.
	listener *net.TCPListener
	upstream string // host:port
	ctx      context.Context
	stop     context.CancelFunc

	delay   atomic.Int64
	running sync.WaitGroup

	talk   sync.Mutex // held while script runs
	script Script     // guarded by talk

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu; the open ones
	count int                // guarded by mu; connections ever
	loss  float64            // guarded by mu; see Lose
}

// New starts a proxy on a free port of 127.0.0.1 before the server at upstream,
// host:port. Close ends it.
func New(upstream string) (*Proxy, error) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // Go's default for listeners, whose sockets take no filter
	l, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the fault proxy: %w", err)
	}
	p := &Proxy{listener: l.(*net.TCPListener), upstream: upstream, conns: map[*conn]struct{}{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Through returns dsn, a URL of the server, with the proxy's address.
func (p *Proxy) Through(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	u.Host = p.listener.Addr().String()
	return u.String(), nil
}

// Script sets what decides about each message from now on. nil, as at the
// start, passes all on as they are. The script before is not running any more
// when Script returns.
func (p *Proxy) Script(s Script) {
	p.talk.Lock()
	defer p.talk.Unlock()
	p.script = s
}

// Delay sets for how long everything that arrives from now on is kept before it
// is passed on, in both directions. Zero, as at the start, is not at all.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Lose has the kernel drop a share, from 0 to 1, of all packets that come to
// the proxy from either side, acknowledgements and those that open and close
// connections included: what is lost is sent again until TCP gives up. At 1 the
// proxy is a black hole. It works on Linux alone, else it is
// errors.ErrUnsupported.
func (p *Proxy) Lose(share float64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss = share
	errs := []error{lose(p.listener, share)}
	for c := range p.conns {
		errs = append(errs, c.lose(share))
	}
	return errors.Join(errs...)
}

// Open is the number of open connections.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Reset ends all open connections, those that hang too, with RST for both
// sides.
func (p *Proxy) Reset() {
	p.mu.Lock()
	conns := slices.Collect(maps.Keys(p.conns))
	p.mu.Unlock()
	for _, c := range conns {
		c.reset()
	}
}

// Close ends the proxy with all its connections, and returns when nothing of it
// runs any more.
func (p *Proxy) Close() {
	p.stop()
	_ = p.listener.Close()
	p.Reset()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

// serve connects a client with the server until both directions have ended. A
// server that is not there is passed on as a reset.
func (p *Proxy) serve(client *net.TCPConn) {
	c := p.enter(client)
	defer p.leave(c)
	dialer := net.Dialer{}
	upstream, err := dialer.DialContext(p.ctx, "tcp", p.upstream)
	if err != nil || !p.connect(c, upstream.(*net.TCPConn)) {
		c.reset()
		return
	}
	var back sync.WaitGroup
	back.Go(func() { c.carry(Upstream) })
	c.carry(Client)
	back.Wait()
	c.close()
}

// enter counts a new connection.
func (p *Proxy) enter(client *net.TCPConn) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	c := &conn{proxy: p, number: p.count, client: client, ended: make(chan struct{})}
	p.conns[c] = struct{}{}
	_ = lose(client, p.loss) // it was accepted perhaps before Lose, which said what fails
	return c
}

// connect gives a connection its other side. It returns false if one of the two
// was ended meanwhile.
func (p *Proxy) connect(c *conn, upstream *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.over() || p.ctx.Err() != nil {
		_ = upstream.Close()
		return false
	}
	c.upstream = upstream
	_ = lose(upstream, p.loss) // as in enter
	return true
}

func (p *Proxy) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// decide asks the script.
func (p *Proxy) decide(m *Message) Fate {
	p.talk.Lock()
	defer p.talk.Unlock()
	if p.script == nil {
		return Live
	}
	return p.script(m)
}
