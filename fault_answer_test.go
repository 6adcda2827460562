// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/faultproxy"
)

// garbage is what another program says on the port.
var garbage = []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")

// TestALoginCutAtEachMessage ends the connection at each message of a login to
// PostgreSQL. The client that waits for it does not see that.
func TestALoginCutAtEachMessage(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, 0)
	g := open(t, through, poolOf(1))
	r := g.raw(t)
	login := func(n int, c cut) string {
		p.Script(nil)
		p.Reset()
		until(t, "the upstream to be gone", func() bool { return g.Status().Upstreams.Idle == 0 })
		var seen []byte
		p.Script(c.script(n, &seen))
		r.query(t, "select 1")
		if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
			t.Errorf("%s message %d of the login: the client got %q, want %q", c.name, n, got, want)
		}
		p.Script(nil)
		return string(seen)
	}
	types := login(-1, cut{})
	for n := range len(types) - len("QTDCZ") {
		if n > 0 && types[n] == 'S' && types[n-1] == 'S' {
			continue // one ParameterStatus is like another
		}
		login(n, cuts[n%2])
	}
}

// TestALoginThatIsAnsweredWrongly has the server say nothing, or nonsense. The
// client is told within its time, and is served when the server is right again.
func TestALoginThatIsAnsweredWrongly(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]faultproxy.Script{
		"silence":              says(faultproxy.Hang, 'R', nil),
		"silence at the end":   says(faultproxy.Hang, 'Z', []byte{}),
		"garbage":              says(faultproxy.Close, 'R', garbage),
		"an impossible length": says(faultproxy.Live, 'R', []byte{'R', 0, 0, 0, 3, 0, 0, 0, 0}),
		"a huge length":        says(faultproxy.Hang, 'S', []byte{'S', 0x3f, 0xff, 0xff, 0xff, 'a'}),
		"a farewell":           says(faultproxy.Close, 'K', []byte{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			p, through := distant(t, url, 0)
			g := open(t, through, poolOf(1))
			r := g.raw(t)
			g.reload(t, poolOf(1), waits(soon)) // which a login need not fit in
			p.Script(script)
			p.Reset()
			until(t, "the upstream to be gone", func() bool { return g.Status().Upstreams.Idle == 0 })
			began := time.Now()
			r.query(t, "select 1")
			if got, want := r.transcript(t, 1), "E(08006) Z(I)"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if waited := time.Since(began); waited > patience/2 {
				t.Errorf("the answer came after %v, with a wait of %v allowed", waited, soon)
			}
			p.Script(nil)
			p.Reset()
			until(t, "the client to be served", func() bool {
				r.query(t, "select 1")
				return r.transcript(t, 1) == "T D C Z(I)"
			})
			g.balanced(t)
		})
	}
}

// says has PostgreSQL say something else at messages of a type, and the
// connection meet its fate. nil says what PostgreSQL does.
func says(fate faultproxy.Fate, typ byte, instead []byte) faultproxy.Script {
	return func(m *faultproxy.Message) faultproxy.Fate {
		if m.From != faultproxy.Upstream || m.Type != typ {
			return faultproxy.Live
		}
		if instead != nil {
			m.Bytes = instead
		}
		return fate
	}
}

// lostRead reports whether a read was answered with the loss of its upstream:
// 08007 where nobody could be asked whether it only reads.
func lostRead(answer string) bool {
	return strings.HasSuffix(answer, "E(08006) Z(I)") || strings.HasSuffix(answer, "E(08007) Z(I)")
}

// TestAServerThatClosesRightAfterTheLogin takes logins, and serves nobody.
func TestAServerThatClosesRightAfterTheLogin(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, 0)
	g := open(t, through, poolOf(1))
	r := g.raw(t)
	g.reload(t, poolOf(1), waits(soon)) // which a login need not fit in
	p.Script(says(faultproxy.Close, 'Z', nil))
	p.Reset()
	r.query(t, "select 1")
	if got := r.transcript(t, 1); !lostRead(got) {
		t.Errorf("got %q, want 08006, or 08007", got)
	}
	p.Script(nil)
	p.Reset()
	until(t, "the client to be served", func() bool {
		r.query(t, "select 1")
		return r.transcript(t, 1) == "T D C Z(I)"
	})
	g.balanced(t)
}

// TestAQueryThatIsAnsweredWrongly has the server break the protocol while it
// answers. Its connection ends, the client's does not.
func TestAQueryThatIsAnsweredWrongly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script faultproxy.Script
		read   string // what the client gets to a SELECT, "" for the loss of its upstream
		write  string // and to an INSERT
	}{
		"garbage":              {says(faultproxy.Live, 'C', garbage), "", "E(08007) Z(I)"},
		"an impossible length": {says(faultproxy.Live, 'C', []byte{'C', 0, 0, 0, 3}), "", "E(08007) Z(I)"},
		"a negative length":    {says(faultproxy.Live, 'C', []byte{'C', 0xff, 0xff, 0xff, 0xff}), "", "E(08007) Z(I)"},
		"no row description":   {says(faultproxy.Live, 'T', []byte{}), "D C Z(I)", "C Z(I)"},
		"two ReadyForQuery":    {says(faultproxy.Live, 'Z', []byte("Z\x00\x00\x00\x05IZ\x00\x00\x00\x05I")), "T D C Z(I)", "C Z(I)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			p, through := distant(t, url, 0)
			g := open(t, through, poolOf(1))
			r, other := g.raw(t), g.raw(t)
			r.query(t, "create table rows (n int)")
			r.transcript(t, 1)
			for sql, want := range map[string]string{"select 1": c.read, "insert into rows values (1)": c.write} {
				r.query(t, "select 1") // there is an upstream that has logged in
				r.transcript(t, 1)
				p.Script(c.script)
				r.query(t, sql)
				if got := r.transcript(t, 1); got != want && (want != "" || !lostRead(got)) {
					t.Errorf("%s got %q, want %q", sql, got, want)
				}
				p.Script(nil)
				for _, client := range []*raw{r, other} {
					client.query(t, "select 1")
					if got, want := client.transcript(t, 1), "T D C Z(I)"; got != want {
						t.Errorf("afterwards: got %q, want %q", got, want)
					}
				}
			}
			g.balanced(t)
		})
	}
}
