// SPDX-License-Identifier: Apache-2.0

package faultproxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// start puts a proxy before the test's PostgreSQL, and returns the URL of the
// proxy.
func start(t *testing.T) (*faultproxy.Proxy, string) {
	t.Helper()
	dsn := testpg.URL(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p, err := faultproxy.New(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	dsn, err = p.Through(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return p, dsn
}

// connect logs in and hands out the connection, which has a deadline.
func connect(t *testing.T, dsn string) *pgconn.HijackedConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	if err := h.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends a query, and returns the types of what comes back with the error
// that ends it, nil after ReadyForQuery.
func ask(t *testing.T, conn *pgconn.HijackedConn, sql string) (types string, err error) {
	t.Helper()
	conn.Frontend.Send(&pgproto3.Query{String: sql})
	if err := conn.Frontend.Flush(); err != nil {
		return "", err
	}
	for {
		m, err := conn.Frontend.Receive()
		if err != nil {
			return types, err
		}
		switch m := m.(type) {
		case *pgproto3.RowDescription:
			types += "T"
		case *pgproto3.DataRow:
			types += "D"
		case *pgproto3.CommandComplete:
			types += "C"
		case *pgproto3.ReadyForQuery:
			return types + "Z", nil
		default:
			t.Fatalf("got %T", m)
		}
	}
}

// on is a script that gives a connection its fate at a message of PostgreSQL.
func on(typ byte, fate faultproxy.Fate, change func([]byte) []byte) faultproxy.Script {
	return func(m *faultproxy.Message) faultproxy.Fate {
		if m.From != faultproxy.Upstream || m.Type != typ {
			return faultproxy.Live
		}
		if change != nil {
			m.Bytes = change(m.Bytes)
		}
		return fate
	}
}

func TestWhatPassesIsUnchanged(t *testing.T) {
	t.Parallel()
	_, dsn := start(t)
	sql := "select repeat(n::text, 1000) from generate_series(1, 500) n union all select '" + strings.Repeat("x", 1<<20) + "'"
	direct, through := testpg.Exec(t, testpg.URL(t), sql), testpg.Exec(t, dsn, sql)
	for i, row := range direct {
		if row[0] != through[i][0] {
			t.Fatalf("row %d differs", i)
		}
	}
}

func TestAScriptSeesEveryMessage(t *testing.T) {
	t.Parallel()
	p, dsn := start(t)
	var client, upstream []byte
	p.Script(func(m *faultproxy.Message) faultproxy.Fate {
		switch {
		case m.Conn != 1:
			t.Errorf("connection %d, want 1", m.Conn)
		case m.From == faultproxy.Client:
			client = append(client, m.Type)
		default:
			upstream = append(upstream, m.Type)
		}
		return faultproxy.Live
	})
	if _, err := ask(t, connect(t, dsn), "select 1"); err != nil {
		t.Fatal(err)
	}
	p.Script(nil)
	if got, want := string(client), "\x00ppQ"; got != want {
		t.Errorf("the client sent %q, want %q", got, want)
	}
	if got := string(upstream); !strings.HasPrefix(got, "RRRRS") || !strings.HasSuffix(got, "KZTDCZ") {
		t.Errorf("PostgreSQL sent %q", got)
	}
}

func TestFates(t *testing.T) {
	t.Parallel()
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	for name, c := range map[string]struct {
		script faultproxy.Script
		types  string // what comes before the end
		want   error
	}{
		"live":            {on('C', faultproxy.Live, nil), "TDCZ", nil},
		"reset":           {on('C', faultproxy.Reset, nil), "", syscall.ECONNRESET},
		"closed":          {on('C', faultproxy.Close, nil), "TDC", io.ErrUnexpectedEOF},
		"half closed":     {on('C', faultproxy.Shut, nil), "TDC", io.ErrUnexpectedEOF},
		"half a message":  {on('C', faultproxy.Close, cut), "TD", io.ErrUnexpectedEOF},
		"a message less":  {on('D', faultproxy.Live, func([]byte) []byte { return nil }), "TCZ", nil},
		"a message twice": {on('D', faultproxy.Live, func(b []byte) []byte { return append(b, b...) }), "TDDCZ", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dsn := start(t)
			conn := connect(t, dsn)
			p.Script(c.script)
			types, err := ask(t, conn, "select 1")
			if !errors.Is(err, c.want) || !strings.HasPrefix(types, c.types) {
				t.Errorf("got %q and %v, want %q and %v", types, err, c.types, c.want)
			}
		})
	}
}

func TestWhatHangsSaysNoMore(t *testing.T) {
	t.Parallel()
	p, dsn := start(t)
	conn := connect(t, dsn)
	p.Script(on('C', faultproxy.Hang, nil))
	conn.Frontend.Send(&pgproto3.Query{String: "select 1"})
	if err := conn.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.Frontend.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if _, last := m.(*pgproto3.CommandComplete); last {
			break
		}
	}
	if err := conn.Conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if m, err := conn.Frontend.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %T and %v, want silence", m, err)
	}
}

func TestResetEndsWhatHangs(t *testing.T) {
	t.Parallel()
	p, dsn := start(t)
	conn := connect(t, dsn)
	hung := make(chan struct{})
	p.Script(func(m *faultproxy.Message) faultproxy.Fate {
		if m.Type == 'Q' {
			close(hung)
			m.Bytes = nil
			return faultproxy.Hang
		}
		return faultproxy.Live
	})
	go func() {
		<-hung
		p.Reset()
	}()
	if types, err := ask(t, conn, "select 1"); types != "" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q and %v, want a reset", types, err)
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	address := testpg.Nobody(t)
	p, err := faultproxy.New(address)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dsn, err := p.Through("postgres://u:p@" + address + "/d?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgconn.Connect(t.Context(), dsn); err == nil {
		t.Error("a login succeeded")
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	p, dsn := start(t)
	conn := connect(t, dsn)
	const delay = 50 * time.Millisecond
	p.Delay(delay)
	began := time.Now()
	if _, err := ask(t, conn, "select 1"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("the answer took %v, want %v for each way", took, delay)
	}
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	t.Parallel()
	p, dsn := start(t)
	lose(t, p, 0.1)
	conn := connect(t, dsn)
	for range 20 {
		if types, err := ask(t, conn, "select 1"); err != nil || types != "TDCZ" {
			t.Fatalf("got %q and %v", types, err)
		}
	}
}

func TestABlackHoleAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	p, dsn := start(t)
	conn := connect(t, dsn)
	giveUp(t, conn.Conn.(*net.TCPConn), time.Second)
	lose(t, p, 1)
	if types, err := ask(t, conn, "select 1"); types != "" || !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("got %q and %v, want the kernel to give up", types, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := pgconn.Connect(ctx, dsn); err == nil {
		t.Error("a login through a black hole succeeded")
	}
	lose(t, p, 0)
	if _, err := ask(t, connect(t, dsn), "select 1"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// lose drops packets, or skips the test where nobody can.
func lose(t *testing.T, p *faultproxy.Proxy, share float64) {
	t.Helper()
	err := p.Lose(share)
	if errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "linux" {
		t.Skip(runtime.GOOS + " drops no packets for us")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// giveUp has the kernel give a connection up when nothing was acknowledged for
// so long.
func giveUp(t *testing.T, conn *net.TCPConn, after time.Duration) {
	t.Helper()
	const tcpUserTimeout = 18 // linux/tcp.h
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(after.Milliseconds())) // elsewhere the test skips
	})
	if err != nil {
		t.Fatal(err)
	}
}
