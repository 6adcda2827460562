// SPDX-License-Identifier: Apache-2.0

// Command service is a small HTTP service on a weir inside the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weir-pg/weir"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start opens the gateway that DATABASE_URL and its like describe, and a port.
func start(ctx context.Context) error {
	cfg, err := weir.ConfigFromEnv()
	if err != nil {
		return err
	}
	gateway, err := weir.Open(ctx, cfg)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		return errors.Join(err, gateway.Close())
	}
	return serve(ctx, gateway, listener)
}

// serve answers requests until ctx ends, and then lets those finish that have
// begun: first the requests, then the transactions.
func serve(ctx context.Context, gateway *weir.Gateway, listener net.Listener) error {
	server := &http.Server{Handler: routes(gateway)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer stop()
	return errors.Join(err, server.Shutdown(end), gateway.Shutdown(end))
}
