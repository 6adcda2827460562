// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// patience is how long an answer may take before it counts as none.
const patience = 20 * time.Second

// peer is one connection, to PostgreSQL or to weir, that speaks in messages.
type peer struct {
	*pgconn.HijackedConn
	status byte           // of the last ReadyForQuery
	tables map[uint32]int // tables' OIDs, numbered as they appear
}

// dial logs in.
func dial(url string) (*peer, error) {
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
	return &peer{HijackedConn: h, status: 'I', tables: make(map[uint32]int)}, nil
}

// leave says goodbye.
func (p *peer) leave() {
	p.Frontend.Send(&pgproto3.Terminate{})
	_ = p.Frontend.Flush() // who is gone need not hear it
	p.Conn.Close()
}

// marks is how many Close messages follow each other only at the end of a write.
const marks = 4

// mark ends a write: so many messages in a row that succeed in every state of a
// session and change nothing, so that it is seen where the answers end.
var mark = func() (list []pgproto3.FrontendMessage) {
	for range marks {
		list = append(list, &pgproto3.Close{ObjectType: 'P', Name: "mark"})
	}
	return append(list, &pgproto3.Sync{})
}()

// do sends messages in one write, or in pieces that end at the offsets given, and
// returns what comes back up to the mark, a line for each message.
func (p *peer) do(messages []pgproto3.FrontendMessage, pieces ...int) []string {
	if err := p.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return []string{err.Error()}
	}
	var b []byte
	for _, list := range [...][]pgproto3.FrontendMessage{messages, mark} {
		for _, m := range list {
			var err error
			if b, err = m.Encode(b); err != nil {
				return []string{err.Error()}
			}
		}
	}
	sent := make(chan struct{})
	go func() { // a server that answers much may not read before it is read
		defer close(sent)
		at := 0
		for _, end := range append(pieces, len(b)) {
			if end = min(end, len(b)); end > at {
				if _, err := p.Conn.Write(b[at:end]); err != nil {
					return // the end of the stream says so too
				}
				at = end
			}
		}
	}()
	lines := p.hear()
	<-sent
	return lines
}

// What stands in place of an answer that does not come.
const (
	silence = "nothing more came"
	ended   = "the connection ended"
)

// hear reads up to the mark. The end of the connection is a line of its own.
func (p *peer) hear() (lines []string) {
	for closes := 0; ; {
		m, err := p.Frontend.Receive()
		if err != nil {
			if pgconn.Timeout(err) {
				return append(lines, silence)
			}
			return append(lines, ended)
		}
		lines = append(lines, p.line(m))
		switch m := m.(type) {
		case *pgproto3.CloseComplete:
			closes++
		case *pgproto3.ReadyForQuery:
			p.status = m.TxStatus
			if closes == marks {
				return lines
			}
			closes = 0
		default:
			closes = 0
		}
	}
}

// line writes a message so that it can be compared.
func (p *peer) line(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		for i := range m.Fields {
			if oid := m.Fields[i].TableOID; oid != 0 {
				if _, ok := p.tables[oid]; !ok {
					p.tables[oid] = len(p.tables) + 1
				}
				m.Fields[i].TableOID = uint32(p.tables[oid])
			}
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

// show writes a message of the client's for a report.
func show(m pgproto3.FrontendMessage) string {
	text, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	s := string(text)
	if len(s) > 200 {
		s = fmt.Sprintf("%s… %d bytes", s[:160], len(s))
	}
	return strings.TrimPrefix(s, `{"Type":`)
}
