// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/pgserver"
)

func (p *program) devCommand() *cobra.Command {
	c := p.settings(&cobra.Command{
		Use:   "dev",
		Short: "Start a private PostgreSQL and weir before it",
		Long:  "Start a private PostgreSQL and weir before it, and print the URLs. PostgreSQL is one\nthat is installed, else a packaged one is fetched. Ctrl-C ends both; the data are\nremoved unless --data names a folder to keep them in.",
	})
	data := c.Flags().String("data", "", "folder to keep PostgreSQL's data in; removed at the end if not given")
	c.RunE = func(c *cobra.Command, _ []string) error { return p.dev(c, *data) }
	return c
}

func (p *program) dev(c *cobra.Command, data string) (err error) {
	log := p.logger(config.Log{Level: config.Warn, Format: config.Text})
	// Until weir serves, Ctrl-C ends the start of PostgreSQL.
	ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
	server, err := pgserver.Start(ctx, pgserver.Options{Data: data, Fetch: true, User: "app", Database: "app", Logger: log})
	interrupted := ctx.Err() != nil
	stop()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if interrupted {
		return nil
	}
	p.environ = append(p.environ, "WEIR_UPSTREAM_URL="+server.URL())
	cfg, err := p.load(c)
	if err != nil {
		return err
	}
	return p.serve(c, cfg, p.devLogger(cfg, log), func(g *weir.Gateway) error {
		return p.announce(g, server, data != "")
	})
}

// devLogger is quiet unless a level was asked for: the URLs are what matters.
func (p *program) devLogger(cfg *config.Config, quiet *slog.Logger) *slog.Logger {
	if cfg.Log.Level == config.Info {
		return quiet
	}
	return p.logger(cfg.Log)
}

// announce prints where everything is.
func (p *program) announce(g *weir.Gateway, server *pgserver.Server, keep bool) error {
	u, err := url.Parse(server.URL())
	if err != nil {
		return err
	}
	direct := u.String()
	u.Host = g.Addr().String()
	page := "off"
	if address := g.HTTPAddr(); address != nil {
		page = "http://" + address.String() + "/"
	}
	folder := server.Dir()
	if !keep {
		folder += " (removed at the end; --data FOLDER keeps it)"
	}
	_, err = fmt.Fprintf(p.stdout, `
weir is ready. PostgreSQL %s runs behind it.

  through weir  %s
  directly      %s
  status        %s
  data          %s

Try it:  psql '%s'
Ctrl-C ends both when open transactions have finished, a second Ctrl-C at once.
`, server.Version(), u, direct, page, folder, u)
	return err
}
