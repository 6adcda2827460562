// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/integration/wiretest"
)

// patience is how long an answer may take before it counts as none.
const patience = 20 * time.Second

// peer is one connection, to PostgreSQL or to weir.
type peer struct {
	*wiretest.Conn
}

// dial logs in.
func dial(url string) (peer, error) {
	conn, err := wiretest.Dial(url, patience)
	return peer{conn}, err
}

// leave says goodbye.
func (p peer) leave() {
	p.Frontend.Send(&pgproto3.Terminate{})
	_ = p.Frontend.Flush() // who is gone need not hear it
	p.Conn.Conn.Close()
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
func (p peer) do(messages []pgproto3.FrontendMessage, pieces ...int) []string {
	if err := p.Conn.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
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
				if _, err := p.Conn.Conn.Write(b[at:end]); err != nil {
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

// hear reads up to the mark. The end of the connection is a line of its own.
func (p peer) hear() (lines []string) {
	for closes := 0; ; {
		m, err := p.Frontend.Receive()
		if err != nil {
			return append(lines, wiretest.Ending(err))
		}
		lines = append(lines, p.Line(m))
		switch m := m.(type) {
		case *pgproto3.CloseComplete:
			closes++
		case *pgproto3.ReadyForQuery:
			p.Status = m.TxStatus
			if closes == marks {
				return lines
			}
			closes = 0
		default:
			closes = 0
		}
	}
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
