// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/integration/wiretest"
)

// patience is how long an answer may take before it counts as none.
const patience = time.Minute

// peer is one connection, to PostgreSQL or to weir.
type peer struct {
	*wiretest.Conn
	base   string // the database's name
	open   bool   // a group has begun and its Sync was not sent
	failed bool   // that group has had its error: PostgreSQL ignores the rest

	pids  map[uint32]int // what the process ids of one world stand for; shared
	heard []notification // in the order in which they came
}

// notification is one NotificationResponse.
type notification struct {
	Sender  int // the client, -1 for a process that is none
	Channel string
	Payload string
}

// dial logs in.
func dial(url string, pids map[uint32]int, me int) (*peer, error) {
	conn, err := wiretest.Dial(url, patience)
	if err != nil {
		return nil, err
	}
	pids[conn.PID] = me
	return &peer{Conn: conn, base: conn.Config.Database, pids: pids}, nil
}

// greeting is what the server said of itself at login, as one line.
func (p *peer) greeting() string {
	said := maps.Clone(p.ParameterStatuses)
	text, err := json.Marshal(said)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// do sends messages in one write and returns what they are answered, a line
// for each message.
func (p *peer) do(messages []pgproto3.FrontendMessage) []string {
	return inOrder(p.answers(messages))
}

func (p *peer) answers(messages []pgproto3.FrontendMessage) []string {
	due := p.expect(messages)
	if err := p.Conn.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return []string{wiretest.Ending(err)}
	}
	for _, m := range messages {
		p.Frontend.Send(p.here(m))
	}
	if err := p.Frontend.Flush(); err != nil {
		return []string{wiretest.Ending(err)}
	}
	return p.hear(due)
}

// inOrder sorts what is reported of parameters together. PostgreSQL has no order for that
// which would hold: by name up to version 15, by what was changed last from 16 on
// (guc.c: ReportChangedGUCOptions).
func inOrder(lines []string) []string {
	from := 0 // of the parameters in a row
	for i, line := range lines {
		if !strings.HasPrefix(line, `{"Type":"ParameterStatus"`) {
			from = i + 1
			continue
		}
		slices.Sort(lines[from : i+1])
	}
	return lines
}

// thisSide is a word in a text that stands for the name of the database, where a name
// has to be another for each twin. Both names have the same length.
const thisSide = "@database"

// repeated is a long value in a text: how often, and which digit.
var repeated = regexp.MustCompile(`@(\d+)\*(\d)@`)

// here puts the database's name in the place of thisSide, and a long value in that
// of what stands for it.
func (p *peer) here(m pgproto3.FrontendMessage) pgproto3.FrontendMessage {
	switch m := m.(type) {
	case *pgproto3.Query:
		return &pgproto3.Query{String: p.text(m.String)}
	case *pgproto3.Parse:
		return &pgproto3.Parse{Name: m.Name, Query: p.text(m.Query), ParameterOIDs: m.ParameterOIDs}
	}
	return m
}

func (p *peer) text(text string) string {
	text = repeated.ReplaceAllStringFunc(text, func(found string) string {
		part := repeated.FindStringSubmatch(found)
		n, _ := strconv.Atoi(part[1]) // it is digits
		return strings.Repeat(part[2], n)
	})
	return strings.ReplaceAll(text, thisSide, p.base)
}

// due is what a write is answered: so many ReadyForQuery, then the answers to
// so many messages of a group that stays open.
type due struct{ ready, tail int }

// expect works out what messages are answered, and what state they leave the
// group in if none fails.
func (p *peer) expect(messages []pgproto3.FrontendMessage) (d due) {
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.FunctionCall:
			d.ready++
			d.tail = 0
			p.open, p.failed = false, false
		case *pgproto3.Parse, *pgproto3.Bind, *pgproto3.Describe, *pgproto3.Execute, *pgproto3.Close:
			p.open = true
			if !p.failed {
				d.tail++
			}
		}
	}
	return d
}

// hear reads what is due. The end of the connection is a line of its own.
func (p *peer) hear(d due) (lines []string) {
	for d.ready > 0 || d.tail > 0 {
		m, err := p.Frontend.Receive()
		if err != nil {
			return append(lines, wiretest.Ending(err))
		}
		if n, ok := m.(*pgproto3.NotificationResponse); ok {
			p.note(n)
			continue
		}
		lines = append(lines, p.line(m))
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			p.Status = m.TxStatus
			d.ready--
		case *pgproto3.ErrorResponse:
			if d.ready == 0 {
				p.failed, d.tail = true, 0
			}
		default:
			if d.ready == 0 && ends(m) {
				d.tail--
			}
		}
	}
	return lines
}

// ends reports whether a message is the end of the answer to one of the
// extended protocol's.
func ends(m pgproto3.BackendMessage) bool {
	switch m.(type) {
	case *pgproto3.ParseComplete, *pgproto3.BindComplete, *pgproto3.CloseComplete, *pgproto3.RowDescription, *pgproto3.NoData,
		*pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse, *pgproto3.PortalSuspended, *pgproto3.CopyInResponse:
		return true
	}
	return false
}

// note takes in a notification. One inside a block breaks the protocol's
// promise, which shows as a message that only one side got.
func (p *peer) note(n *pgproto3.NotificationResponse) {
	sender, ok := p.pids[n.PID]
	if !ok {
		sender = -1
	}
	p.heard = append(p.heard, notification{sender, n.Channel, n.Payload})
}

// line writes a message so that it can be compared.
func (p *peer) line(m pgproto3.BackendMessage) string {
	text := strings.ReplaceAll(p.Line(m), p.base, thisSide)
	return temporarySchema.ReplaceAllString(text, "pg_temp_N")
}

// temporarySchema is the name of one, whose number is that of a backend's slot: twins
// have two of them.
var temporarySchema = regexp.MustCompile(`pg_temp_\d+`)

// listen waits until n notifications have come in all.
func (p *peer) listen(n int, limit time.Duration) {
	if p.Conn.Conn.SetReadDeadline(time.Now().Add(limit)) != nil {
		return
	}
	for len(p.heard) < n {
		m, err := p.Frontend.Receive()
		if err != nil {
			return
		}
		if m, ok := m.(*pgproto3.NotificationResponse); ok {
			p.note(m)
		}
	}
}

// leave says goodbye and waits for the server to close: then what the session
// held is free.
func (p *peer) leave() error {
	defer p.Conn.Conn.Close()
	if err := p.Conn.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	p.Frontend.Send(&pgproto3.Terminate{})
	if err := p.Frontend.Flush(); err != nil {
		return err
	}
	for {
		_, err := p.Frontend.Receive()
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return fmt.Errorf("after Terminate: %w", err)
		}
	}
}
