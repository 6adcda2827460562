// SPDX-License-Identifier: Apache-2.0

package sqlstate_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/weir-pg/weir/internal/sqlstate"
)

func TestErrorSaysItsCodeAndCause(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  sqlstate.Error
		want string
	}{
		{sqlstate.Error{Code: sqlstate.TooManyConnections, Message: "full", Detail: "d", Hint: "h"}, "full (SQLSTATE 53300)"},
		{sqlstate.Error{Code: sqlstate.ConnectionFailure, Message: "down", Err: io.EOF}, "down (SQLSTATE 08006): EOF"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if !errors.Is(&tt.err, tt.err.Err) && tt.err.Err != nil {
			t.Errorf("%v does not unwrap to its cause", &tt.err)
		}
		if got := tt.err.SQLState(); got != string(tt.err.Code) {
			t.Errorf("SQLState = %s, want %s", got, tt.err.Code)
		}
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	inner := &sqlstate.Error{Code: sqlstate.InvalidPassword, Message: "wrong"}
	if got := sqlstate.From(fmt.Errorf("log in: %w", inner)); got != inner {
		t.Errorf("From a wrapped error = %v, want the error itself", got)
	}
	got := sqlstate.From(io.ErrUnexpectedEOF)
	if got.Code != sqlstate.InternalError || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("From an unknown error = %v, want XX000 with the cause", got)
	}
	if got.Severity != "" || got.Message == io.ErrUnexpectedEOF.Error() {
		t.Errorf("From an unknown error tells the client %q, severity %q", got.Message, got.Severity)
	}
}
