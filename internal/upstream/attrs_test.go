// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

func TestTargetSessionAttrs(t *testing.T) {
	t.Parallel()
	dsn := testpg.Database(t, testpg.URL(t))
	database := target(t, dsn).Database()
	testpg.Exec(t, dsn, "alter database "+database+" set default_transaction_read_only = on")
	login(t, edit(t, dsn, "target_session_attrs", "read-only"), nil)
	login(t, edit(t, dsn, "target_session_attrs", "prefer-standby"), nil)
	err := refused(t, edit(t, dsn, "target_session_attrs", "read-write"))
	wantFailure(t, err, upstream.Down, sqlstate.ConnectionFailure, "it is read-only, and target_session_attrs asks for read-write")
}

// What a server reports at login says all: none of these can answer a query.
func TestTargetSessionAttrsByWhatIsReported(t *testing.T) {
	t.Parallel()
	for _, server := range []struct{ name, standby, readOnly, suits string }{
		{"a primary", "off", "off", "any read-write primary"},
		{"a primary that only reads", "off", "on", "any read-only primary"},
		{"a standby", "on", "off", "any read-only standby"},
		{"a standby of roles that only read", "on", "on", "any read-only standby"},
	} {
		address := fake(t, func(conn net.Conn) {
			startup(conn, &pgproto3.AuthenticationOk{},
				&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: server.standby},
				&pgproto3.ParameterStatus{Name: "default_transaction_read_only", Value: server.readOnly},
				&pgproto3.ReadyForQuery{TxStatus: 'I'})
		})
		suits := ""
		for _, attrs := range []string{"any", "read-write", "read-only", "primary", "standby"} {
			if got, err := target(t, list(attrs, address)).Login(within(t), nil); err == nil {
				got.Stream.Close()
				suits += " " + attrs
			}
		}
		if suits != " "+server.suits {
			t.Errorf("%s suits%s, want %s", server.name, suits, server.suits)
		}
	}
}

func TestPhysicalReplicationFromThePrimary(t *testing.T) {
	t.Parallel()
	dsn := testpg.URL(t)
	replicating := map[string]string{"replication": "true"}
	for _, attrs := range []string{"primary", "read-write"} {
		login(t, edit(t, dsn, "target_session_attrs", attrs), replicating)
	}
	got, err := target(t, edit(t, dsn, "target_session_attrs", "standby")).Login(within(t), replicating)
	if err == nil {
		got.Stream.Close()
	}
	wantFailure(t, err, upstream.Down, sqlstate.ConnectionFailure, "it is a primary, and target_session_attrs asks for a standby")
}
