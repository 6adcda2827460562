// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5/pgconn"
)

// Attrs is the target's target_session_attrs.
func (t *Target) Attrs() string {
	// pgconn keeps of the word, which may come from the URL, the environment or
	// a service file, only the function that it stands for.
	wish := reflect.ValueOf(t.config.ValidateConnect).Pointer()
	for word, check := range map[string]pgconn.ValidateConnectFunc{
		"read-write":     pgconn.ValidateConnectTargetSessionAttrsReadWrite,
		"read-only":      pgconn.ValidateConnectTargetSessionAttrsReadOnly,
		"primary":        pgconn.ValidateConnectTargetSessionAttrsPrimary,
		"standby":        pgconn.ValidateConnectTargetSessionAttrsStandby,
		"prefer-standby": pgconn.ValidateConnectTargetSessionAttrsPreferStandby,
	} {
		if reflect.ValueOf(check).Pointer() == wish {
			return word
		}
	}
	return "any"
}

// Single reports whether the target looks for the one server that takes writes.
func (t *Target) Single() bool {
	attrs := t.Attrs()
	return attrs == "read-write" || attrs == "primary"
}

// WantsPrimary reports whether a standby is the wrong server for the target: it
// asks for one that takes writes, or has several hosts and asks for nothing. Who
// names one host and no more means that one, whatever it is.
func (t *Target) WantsPrimary() bool {
	return t.Single() || t.Attrs() == "any" && t.Hosts() > 1
}

// suits returns what finds out whether a server that was logged in to is one that
// target_session_attrs wants, nil where any is. It goes by what servers report at
// login, as libpq does: that saves a round trip, and a connection for physical
// replication could not be asked. One that reports nothing, such as a pooler, is
// asked by pgconn.
func (t *Target) suits() pgconn.ValidateConnectFunc {
	attrs := t.Attrs()
	if attrs == "any" || attrs == "prefer-standby" { // only pgconn can say that a server is not preferred
		return t.config.ValidateConnect
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		standby, readOnly := conn.ParameterStatus("in_hot_standby"), conn.ParameterStatus("default_transaction_read_only")
		writes := standby != "on" && readOnly != "on"
		switch {
		case standby == "" || readOnly == "":
			return t.config.ValidateConnect(ctx, conn)
		case attrs == "read-write" && !writes:
			return pgconn.ErrReadOnlyConnection
		case attrs == "read-only" && writes:
			return pgconn.ErrReadWriteConnection
		case attrs == "primary" && standby == "on":
			return pgconn.ErrStandbyConnection
		case attrs == "standby" && standby != "on":
			return pgconn.ErrPrimaryConnection
		}
		return nil
	}
}
