// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"net/http"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/web"
)

// Status is the state of a gateway at one moment.
type Status = observe.Snapshot

// Status returns the gateway's state now: it reads counters, and asks nobody.
func (g *Gateway) Status() Status { return g.engine.Status() }

// Ready returns nil when a client could be served now, else a sentence that
// says what is missing. A configured pool without a connection opens one to
// find out; one that a client asked for says nothing while it has none.
func (g *Gateway) Ready(ctx context.Context) error { return g.engine.Ready(ctx) }

// Handler serves health, metrics, status and the page. listen is the address
// it will be served on, host:port.
func (g *Gateway) Handler(listen string) http.Handler {
	return web.New(web.Options{
		Snapshot: g.Status,
		Ready:    g.Ready,
		Gatherer: observe.NewRegistry(g.Status),
		Logger:   g.log,
		Listen:   listen,
	})
}
