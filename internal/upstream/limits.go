// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/wire"
)

// Unlimited is what a room is where nothing bounds it.
const Unlimited = -1

// Limits is how many connections PostgreSQL lets a role have to a database,
// and what others have taken of them, at the moment of reading.
type Limits struct {
	Version   int  // server_version_num, 150004 is 15.4
	Standby   bool // pg_is_in_recovery
	Superuser bool // bound by no CONNECTION LIMIT, may use every slot

	Server            int  // max_connections
	SuperuserReserved int  // superuser_reserved_connections
	Reserved          int  // reserved_connections; 0 before PostgreSQL 16
	UsesReserved      bool // the role is in pg_use_reserved_connections

	Role     int // CONNECTION LIMIT of the role, Unlimited if it has none
	Database int // CONNECTION LIMIT of the database, Unlimited if it has none

	ServerOthers   int // sessions that are not ours: of anyone
	RoleOthers     int // of this role, in any database
	DatabaseOthers int // in this database, of any role

	// Others are the sessions that ServerOthers counts, separated by commas: the
	// process id, then whether they are of this role and in this database, as t or f.
	Others string

	// TimeoutSet: somebody sets statement_timeout: postgresql.conf, the role, the
	// database or the URL. A startup parameter would override all but the last, so
	// the default of DATABASE_STATEMENT_TIMEOUT is sent only where this is false.
	TimeoutSet bool

	// StartOnly are the settings that can be set only when a backend starts,
	// separated by commas.
	StartOnly string
}

// limitsQuery runs as an ordinary role on PostgreSQL 14 to 18. Names and
// operators are qualified because the role's search_path may put others first.
//
// Sessions: those that PostgreSQL counts are client backends. An ordinary role
// sees backend_type only of its own sessions; of others it sees the role and
// the database, which no auxiliary process has both.
//
// $1 are the process ids of our own connections; the session that asks is left
// out too, it ends at once.
const limitsQuery = `
WITH other AS (
	SELECT s.usesysid, s.datid, s.pid
	FROM pg_catalog.pg_stat_get_activity(NULL) s
	WHERE s.usesysid IS NOT NULL AND s.datid IS NOT NULL
	AND (s.backend_type IS NULL OR s.backend_type OPERATOR(pg_catalog.=) 'client backend')
	AND s.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
	AND s.pid OPERATOR(pg_catalog.<>) ALL ($1::pg_catalog.int4[])
)
SELECT
	pg_catalog.current_setting('server_version_num'),
	pg_catalog.pg_is_in_recovery(),
	r.rolsuper,
	pg_catalog.current_setting('max_connections'),
	pg_catalog.current_setting('superuser_reserved_connections'),
	COALESCE(pg_catalog.current_setting('reserved_connections', true), '0'),
	EXISTS (
		SELECT FROM pg_catalog.pg_roles g
		WHERE g.rolname OPERATOR(pg_catalog.=) 'pg_use_reserved_connections'
		AND pg_catalog.pg_has_role(r.oid, g.oid, 'USAGE')
	),
	r.rolconnlimit,
	d.datconnlimit,
	(SELECT pg_catalog.count(*) FROM other),
	(SELECT pg_catalog.count(*) FROM other WHERE other.usesysid OPERATOR(pg_catalog.=) r.oid),
	(SELECT pg_catalog.count(*) FROM other WHERE other.datid OPERATOR(pg_catalog.=) d.oid),
	(
		SELECT COALESCE(pg_catalog.string_agg(pg_catalog.concat_ws(' ', other.pid,
			other.usesysid OPERATOR(pg_catalog.=) r.oid, other.datid OPERATOR(pg_catalog.=) d.oid), ','), '')
		FROM other
	),
	t.source OPERATOR(pg_catalog.<>) 'default',
	(
		SELECT pg_catalog.string_agg(s.name, ',') FROM pg_catalog.pg_settings s
		WHERE s.context OPERATOR(pg_catalog.=) ANY (ARRAY['backend', 'superuser-backend'])
	)
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d, pg_catalog.pg_settings t
WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER
AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
AND t.name OPERATOR(pg_catalog.=) 'statement_timeout'`

// Limits logs in, reads the limits and leaves. ours are the process ids of the
// connections that the caller holds itself, which are not others'. Every error
// is an *Error; a server that is full is one too (Full).
func (t *Target) Limits(ctx context.Context, ours []uint32) (Limits, error) {
	var limits Limits
	err := t.connect(ctx, nil, func(_ *attempt, conn *pgconn.PgConn) (err error) {
		limits, err = readLimits(ctx, conn, ours)
		leave(ctx, conn) // what was read stays true however that ends
		return err
	})
	return limits, err
}

// leavePatience bounds the wait for the end of a backend.
const leavePatience = time.Second

// leave ends a connection, and waits until its backend has gone: who opens the next one
// may have no room for both. The kernel closes the backend's socket when its process has
// ended (PostgreSQL: socket_close in pqcomm.c).
func leave(ctx context.Context, conn *pgconn.PgConn) {
	h, err := conn.Hijack()
	if err != nil { // pgconn closes it in the background, at its leisure; this hurries it
		_ = conn.Close(ctx)
		_ = conn.Conn().Close()
		return
	}
	defer h.Conn.Close()
	_ = h.Conn.SetDeadline(time.Now().Add(leavePatience))
	if _, err := h.Conn.Write(wire.AppendEmpty(nil, wire.Terminate)); err == nil {
		_, _ = io.Copy(io.Discard, h.Conn)
	}
}

func readLimits(ctx context.Context, conn *pgconn.PgConn, ours []uint32) (Limits, error) {
	result := conn.ExecParams(ctx, limitsQuery, [][]byte{pidArray(ours)}, nil, nil, nil).Read()
	if result.Err != nil {
		return Limits{}, result.Err
	}
	if len(result.Rows) != 1 {
		return Limits{}, fmt.Errorf("the query for connection limits returned %d rows, expected 1", len(result.Rows))
	}
	r := row{values: result.Rows[0]}
	limits := Limits{
		Version:           r.number(),
		Standby:           r.truth(),
		Superuser:         r.truth(),
		Server:            r.number(),
		SuperuserReserved: r.number(),
		Reserved:          r.number(),
		UsesReserved:      r.truth(),
		Role:              r.number(),
		Database:          r.number(),
		ServerOthers:      r.number(),
		RoleOthers:        r.number(),
		DatabaseOthers:    r.number(),
		Others:            r.next(),
		TimeoutSet:        r.truth(),
		StartOnly:         r.next(),
	}
	return limits, r.err
}

// Except returns the limits with more sessions known to be ours: some may have
// begun, or been found out, since Limits was told of them.
func (l Limits) Except(ours []uint32) Limits {
	l.ServerOthers, l.RoleOthers, l.DatabaseOthers = 0, 0, 0
	for one := range strings.SplitSeq(l.Others, ",") {
		var pid uint32
		var role, database string
		if _, err := fmt.Sscanf(one, "%d %s %s", &pid, &role, &database); err != nil || slices.Contains(ours, pid) {
			continue // the empty list, or ours
		}
		l.ServerOthers++
		if role == "t" {
			l.RoleOthers++
		}
		if database == "t" {
			l.DatabaseOthers++
		}
	}
	return l
}

// Forgive returns the limits with n sessions fewer that are others'.
func (l Limits) Forgive(n int) Limits {
	l.ServerOthers, l.RoleOthers, l.DatabaseOthers = max(l.ServerOthers-n, 0), max(l.RoleOthers-n, 0), max(l.DatabaseOthers-n, 0)
	return l
}

// pidArray is an int4[] in text. A process id fits: the kernel's largest is
// far below 2^31.
func pidArray(pids []uint32) []byte {
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = strconv.FormatUint(uint64(pid), 10)
	}
	return []byte("{" + strings.Join(list, ",") + "}")
}

// row reads the columns of a text row from left to right, and keeps the first
// error.
type row struct {
	values [][]byte
	err    error
}

func (r *row) next() string {
	value := string(r.values[0])
	r.values = r.values[1:]
	return value
}

func (r *row) truth() bool { return r.next() == "t" }

func (r *row) number() int {
	n, err := strconv.Atoi(r.next())
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("the query for connection limits: %w", err)
	}
	return n
}

// ServerRoom is how many connections the server has for us, all roles and
// databases taken together, never below zero.
func (l Limits) ServerRoom() int {
	room := l.Server - l.ServerOthers
	if !l.Superuser {
		room -= l.SuperuserReserved
		if !l.UsesReserved {
			room -= l.Reserved
		}
	}
	return max(room, 0)
}

// RoleRoom is how many connections the role may have from us, over all
// databases, or Unlimited. A CONNECTION LIMIT does not bind superusers.
func (l Limits) RoleRoom() int { return l.within(l.Role, l.RoleOthers) }

// DatabaseRoom is how many connections to the database we may have, of all
// roles, or Unlimited.
func (l Limits) DatabaseRoom() int { return l.within(l.Database, l.DatabaseOthers) }

func (l Limits) within(limit, others int) int {
	if l.Superuser || limit < 0 {
		return Unlimited
	}
	return max(limit-others, 0)
}
