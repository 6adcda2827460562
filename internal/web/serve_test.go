// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/weir-pg/weir/internal/web"
)

// start serves handler on a free port. ended gets what Serve returns.
func start(t *testing.T, ctx context.Context, handler http.Handler) (listener net.Listener, ended <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, listener, handler, slog.New(slog.DiscardHandler)) }()
	return listener, done
}

func TestServeUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listener, ended := start(t, ctx, web.New(options()))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + listener.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("got code %d, want 200", answer.StatusCode)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v, want no error", err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) { // another program may listen there by now
		t.Errorf("the listener is still open: %v", err)
	}
}

func TestAnAnswerInProgressIsFinished(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = io.WriteString(w, "finished")
	})
	listener, ended := start(t, ctx, handler)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "finished" {
		t.Errorf("got %q, %v; want \"finished\"", body, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	t.Parallel()
	listener, ended := start(t, t.Context(), web.New(options()))
	listener.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want one that wraps net.ErrClosed", err)
	}
}
