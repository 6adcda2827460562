// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"testing"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

func TestUnreadableOptionsAreRefusedAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"-c":          "invalid command-line argument for server process: -c",
		"-x y":        "invalid command-line argument for server process: -x",
		"-c work_mem": "-c work_mem requires a value",
		"--work_mem":  "--work_mem requires a value",
	}
	for options, want := range tests {
		_, err := startSettings(&auth.Login{Params: []wire.Param{{Name: "options", Value: options}}})
		e, ok := errors.AsType[*sqlstate.Error](err)
		if !ok || e.Code != sqlstate.SyntaxError || e.Severity != sqlstate.SeverityFatal || e.Message != want {
			t.Errorf("%q: got %v, want %s", options, err, want)
		}
	}
}

func TestClientWithoutANameHasNone(t *testing.T) {
	t.Parallel()
	for want, params := range map[string][]wire.Param{
		"":     {{Name: "client_encoding", Value: "UTF8"}},
		"shop": {{Name: "application_name", Value: "shop"}},
		"cart": {{Name: "options", Value: "-c application_name=cart"}},
	} {
		s, err := startSettings(&auth.Login{Params: params})
		if got, ok := s.values()["application_name"]; err != nil || !ok || got != want {
			t.Errorf("%v: got application_name %q (%v), %v, want %q", params, got, ok, err, want)
		}
	}
}
