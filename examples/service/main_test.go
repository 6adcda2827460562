// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// The service lets many transfer at once, says how it is, and ends in order.
func TestItServes(t *testing.T) {
	t.Parallel()
	url := testpg.Database(t, testpg.URL(t))
	testpg.Exec(t, url, "create table accounts (owner text primary key, cents int not null); insert into accounts values ('anna', 100), ('bela', 0)")
	gateway, err := weir.Open(t.Context(), weir.Config{Upstream: url, Pool: weir.PoolSettings{Max: 3}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, gateway, listener) }()
	at := "http://" + listener.Addr().String()

	var group errgroup.Group
	for range 30 {
		group.Go(func() error { return ask(http.MethodPost, at+"/transfer/anna/bela/2", http.StatusOK) })
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]int{
		"/transfer/anna/nobody/5": http.StatusNotFound,
		"/transfer/anna/bela/x":   http.StatusBadRequest,
	} {
		if err := ask(http.MethodPost, at+path, want); err != nil {
			t.Error(err)
		}
	}
	if err := ask(http.MethodGet, at+"/healthz", http.StatusOK); err != nil {
		t.Error(err)
	}
	for {
		s := read(t, at+"/status")
		if s.Upstreams.Idle+s.Upstreams.Active > 3 || ctx.Err() != nil {
			t.Errorf("%d transactions over %v", s.Pools[0].Transactions, s.Upstreams)
			break
		}
		if s.Pools[0].Transactions >= 30 { // the last ones count a moment after their answers
			break
		}
	}
	if got := testpg.Exec(t, url, "select cents from accounts order by owner"); got[0][0] != "40" || got[1][0] != "60" {
		t.Errorf("the accounts have %v, want 40 and 60", got)
	}

	stop()
	if err := <-served; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// ask makes a request whose answer has to have a status.
func ask(method, url string, want int) error {
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != want {
		return fmt.Errorf("%s %s: %s %s, want %d", method, url, answer.Status, text, want)
	}
	return err
}

// read gets the status.
func read(t *testing.T, url string) (s weir.Status) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Errors become statuses by what they say of the transaction.
func TestStatus(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		http.StatusNotFound:            errNoAccount,
		http.StatusInternalServerError: &weir.CommitUnknownError{Err: io.ErrUnexpectedEOF},
		http.StatusServiceUnavailable:  fmt.Errorf("%w: too many conflicts", weir.ErrGaveUp),
		http.StatusBadRequest:          pgx.ErrNoRows,
	} {
		if got := status(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
