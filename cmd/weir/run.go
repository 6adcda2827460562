// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
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
func (p *program) serve(c *cobra.Command, cfg *config.Config, log *slog.Logger, started func(*weir.Gateway) error) error {
	read := look(cfg.Files()) // at once: to open the gateway takes its time
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	tune()
	ctx, stop := context.WithCancel(c.Context())
	g, err := weir.Open(ctx, *cfg, weir.WithLogger(log), weir.WithVersion(version), weir.OwnProcess(), weir.WhenListening(started))
	if err != nil {
		stop()
		return err
	}
	defer g.Close() // where it did not come to serve; what that ends is nobody's
	r := reloader{gateway: g, load: func() (*config.Config, error) { return p.load(c) }, level: &p.level, log: log, config: cfg, read: read}
	r.timeout.Store(int64(cfg.ShutdownTimeout))
	var helpers sync.WaitGroup
	helpers.Go(func() { r.watch(ctx, hangups) })
	ended := make(chan struct{})
	helpers.Go(func() { obey(g, signals, stop, ended, &r.timeout, log) })
	err = g.ListenAndServe(ctx)
	stop()
	close(ended)
	helpers.Wait()
	log.Info("stopped")
	return err
}

// obey has the first signal stop the gateway, and the second end it, until ended
// is closed.
func obey(g *weir.Gateway, signals <-chan os.Signal, stop func(), ended <-chan struct{}, timeout *atomic.Int64, log *slog.Logger) {
	select {
	case s := <-signals:
		log.Info("stopping: transactions in progress may finish", "signal", s.String())
		late := time.AfterFunc(time.Duration(timeout.Load())+mostOverTime, func() { overdue(log) })
		defer late.Stop()
		stop()
	case <-ended:
		return
	}
	select {
	case s := <-signals:
		log.Warn("stopping at once", "signal", s.String())
		_ = g.Close() // ListenAndServe says what it cut
	case <-ended:
	}
}

// mostOverTime is how long after shutdown_timeout the gateway may take to end. Of
// the two seconds that are promised, the last part is for what comes after it.
const mostOverTime = 1900 * time.Millisecond

// overdue ends a process whose gateway does not end, which is a defect: the log has
// what every goroutine does. Whoever stops weir must not have to wait.
func overdue(log *slog.Logger) {
	stacks := make([]byte, 1<<20)
	log.Error("defect in weir: the gateway did not end in time; the process ends without it", "stacks", string(stacks[:runtime.Stack(stacks, true)]))
	os.Exit(exitFailure)
}
