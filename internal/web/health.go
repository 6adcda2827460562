// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// readyTimeout is below the time after which the usual orchestrators give up on
// a probe, so that they see the reason and not a time-out.
const readyTimeout = 2 * time.Second

// healthz says that the process serves. It asks nothing else: restarting weir
// does not help when PostgreSQL is down.
func healthz(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "ok")
}

// readyz says whether a client could be served now, and if not, why.
func readyz(ready func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		answer := readiness{Ready: true}
		code, text := http.StatusOK, "ready"
		if err := ready(ctx); err != nil {
			code, text = http.StatusServiceUnavailable, oneLine(err.Error())
			answer = readiness{Reason: text}
		}
		w.Header().Add("Vary", "Accept")
		if wantsJSON(r) {
			_ = writeJSON(w, code, answer, false)
			return
		}
		writeText(w, code, text)
	})
}

// readiness is the answer of /readyz as JSON.
type readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// oneLine joins the lines of an error, so that logs of probes stay readable.
func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

// writeText ends the answer. A failed write means that the asker has gone.
func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}
