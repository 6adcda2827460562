// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/weir-pg/weir/internal/web"
)

// ListenAndServe makes the gateway serve others: clients at the addresses of
// Config.Listen, and health, metrics, status and the page at Config.HTTP. It
// returns when the gateway has ended: after Shutdown or Close, or when ctx ends,
// which has it call Shutdown with Config.ShutdownTimeout. The error is that of the
// shutdown, and nil if no client was cut.
//
// Where an address cannot be opened, it returns at once, none is open, and the
// gateway goes on without.
func (g *Gateway) ListenAndServe(ctx context.Context) error {
	site, err := g.openSite()
	if err != nil {
		return errors.Join(g.engine.CheckAddresses(), err) // whoever has to choose another address sees all
	}
	if err := g.Listen(); err != nil {
		return errors.Join(err, site.close())
	}
	if g.started != nil {
		if err := g.started(g); err != nil {
			return errors.Join(err, g.Close(), site.close())
		}
	}
	select {
	case <-ctx.Done():
	case <-g.engine.Done():
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), g.engine.Config().ShutdownTimeout)
	defer stop()
	return errors.Join(g.Shutdown(end), site.close())
}

// HTTPAddr returns where ListenAndServe serves HTTP, nil where it does not.
func (g *Gateway) HTTPAddr() net.Addr {
	if a := g.http.Load(); a != nil {
		return *a
	}
	return nil
}

// site is the HTTP side: health, metrics, status, the page.
type site struct {
	stop context.CancelFunc
	done sync.WaitGroup
	err  error // read after done
}

// openSite serves HTTP in the background, if the settings name an address.
func (g *Gateway) openSite() (*site, error) {
	s := &site{stop: func() {}}
	address := g.engine.Config().HTTP
	if address == "" {
		return s, nil
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot serve HTTP on %s: another program listens there already; stop it, or choose another address with --http or WEIR_HTTP", address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot serve HTTP on %s: %w", address, err)
	}
	bound := l.Addr()
	g.http.Store(&bound)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = func() {
		stop()
		g.http.Store(nil)
	}
	s.done.Go(func() { s.err = web.Serve(ctx, l, g.Handler(address), g.log) })
	g.log.Info("serving HTTP", "url", "http://"+l.Addr().String())
	return s, nil
}

// close ends the site when the requests in progress are answered.
func (s *site) close() error {
	s.stop()
	s.done.Wait()
	return s.err
}
