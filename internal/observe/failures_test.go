// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/sqlstate"
)

func TestErrorsAreCountedByClass(t *testing.T) {
	t.Parallel()
	tests := []struct{ code, class string }{
		{"08006", "08"},
		{"23505", "23"},
		{"40P01", "40"},
		{"42703", "42"},
		{"57014", "57"},
		{"XX000", "XX"},
		{"P0001", "other"},
		{"", "other"},
		{"4", "other"},
		{"other", "other"},
	}
	for _, tt := range tests {
		var errors observe.Errors
		errors.Add(tt.code)
		onlyOne(t, tt.code, errors.Values(), tt.class)
	}
}

// full is the error of a request that waited in vain.
var full = &sqlstate.Error{Code: sqlstate.TooManyConnections}

func TestRejectsAreCountedByReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    sqlstate.Error
		reason string
	}{
		{sqlstate.Error{Code: sqlstate.TooManyConnections}, "queue_timeout"},
		{sqlstate.Error{Code: sqlstate.TooManyConnections, Reason: sqlstate.MaxPinned}, "max_pinned"},
		{sqlstate.Error{Code: sqlstate.ConnectionFailure}, "upstream_down"},
		{sqlstate.Error{Code: sqlstate.CannotConnectNow}, "upstream_down"},
		{sqlstate.Error{Code: sqlstate.InvalidPassword}, "upstream_rejected"},
		{sqlstate.Error{Code: sqlstate.InvalidCatalogName}, "upstream_rejected"},
		{sqlstate.Error{Code: sqlstate.AdminShutdown}, "shutdown"},
		{sqlstate.Error{Code: sqlstate.InternalError}, "other"},
	}
	for _, tt := range tests {
		var rejects observe.Rejects
		rejects.Add(&tt.err)
		onlyOne(t, string(tt.err.Code), rejects.Values(), tt.reason)
	}
}

// onlyOne checks that want has 1 in values and all others, which exist, have 0.
func onlyOne(t *testing.T, code string, values map[string]uint64, want string) {
	t.Helper()
	if values[want] != 1 || len(values) < 5 {
		t.Errorf("%q: got %v, want 1 for %q", code, values, want)
	}
	for name, n := range values {
		if name != want && n != 0 {
			t.Errorf("%q: got %d for %q, want 0", code, n, name)
		}
	}
}
