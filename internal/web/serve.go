// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10               // 16 KiB
	grace         = 400 * time.Millisecond // for answers in progress when ctx ends

	// MaxConns is how many connections there may be. The one that has been there for
	// longest without a request being answered makes room for another.
	MaxConns = 64
)

// Serve answers requests on listener until ctx ends, then finishes those in
// progress within 400 ms and returns nil. It owns listener and closes it. An error
// means that it stopped early. logger gets what net/http reports.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	g := &guests{Listener: listener}
	server := &http.Server{
		Handler:           g.serving(handler),
		ConnContext:       g.know,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(g) }()

	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		stop(server)
		err = <-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("HTTP on %s stopped: %w", listener.Addr(), err)
}

// stop lets requests in progress finish, then cuts those that do not.
func stop(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}
