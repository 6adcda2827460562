// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/web"
)

func (p *program) runCommand() *cobra.Command {
	return p.settings(&cobra.Command{
		Use:   "run",
		Short: "Serve clients until SIGTERM or SIGINT",
		Long:  "Serve clients until SIGTERM or SIGINT; then let transactions in progress finish,\nup to --shutdown-timeout. A second signal ends at once.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.load(c)
			if err != nil {
				return err
			}
			return p.serve(c, cfg, p.logger(cfg.Log), nil)
		},
	})
}

// serve runs a gateway until a signal. started, if not nil, is called once
// clients can connect; its error ends the gateway.
func (p *program) serve(c *cobra.Command, cfg *config.Config, log *slog.Logger, started func(g *weir.Gateway, http string) error) error {
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	tune()
	g, err := weir.Open(cfg, weir.Options{Logger: log, Version: version, OwnProcess: true})
	if err != nil {
		return err
	}
	if err := g.Listen(); err != nil {
		return errors.Join(err, g.Close())
	}
	site, err := openSite(g, cfg.HTTP, log)
	if err != nil {
		return errors.Join(err, g.Close())
	}
	if started != nil {
		if err := started(g, site.address); err != nil {
			return errors.Join(err, g.Close(), site.close())
		}
	}
	r := reloader{gateway: g, load: func() (*config.Config, error) { return p.load(c) }, level: &p.level, log: log, config: cfg}
	ctx, stop := context.WithCancel(c.Context())
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(ctx, hangups) })
	select {
	case s := <-signals:
		log.Info("stopping: transactions in progress may finish", "signal", s.String())
	case <-ctx.Done():
	}
	stop()
	watching.Wait()
	ctx, stop = context.WithTimeout(context.Background(), r.config.ShutdownTimeout)
	defer stop()
	go func() {
		if s, ok := <-signals; ok {
			log.Warn("stopping at once", "signal", s.String())
			stop()
		}
	}()
	err = g.Shutdown(ctx)
	log.Info("stopped")
	return errors.Join(err, site.close())
}

// site is the HTTP side: health, metrics, status, the page.
type site struct {
	address string // "" where there is none
	stop    context.CancelFunc
	done    sync.WaitGroup
	err     error
}

func openSite(g *weir.Gateway, address string, log *slog.Logger) (*site, error) {
	s := &site{stop: func() {}}
	if address == "" {
		return s, nil
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot serve HTTP on %s: another program listens there already; stop it, or choose another address with --http", address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot serve HTTP on %s: %w", address, err)
	}
	s.address = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.done.Go(func() { s.err = web.Serve(ctx, l, g.Handler(address), log) })
	log.Info("serving HTTP", "url", "http://"+s.address)
	return s, nil
}

func (s *site) close() error {
	s.stop()
	s.done.Wait()
	return s.err
}
