// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir"
)

func routes(gateway *weir.Gateway) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /transfer/{from}/{to}/{cents}", func(w http.ResponseWriter, r *http.Request) {
		err := transfer(r.Context(), gateway.Pool(), r.PathValue("from"), r.PathValue("to"), r.PathValue("cents"))
		if err != nil {
			http.Error(w, err.Error(), status(err))
		}
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), 2*time.Second)
		defer stop()
		if err := gateway.Health(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(gateway.Status()) // an error is the client's leaving
	})
	return mux
}

// transfer moves an amount between two accounts.
func transfer(ctx context.Context, pool *pgxpool.Pool, from, to, cents string) error {
	return weir.Do(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		for _, move := range []struct{ owner, sign string }{{from, "-"}, {to, ""}} {
			tag, err := tx.Exec(ctx, "update accounts set cents = cents + ($2 || $3)::int where owner = $1", move.owner, move.sign, cents)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return errNoAccount
			}
		}
		return nil
	})
}

var errNoAccount = errors.New("there is no such account")

// status is what an error means to who asked.
func status(err error) int {
	switch {
	case errors.Is(err, errNoAccount):
		return http.StatusNotFound
	case errors.Is(err, weir.ErrCommitUnknown):
		return http.StatusInternalServerError // it may have happened: nobody should ask again
	case errors.Is(err, weir.ErrGaveUp), weir.NotExecuted(err):
		return http.StatusServiceUnavailable // nothing has happened: ask again later
	}
	return http.StatusBadRequest
}
