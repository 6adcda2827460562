// SPDX-License-Identifier: Apache-2.0

package wiretest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Conn is one connection, to PostgreSQL or to weir, that speaks in messages.
type Conn struct {
	*pgconn.HijackedConn

	Status byte // of the last ReadyForQuery

	tables map[uint32]int // tables' OIDs, numbered as they appear
}

// Dial logs in, for which it takes no longer than patience.
func Dial(url string, patience time.Duration) (*Conn, error) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	return &Conn{HijackedConn: h, Status: 'I', tables: make(map[uint32]int)}, nil
}

// What stands in place of an answer that does not come.
const (
	Silence = "nothing more came"
	Ended   = "the connection ended"
)

// Ending tells a closed connection from one that says nothing.
func Ending(err error) string {
	if pgconn.Timeout(err) {
		return Silence
	}
	return Ended
}

// Line writes a message so that it can be compared.
func (c *Conn) Line(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		for i := range m.Fields {
			m.Fields[i].TableOID = c.table(m.Fields[i].TableOID)
		}
	case *pgproto3.ErrorResponse:
		if m.Code == "25P02" {
			// PostgreSQL says it of whatever comes first, and weir may have
			// to send a Parse before the client's Bind.
			m.File, m.Line, m.Routine = "", 0, ""
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// table numbers a table: its OID is another in each database.
func (c *Conn) table(oid uint32) uint32 {
	if oid == 0 {
		return 0
	}
	if _, ok := c.tables[oid]; !ok {
		c.tables[oid] = len(c.tables) + 1
	}
	return uint32(c.tables[oid])
}
