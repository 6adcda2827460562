// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/weir-pg/weir/internal/observe"
)

// status answers with the snapshot as JSON, indented when the query has "pretty".
func status(snapshot func() observe.Snapshot, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := writeJSON(w, http.StatusOK, snapshot(), r.URL.Query().Has("pretty")); err != nil {
			logger.ErrorContext(r.Context(), "the status could not be written as JSON", "error", err)
		}
	})
}

// problem is the answer to a request under /api for what does not exist.
type problem struct {
	Error string `json:"error"`
}

func unknownEndpoint(w http.ResponseWriter, r *http.Request) {
	text := fmt.Sprintf("There is no %s; the status is at /api/v1/status.", r.URL.Path)
	_ = writeJSON(w, http.StatusNotFound, problem{text}, false)
}
