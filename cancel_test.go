// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

const (
	cancelCode = 1234<<16 | 5678
	sslCode    = 1234<<16 | 5679
)

// cancel sends a cancel request on a connection of its own, as libpq does, and
// returns once weir has closed that connection.
func (g *gateway) cancel(t testing.TB, pid uint32, secret []byte, secure bool) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", g.Addr().String(), patience)
	if err != nil {
		t.Errorf("cancel: %v", err)
		return
	}
	defer conn.Close()
	setDeadline(t, conn)
	if secure {
		if _, err := conn.Write(packet(8, binary.BigEndian.AppendUint32(nil, sslCode)...)); err != nil {
			t.Errorf("cancel: %v", err)
			return
		}
		var answer [1]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
			t.Errorf("cancel: the answer to SSLRequest is %q, %v", answer, err)
			return
		}
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // weir's certificate is its own
	}
	body := binary.BigEndian.AppendUint32(nil, cancelCode)
	body = binary.BigEndian.AppendUint32(body, pid)
	if _, err := conn.Write(packet(uint32(8+4+len(secret)), append(body, secret...)...)); err != nil {
		t.Errorf("cancel: %v", err)
		return
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || ending(t, err) == "silence" {
		t.Errorf("a cancel request was answered with %d bytes, %v", n, err)
	}
}

// executing waits until PostgreSQL runs n statements like text in the database of
// a gateway. Those of other tests, in other databases, do not count.
func executing(t testing.TB, upstream, text, n string) {
	t.Helper()
	until(t, n+" backends to run "+text, func() bool {
		rows := testpg.Exec(t, upstream, "select count(*) from pg_stat_activity where state = 'active' and datname = current_database() and pid <> pg_backend_pid() and query like '%"+text+"%'")
		return rows[0][0] == n
	})
}

func TestCancelEndsARunningQuery(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	for _, c := range []struct {
		name   string
		params []string
		size   int // of the secret, in bytes
		secure bool
	}{
		{"protocol 3.0", []string{"max_protocol_version=3.0"}, 4, false},
		{"protocol 3.2", []string{"min_protocol_version=3.2", "max_protocol_version=3.2"}, 32, false},
		{"protocol 3.0, cancelled in TLS", []string{"max_protocol_version=3.0"}, 4, true},
		{"TLS, cancelled in TLS", []string{"min_protocol_version=3.2", "max_protocol_version=3.2", "sslmode=require"}, 32, true},
		{"TLS, cancelled in plain text", []string{"sslmode=require"}, 4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := g.raw(t, c.params...)
			if len(r.secret) != c.size {
				t.Errorf("the secret has %d bytes, want %d", len(r.secret), c.size)
			}
			if r.pid < 1<<30 || r.pid >= 1<<31 {
				t.Errorf("process id %d, want one that no backend can have, and positive as int32", r.pid)
			}
			r.query(t, "select pg_sleep(60)")
			until(t, "the query to run", func() bool { return g.Status().Upstreams.Active > 0 })
			end := repeat(func() { g.cancel(t, r.pid, r.secret, c.secure) })
			if got, want := strings.TrimPrefix(r.transcript(t, 1), "T "), "E(57014) Z(I)"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			end()
			r.query(t, "select 1")
			if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
				t.Errorf("after the cancel: got %q, want %q", got, want)
			}
		})
	}
}

// repeat calls f until the returned function is called: a cancel that comes
// before its query began is passed over, as PostgreSQL does.
func repeat(f func()) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			f()
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

func TestCancelWithAWrongKeyDoesNothing(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t)
	r.query(t, "select pg_sleep(60)")
	executing(t, g.upstream, "pg_sleep", "1")
	wrong := append([]byte(nil), r.secret...)
	wrong[len(wrong)-1] ^= 1
	g.cancel(t, r.pid, wrong, false)
	g.cancel(t, r.pid, append(r.secret[:4:4], 0), false)
	g.cancel(t, r.pid+1, r.secret, false)
	g.cancel(t, 1, r.secret, false)
	executing(t, g.upstream, "pg_sleep", "1")
	g.cancel(t, r.pid, r.secret, false)
	if got, want := strings.TrimPrefix(r.transcript(t, 1), "T "), "E(57014) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCancelEndsAWaitInTheQueue(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	testpg.Exec(t, g.upstream, "create table rows (n int)")
	release := hold(t, g)
	for _, c := range []struct {
		name string
		sent []pgproto3.FrontendMessage
	}{
		{"simple", []pgproto3.FrontendMessage{&pgproto3.Query{String: "insert into rows values (1)"}}},
		{"extended", group("insert into rows values (1)")},
	} {
		r := g.raw(t)
		r.send(t, c.sent...)
		until(t, "the request to wait", func() bool { return g.Status().Waiting == 1 })
		g.cancel(t, r.pid, r.secret, false)
		if got, want := r.transcript(t, 1), "E(57014) Z(I)"; got != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
	}
	release()
	g.balanced(t)
	if n := testpg.Exec(t, g.upstream, "select count(*) from rows")[0][0]; n != "0" {
		t.Errorf("%s rows were inserted by requests that were cancelled in the queue", n)
	}
}

func TestCancelOfAnIdleClientDoesNothing(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	r := g.raw(t)
	for range 20 {
		g.cancel(t, r.pid, r.secret, false)
		r.query(t, "select 1")
		if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	g.balanced(t)
}

func TestCancelInsideATransactionFailsIt(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t)
	r.query(t, "begin; select 1")
	r.transcript(t, 1)
	r.query(t, "select pg_sleep(60)")
	executing(t, g.upstream, "pg_sleep", "1")
	g.cancel(t, r.pid, r.secret, false)
	if got, want := strings.TrimPrefix(r.transcript(t, 1), "T "), "E(57014) Z(E)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.query(t, "rollback")
	if got, want := r.transcript(t, 1), "C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCancelsNeverHitAnotherClient has cancels race with the end of what they
// are for, while two clients share one upstream. Only who asks for cancels may
// see one.
func TestCancelsNeverHitAnotherClient(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	reckless, other := g.raw(t), g.connect(t)
	var over atomic.Bool
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for !over.Load() && !t.Failed() {
				g.cancel(t, reckless.pid, reckless.secret, false)
			}
		})
	}
	var hits atomic.Int64
	wait.Go(func() {
		for !over.Load() && !t.Failed() {
			setDeadline(t, reckless)
			reckless.query(t, "select 1")
			switch got := reckless.transcript(t, 1); got {
			case "T D C Z(I)":
			case "E(57014) Z(I)", "T E(57014) Z(I)", "T D E(57014) Z(I)":
				hits.Add(1)
			default:
				t.Errorf("the client that asks for cancels got %q", got)
			}
		}
	})
	answersOf(t, other, 2*time.Second)
	over.Store(true)
	wait.Wait()
	t.Logf("%d cancels hit the client that they were for", hits.Load())
	g.balanced(t)
}

// answersOf checks the answers to queries, one after another, for as long as d.
func answersOf(t *testing.T, conn *pgx.Conn, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	for i := 0; time.Since(began) < d; i++ {
		var got int
		if err := conn.QueryRow(ctx, "select $1::int", i).Scan(&got); err != nil || got != i {
			t.Errorf("query %d of the other client gave %d, %v", i, got, err)
			return
		}
	}
}
