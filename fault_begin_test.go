// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/faultproxy"
)

// TestABlockThatIsHeldBackIsNeverLostAlone cuts the upstream that a block is to
// begin on, at each message from its login on: settings, BEGIN and the first
// statement. Whatever comes of the statement, it is not carried out without
// its block.
func TestABlockThatIsHeldBackIsNeverLostAlone(t *testing.T) {
	t.Parallel()
	s := prepareStage(t, request{})
	s.client = s.g.raw(t, "work_mem=7MB", "timezone=Asia/Tokyo")
	count, asked := s.begin(t, -1, cut{})
	if !strings.Contains(asked, "BE") {
		t.Fatalf("the messages %q begin no block", asked)
	}
	for n := range count {
		for _, c := range cuts {
			s.begin(t, n, c)
		}
	}
}

// begin begins a block that inserts, on a new upstream with a cut at message n
// after its login, and rolls it back. It returns how many of those messages
// there were, of either side, and the types of weir's. How the two sides' follow
// each other is left to chance.
func (s *stage) begin(t *testing.T, n int, c cut) (count int, asked string) {
	t.Helper()
	s.proxy.Reset()
	until(t, "the upstream to be gone", func() bool { return s.g.Status().Upstreams.Idle == 0 })
	s.client.query(t, "begin")
	what := fmt.Sprintf("%s message %d", c.name, n)
	if got, want := s.client.transcript(t, 1), "C Z(T)"; got != want {
		t.Errorf("%s: begin got %q, want %q", what, got, want)
	}
	var seen, ours []byte
	script := c.script(n, &seen)
	s.proxy.Script(afterLogin(func(m *faultproxy.Message) faultproxy.Fate {
		if m.From == faultproxy.Client {
			ours = append(ours, m.Type)
		}
		return script(m)
	}))
	s.client.query(t, "insert into rows values (1)")
	if got := s.client.transcript(t, 1); got != "C Z(T)" && !strings.HasSuffix(got, "E(08006) Z(E)") {
		t.Errorf("%s: insert got %q", what, got)
	}
	s.proxy.Script(nil)
	if rows := s.settle(t); rows != "0" {
		t.Errorf("%s: %s rows were committed", what, rows)
	}
	return len(seen), string(ours)
}

// afterLogin is a script for the messages of a connection after its login.
func afterLogin(script faultproxy.Script) faultproxy.Script {
	in := map[int]bool{}
	return func(m *faultproxy.Message) faultproxy.Fate {
		if in[m.Conn] {
			return script(m)
		}
		in[m.Conn] = m.From == faultproxy.Upstream && m.Type == 'Z'
		return faultproxy.Live
	}
}

// TestABlockWhoseStatementIsOldIsNotInDoubt cuts the upstream while weir asks it, between
// the BEGIN that was held back and the client's first statement, whether a statement
// that others have prepared there is current. The client has sent no COMMIT: whatever
// comes of it, its transaction was rolled back, and it is told so.
func TestABlockWhoseStatementIsOldIsNotInDoubt(t *testing.T) {
	t.Parallel()
	s := prepareStage(t, request{})
	const write = "insert into rows values (1)"
	lose := func(n int, c cut) (types []byte) {
		what := fmt.Sprintf("%s message %d", c.name, n)
		s.renew(t)
		s.client.send(t, preparing("s", write)...) // so the upstream has it
		s.client.transcript(t, 1)
		s.renew(t)
		s.client.send(t, preparing("s", write)...)
		s.client.transcript(t, 1)
		s.client.query(t, "begin")
		s.client.transcript(t, 1)
		s.proxy.Script(c.script(n, &types))
		s.client.send(t, executeNamed("s")...)
		if got := s.client.transcript(t, 1); got != "2 C Z(T)" && !strings.HasSuffix(got, "E(08006) Z(E)") {
			t.Errorf("%s: the insert got %q", what, got)
		}
		s.proxy.Script(nil)
		if rows := s.settle(t); rows != "0" {
			t.Errorf("%s: %s rows were committed", what, rows)
		}
		return types
	}
	types := lose(-1, cut{})
	if !strings.Contains(string(types), "PBEPBE") && !strings.Contains(string(types), "CPBE") {
		t.Fatalf("the messages %q ask nothing about the statement", types)
	}
	for n := range types {
		for _, c := range cuts {
			lose(n, c)
		}
	}
}
