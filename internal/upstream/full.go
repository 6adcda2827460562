// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Scope is whose limit on connections is reached.
type Scope uint8

const (
	// AnyScope: the answer does not say, or there is none.
	AnyScope Scope = iota
	// ServerScope: max_connections, less what is reserved.
	ServerScope
	// DatabaseScope: the CONNECTION LIMIT of the database.
	DatabaseScope
	// RoleScope: the CONNECTION LIMIT of the role.
	RoleScope
)

// scopes are the functions of PostgreSQL that answer 53300, versions 14 to 18. The
// text is translated, the name of the function is not.
var scopes = map[string]Scope{
	"InitializeSessionUserId": RoleScope,     // miscinit.c: too many connections for role
	"CheckMyDatabase":         DatabaseScope, // postinit.c: too many connections for database
	"InitPostgres":            ServerScope,   // postinit.c: remaining connection slots are reserved
	"InitProcess":             ServerScope,   // proc.c: sorry, too many clients already
	"ProcArrayAdd":            ServerScope,   // procarray.c: the same
	"ProcessStartupPacket":    ServerScope,   // postmaster.c, until 16: the same
	"BackendInitialize":       ServerScope,   // backend_startup.c, from 17: the same
}

// FullScope says whose limit a failure that Classify calls Full is about.
func FullScope(err error) Scope {
	if e, ok := errors.AsType[*Error](err); ok {
		err = e.decisive().err
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok && Classify(err) == Full {
		return scopes[answer.Routine]
	}
	return AnyScope
}
