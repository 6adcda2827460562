// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// peer is a client that says what it likes: the protocol's messages by hand.
type peer struct {
	*pgconn.HijackedConn
	status byte // of the last ReadyForQuery; 0 while a group is open, or after the end
	tables map[uint32]uint32
}

// dial logs in. The connection is closed when the test ends.
func dial(t testing.TB, url string) *peer {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Conn.Close() })
	return &peer{HijackedConn: h, status: 'I', tables: make(map[uint32]uint32)}
}

// leave says goodbye.
func (p *peer) leave() {
	p.Frontend.Send(&pgproto3.Terminate{})
	_ = p.Frontend.Flush() // who is gone need not hear it
	p.Conn.Close()
}

// say sends messages in one write.
func (p *peer) say(messages ...pgproto3.FrontendMessage) error {
	if err := p.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for _, m := range messages {
		p.Frontend.Send(m)
	}
	return p.Frontend.Flush()
}

// hear reads until n messages of type typ have come, and returns all in a form
// that can be compared. The end of the connection is one line more.
func (p *peer) hear(typ byte, n int) (lines []string) {
	p.status = 0
	for n > 0 {
		m, err := p.Frontend.Receive()
		if err != nil {
			return append(lines, "the connection ended: "+ending(err))
		}
		line, code := p.line(m)
		lines = append(lines, line)
		if code == typ {
			n--
		}
	}
	return lines
}

// ask does both and demands that the group ends.
func (p *peer) ask(messages ...pgproto3.FrontendMessage) ([]string, error) {
	if err := p.say(messages...); err != nil {
		return nil, err
	}
	lines := p.hear('Z', 1)
	if p.status == 0 {
		return lines, fmt.Errorf("no ReadyForQuery; got %q", lines)
	}
	return lines, nil
}

// ending tells a closed connection from one that says nothing.
func ending(err error) string {
	if pgconn.Timeout(err) {
		return "nothing more came"
	}
	return "closed"
}

// line writes a message so that it can be compared, and returns its type.
// Tables have other OIDs in each run, so they are numbered as they appear.
func (p *peer) line(m pgproto3.BackendMessage) (line string, typ byte) {
	switch m := m.(type) {
	case *pgproto3.ReadyForQuery:
		p.status = m.TxStatus
		typ = 'Z'
	case *pgproto3.RowDescription:
		typ = 'T'
		for i := range m.Fields {
			m.Fields[i].TableOID = p.table(m.Fields[i].TableOID)
		}
	case *pgproto3.NoData:
		typ = 'n'
	case *pgproto3.CopyInResponse:
		typ = 'G'
	case *pgproto3.PortalSuspended:
		typ = 's'
	case *pgproto3.CommandComplete:
		typ = 'C'
	case *pgproto3.ErrorResponse:
		typ = 'E'
	case *pgproto3.ParseComplete:
		typ = '1'
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err.Error(), typ
	}
	return string(text), typ
}

func (p *peer) table(oid uint32) uint32 {
	if oid == 0 {
		return 0
	}
	if _, ok := p.tables[oid]; !ok {
		p.tables[oid] = uint32(len(p.tables) + 1)
	}
	return p.tables[oid]
}
