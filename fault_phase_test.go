// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
)

// request is what a client asks when its upstream is cut.
type request struct {
	before []string                   // answered before the cut
	sent   []pgproto3.FrontendMessage // under way at the cut
	rows   string                     // in the table if all of it has happened, 0 before a COMMIT
	// certain says that the text shows what becomes of it with its connection.
	certain bool
}

var requests = map[string]request{
	"read":               {nil, simple("select 1"), "0", true},
	"read, extended":     {nil, group("select 1"), "0", true},
	"write":              {nil, simple("insert into rows values (1)"), "1", false},
	"write, extended":    {nil, group("insert into rows values (1)"), "1", false},
	"two writes":         {nil, simple("insert into rows values (1); insert into rows values (2)"), "2", false},
	"read in a block":    {[]string{"begin", "insert into rows values (1)"}, group("select 1"), "0", true},
	"write in a block":   {[]string{"begin"}, simple("insert into rows values (1)"), "0", true},
	"commit":             {[]string{"begin", "insert into rows values (1)"}, simple("commit"), "1", false},
	"commit, extended":   {[]string{"begin", "insert into rows values (1)"}, group("commit"), "1", false},
	"block in one query": {nil, simple("begin; insert into rows values (1); commit"), "1", false},
	"copy out":           {nil, simple("copy (select 1) to stdout"), "0", false},
	"copy in": {nil, []pgproto3.FrontendMessage{
		&pgproto3.Query{String: "copy rows from stdin"}, &pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{},
	}, "1", false},
}

// cut is a way in which a connection ends at a message.
type cut struct {
	name string
	part func(size int) int // how much of the message arrives
	fate faultproxy.Fate
}

var cuts = []cut{
	{"reset before", func(int) int { return 0 }, faultproxy.Reset},
	{"closed in the middle of", func(size int) int { return size / 2 }, faultproxy.Close},
	{"half closed after", func(size int) int { return size }, faultproxy.Shut},
}

// script makes the cut at message n from now, and notes the type of each.
func (c cut) script(n int, types *[]byte) faultproxy.Script {
	return func(m *faultproxy.Message) faultproxy.Fate {
		*types = append(*types, m.Type)
		if len(*types)-1 != n {
			return faultproxy.Live
		}
		part := c.part(len(m.Bytes))
		if m.From == faultproxy.Upstream && strings.IndexByte("DdtGH", m.Type) >= 0 && part < len(m.Bytes) {
			part = 0 // or a client that has had the beginning would wait for the rest
		}
		m.Bytes = m.Bytes[:part]
		return c.fate
	}
}

// TestACutAtEachMessage ends the connection to PostgreSQL at each message of a
// request and of its answer. The client keeps its own, gets its ReadyForQuery,
// and what it is told of the outcome is true.
func TestACutAtEachMessage(t *testing.T) {
	t.Parallel()
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepareStage(t, request)
			whole, types := s.play(t, -1, cut{})
			if rows := s.settle(t); strings.Contains(whole, "E(") || rows != request.rows {
				t.Fatalf("without a cut: %q and %s rows, want %s", whole, rows, request.rows)
			}
			for n, typ := range types {
				for _, c := range cuts {
					got, _ := s.play(t, n, c)
					s.check(t, fmt.Sprintf("%s message %d (%c)", c.name, n, typ), got, whole)
				}
			}
		})
	}
}

// stage is where one request is played again and again, by one client on a pool
// of one.
type stage struct {
	request
	g      *gateway
	proxy  *faultproxy.Proxy
	client *raw
	direct *pgx.Conn // to PostgreSQL
	count  string    // asks for how much has happened
	undo   string    // takes it away
}

func prepareStage(t *testing.T, r request) *stage {
	t.Helper()
	url := database(t)
	testpg.Exec(t, url, "create table rows (n int)")
	return prepareStageAt(t, url, r)
}

// prepareStageAt is prepareStage in a database that has what the request needs.
func prepareStageAt(t *testing.T, url string, r request) *stage {
	t.Helper()
	p, through := distant(t, url, 0)
	g := open(t, through, poolOf(1))
	conn, err := pgx.Connect(bounded(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return &stage{request: r, g: g, proxy: p, client: g.raw(t), direct: conn, count: "select count(*) from rows", undo: "truncate rows"}
}

// renew puts another client in the place of the present one.
func (s *stage) renew(t *testing.T) {
	t.Helper()
	_ = s.client.Close()
	s.client = s.g.raw(t)
}

// play asks, with a cut at message n, and returns the answer and the types of
// the messages that passed until it had come.
func (s *stage) play(t *testing.T, n int, c cut) (answer, types string) {
	t.Helper()
	until(t, "the client to be where it is to be cut", func() bool { return s.prepared(t) })
	var seen []byte
	s.proxy.Script(c.script(n, &seen))
	s.client.send(t, s.sent...)
	groups := 0
	for _, m := range s.sent {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			groups++
		}
	}
	answer = s.client.transcript(t, groups)
	s.proxy.Script(nil)
	return answer, string(seen)
}

// prepared asks what comes before the request. The cut before may still be about
// to happen, and meet that: then it ends the block and is not done.
func (s *stage) prepared(t *testing.T) bool {
	t.Helper()
	for _, sql := range append(s.before, "select 1")[:max(len(s.before), 1)] {
		s.client.query(t, sql)
		if !strings.Contains(s.client.transcript(t, 1), "E(") {
			continue
		}
		s.client.query(t, "rollback")
		s.client.transcript(t, 1)
		return false
	}
	return true
}

// settle ends the client's block and waits until PostgreSQL has ended all that
// was begun. It returns how many rows there are, and removes them.
func (s *stage) settle(t *testing.T) string {
	t.Helper()
	until(t, "the client's block to end", func() bool { // the cut may meet a ROLLBACK too
		s.client.query(t, "rollback")
		return strings.HasSuffix(s.client.transcript(t, 1), "Z(I)")
	})
	s.g.balanced(t)
	until(t, "every lost connection's backend to have ended", func() bool {
		// One may be about to read what it was sent, and calls itself idle.
		backends := ask(t, s.direct, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'")
		up := s.g.Status().Upstreams
		return backends == strconv.Itoa(up.Active+up.Idle)
	})
	rows := ask(t, s.direct, s.count)
	if rows != "0" {
		for sql := range strings.SplitSeq(s.undo, ";") {
			must(t, s.direct, sql)
		}
	}
	return rows
}

// check compares an answer with what has happened.
func (s *stage) check(t *testing.T, what, got, whole string) {
	t.Helper()
	rows := s.settle(t)
	happened := "0"
	switch {
	case got != whole && !strings.HasSuffix(got, "Z(I)") && !strings.HasSuffix(got, "Z(E)"):
		t.Errorf("%s: the client got %q, want its ReadyForQuery", what, got)
	case strings.Contains(got, "E(08007)") && s.certain:
		t.Errorf("%s: the client got %q of what has no outcome", what, got)
	case strings.Contains(got, "E(08007)"):
		happened = rows // either way
	case got == whole:
		happened = s.rows
	case !strings.Contains(got, "E("):
		t.Errorf("%s: the client got %q, want an error or %q", what, got, whole)
	}
	if rows != happened || rows != "0" && rows != s.rows {
		t.Errorf("%s: the client got %q, and there are %s rows, want %s", what, got, rows, happened)
	}
}
