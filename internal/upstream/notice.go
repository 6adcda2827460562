// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/wire"
)

// Notice is what the server told a login beside its answers: a default that it
// could not take, a collation of another version, what a login event trigger says.
type Notice struct {
	Severity string // in words that are never translated, such as WARNING
	Message  []byte // the whole NoticeResponse
}

// note keeps a notice. pgconn has taken it apart; every field that PostgreSQL sends
// is in what it made of it (protocol chapter, "Error and Notice Message Fields").
func (a *attempt) note(_ *pgconn.PgConn, n *pgconn.Notice) {
	b, start := wire.Begin(nil, wire.NoticeResponse)
	for _, f := range []struct {
		field byte
		value string
	}{
		{'S', n.Severity},
		{'V', n.SeverityUnlocalized},
		{'C', n.Code},
		{'M', n.Message},
		{'D', n.Detail},
		{'H', n.Hint},
		{'P', position(n.Position)},
		{'p', position(n.InternalPosition)},
		{'q', n.InternalQuery},
		{'W', n.Where},
		{'s', n.SchemaName},
		{'t', n.TableName},
		{'c', n.ColumnName},
		{'d', n.DataTypeName},
		{'n', n.ConstraintName},
		{'F', n.File},
		{'L', position(n.Line)},
		{'R', n.Routine},
	} {
		if f.value != "" {
			b = wire.AppendCString(append(b, f.field), f.value)
		}
	}
	a.notices = append(a.notices, Notice{Severity: n.SeverityUnlocalized, Message: wire.End(append(b, 0), start)})
}

// position writes a number of a notice, which is there if it is not 0.
func position(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}
