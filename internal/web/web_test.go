// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/web"
)

// options returns those of a gateway that is ready, with one pool.
func options() web.Options {
	snapshot := func() observe.Snapshot {
		s := observe.Snapshot{
			Version: "1.2.3",
			Pools:   []observe.Pool{observe.NewPoolStats("shop", "app", 1).Snapshot()},
		}
		s.Summarise()
		return s
	}
	return web.Options{
		Snapshot: snapshot,
		Ready:    func(context.Context) error { return nil },
		Gatherer: observe.NewRegistry(snapshot),
		Logger:   slog.New(slog.DiscardHandler),
		Listen:   "127.0.0.1:6433",
	}
}

// get asks handler for target, for the host localhost and with the headers given
// as pairs of name and value.
func get(handler http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return ask(handler, http.MethodGet, target, headers...)
}

func ask(handler http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, nil)
	request.Host = "localhost:6433"
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	handler := web.New(options())
	tests := []struct {
		target      string
		code        int
		contentType string
		contains    string
	}{
		{"/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
		{"/readyz", 200, "text/plain; charset=utf-8", "ready\n"},
		{"/api/v1/status", 200, "application/json", `"database":"shop"`},
		{"/api/v1/status?pretty", 200, "application/json", "\n      \"database\": \"shop\""},
		{"/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", `weir_queries_total{database="shop",user="app"} 0`},
		{"/", 200, "text/html; charset=utf-8", "<title>weir</title>"},
		{"/status.js", 200, "text/javascript; charset=utf-8", "/api/v1/status"},
		{"/style.css", 200, "text/css; charset=utf-8", "prefers-color-scheme"},
		{"/icon.svg", 200, "image/svg+xml", "<svg"},
		{"/api/v2/status", 404, "application/json", `{"error":"There is no /api/v2/status; the status is at /api/v1/status."}`},
		{"/nothing", 404, "text/plain; charset=utf-8", "not found"},
	}
	for _, tt := range tests {
		answer := get(handler, tt.target)
		if answer.Code != tt.code {
			t.Errorf("%s: got code %d, want %d", tt.target, answer.Code, tt.code)
		}
		if got := answer.Header().Get("Content-Type"); !strings.HasPrefix(got, tt.contentType) {
			t.Errorf("%s: got content type %q, want %q", tt.target, got, tt.contentType)
		}
		if got := answer.Body.String(); !strings.Contains(got, tt.contains) {
			t.Errorf("%s: %q is missing from:\n%s", tt.target, tt.contains, got)
		}
	}
}

func TestNotReadySaysWhy(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Ready = func(context.Context) error {
		return errors.New("PostgreSQL at db:5432 does not answer:\n  connection refused")
	}
	handler := web.New(opts)
	const reason = "PostgreSQL at db:5432 does not answer: connection refused"

	text := get(handler, "/readyz")
	if got, want := text.Body.String(), reason+"\n"; text.Code != 503 || got != want {
		t.Errorf("as text: got %d %q, want 503 %q", text.Code, got, want)
	}
	asJSON := get(handler, "/readyz", "Accept", "application/json")
	if got, want := asJSON.Body.String(), `{"ready":false,"reason":"`+reason+"\"}\n"; asJSON.Code != 503 || got != want {
		t.Errorf("as JSON: got %d %q, want 503 %q", asJSON.Code, got, want)
	}
	if got := get(handler, "/healthz"); got.Code != 200 {
		t.Errorf("/healthz: got code %d, want 200: the process serves", got.Code)
	}
}

func TestReadyHasADeadline(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Ready = func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left > 2*time.Second {
			t.Errorf("got a deadline in %v (set: %v), want one within 2s", left, ok)
		}
		return nil
	}
	get(web.New(opts), "/readyz")
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	t.Parallel()
	handler := web.New(options())
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"} {
		answer := ask(handler, method, "/api/v1/status")
		if got := answer.Header().Get("Allow"); answer.Code != 405 || got != "GET, HEAD" {
			t.Errorf("%s: got code %d, Allow %q; want 405, Allow \"GET, HEAD\"", method, answer.Code, got)
		}
	}
	if answer := ask(handler, http.MethodHead, "/healthz"); answer.Code != 200 {
		t.Errorf("HEAD: got code %d, want 200", answer.Code)
	}
}

func TestForeignHostsAreRefusedOnLoopback(t *testing.T) {
	t.Parallel()
	tests := []struct {
		listen, host string
		code         int
	}{
		{"127.0.0.1:6433", "127.0.0.1:6433", 200},
		{"127.0.0.1:6433", "localhost:6433", 200},
		{"127.0.0.1:6433", "LOCALHOST", 200},
		{"127.0.0.1:6433", "[::1]:6433", 200},
		{"127.0.0.1:6433", "[::1]", 200},
		{"[::1]:6433", "127.0.0.1", 200},
		{"localhost:6433", "localhost:8080", 200}, // through a forwarded port
		{"127.0.0.1:6433", "evil.example:6433", 403},
		{"127.0.0.1:6433", "localhost.evil.example", 403},
		{"127.0.0.1:6433", "127.0.0.1.evil.example", 403},
		{"127.0.0.1:6433", "10.0.0.1", 403},
		{"127.0.0.1:6433", "", 403},
		{"localhost:6433", "evil.example", 403},
		{"[::1]:6433", "evil.example", 403},
		{"0.0.0.0:6433", "weir.internal", 200},
		{":6433", "weir.internal", 200},
		{"weir.internal:6433", "weir.internal:6433", 200},
		{"", "weir.internal", 200},
	}
	for _, tt := range tests {
		opts := options()
		opts.Listen = tt.listen
		request := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		request.Host = tt.host
		answer := httptest.NewRecorder()
		web.New(opts).ServeHTTP(answer, request)
		if answer.Code != tt.code {
			t.Errorf("listening on %q, asked for %q: got code %d, want %d", tt.listen, tt.host, answer.Code, tt.code)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	handler := web.New(options())
	for _, target := range []string{"/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/none", "/status.js"} {
		header := get(handler, target).Header()
		if got := header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
			t.Errorf("%s: got the policy %q", target, got)
		}
		if got := header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: got X-Content-Type-Options %q, want nosniff", target, got)
		}
		if got := header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: got Cache-Control %q, want no-store", target, got)
		}
	}
}

// The policy allows neither, so a page that used them would be broken.
func TestThePageHasNoInlineOrForeignContent(t *testing.T) {
	t.Parallel()
	page := get(web.New(options()), "/").Body.String()
	for _, forbidden := range []string{"http://", "https://", "style=", "onload=", "onclick=", "<style", "<script>"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
}

func TestAStatusThatIsNotJSONIsAnError(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Snapshot = func() observe.Snapshot { return observe.Snapshot{Utilisation: math.NaN()} }
	var log strings.Builder
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	answer := get(web.New(opts), "/api/v1/status")
	if answer.Code != 500 || !json.Valid(answer.Body.Bytes()) {
		t.Errorf("got %d %q, want 500 and JSON", answer.Code, answer.Body)
	}
	if !strings.Contains(log.String(), "NaN") {
		t.Errorf("the log has no cause: %q", &log)
	}
}

func TestMetricsSurviveABrokenCollector(t *testing.T) {
	t.Parallel()
	opts := options()
	registry := prometheus.NewRegistry()
	registry.MustRegister(brokenCollector{})
	opts.Gatherer = prometheus.Gatherers{registry, opts.Gatherer}
	answer := get(web.New(opts), "/metrics")
	if answer.Code != 200 || !strings.Contains(answer.Body.String(), "weir_queries_total") {
		t.Errorf("got %d, want 200 with weir's metrics:\n%s", answer.Code, answer.Body)
	}
}

// brokenCollector announces nothing and then fails.
type brokenCollector struct{}

func (brokenCollector) Describe(chan<- *prometheus.Desc) {}

func (brokenCollector) Collect(metrics chan<- prometheus.Metric) {
	metrics <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "Fails.", nil, nil), io.ErrUnexpectedEOF)
}
