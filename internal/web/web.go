// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weir-pg/weir/internal/observe"
)

// Options are what the handler reads from. All fields but Listen are required.
type Options struct {
	// Snapshot returns the current state. It is called from many goroutines.
	Snapshot func() observe.Snapshot

	// Ready returns nil when a client could be served now, else a sentence that
	// says what is missing. Its context ends after 2 s or with the request.
	Ready func(context.Context) error

	// Gatherer is what /metrics exports.
	Gatherer prometheus.Gatherer

	// Logger gets what goes wrong while answering.
	Logger *slog.Logger

	// Listen is the configured address, host:port. If its host is loopback,
	// requests for any other host are refused. Empty checks nothing.
	Listen string
}

// New returns the handler for all of weir's addresses.
func New(opts Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", healthz)
	mux.Handle("/readyz", readyz(opts.Ready))
	mux.Handle("/api/v1/status", status(opts.Snapshot, opts.Logger))
	mux.HandleFunc("/api/", unknownEndpoint)
	mux.Handle("/metrics", metrics(opts.Gatherer, opts.Logger))
	mux.Handle("/", page())
	return secure(checkHost(opts.Listen, readOnly(mux)))
}

// metrics answers with what can be gathered even if a part cannot: half a
// dashboard during an incident is better than none.
func metrics(gatherer prometheus.Gatherer, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}
