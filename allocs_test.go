// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"io"
	"math"
	"net"
	"runtime/debug"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// player sends the same bytes again and again and reads the answers, without an
// allocation of its own.
type player struct {
	conn    net.Conn
	request []byte
	answer  []byte // as long as every answer is
}

// play learns the answer to a request on a client that has logged in.
func play(t testing.TB, r *raw, messages ...pgproto3.FrontendMessage) *player {
	t.Helper()
	p := &player{conn: r.Conn}
	for _, m := range messages {
		var err error
		if p.request, err = m.Encode(p.request); err != nil {
			t.Fatal(err)
		}
	}
	r.write(t, p.request)
	buf := make([]byte, 4096)
	ready := []byte{'Z', 0, 0, 0, 5, 'I'}
	for !bytes.HasSuffix(p.answer, ready) {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		p.answer = append(p.answer, buf[:n]...)
	}
	return p
}

func (p *player) round(t testing.TB) {
	if _, err := p.conn.Write(p.request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.conn, p.answer); err != nil {
		t.Fatal(err)
	}
	if p.answer[len(p.answer)-1] != 'I' {
		t.Fatalf("the answer ends with %q", p.answer[len(p.answer)-6:])
	}
}

// TestForwardingAQueryAllocatesNothing counts the allocations of the whole
// process, so nothing else may run.
func TestForwardingAQueryAllocatesNothing(t *testing.T) {
	g := open(t, testpg.URL(t))
	prepared := g.raw(t)
	prepared.send(t, &pgproto3.Parse{Name: "one", Query: "select 1"}, &pgproto3.Sync{})
	prepared.transcript(t, 1)
	for _, c := range []struct {
		name     string
		client   *raw
		messages []pgproto3.FrontendMessage
	}{
		{"simple", g.raw(t), simple("select 1")},
		{"extended", g.raw(t), group("select 1")},
		{"prepared", prepared, []pgproto3.FrontendMessage{
			&pgproto3.Bind{PreparedStatement: "one"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := play(t, c.client, c.messages...)
			for range 200 {
				p.round(t)
			}
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would take what is kept for the next query
			const rounds = 1000
			least := math.Inf(1)
			for range 10 { // what else goes on meanwhile adds to some of them
				least = min(least, testing.AllocsPerRun(1, func() {
					for range rounds {
						p.round(t)
					}
				}))
				if least <= rounds/50 { // timers of the runtime and of weir
					break
				}
			}
			t.Logf("%v allocations in %d queries", least, rounds)
			if least > rounds/50 {
				t.Errorf("%v allocations in %d queries, want none", least, rounds)
			}
		})
	}
}
