// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// certified has weir serve a certificate that a client can verify.
func certified(t testing.TB) (change func(*weir.Config), root string) {
	t.Helper()
	now := time.Now()
	cert, key := testpg.Certificate(t, "weir", now.Add(-time.Hour), now.Add(time.Hour))
	return func(c *weir.Config) { c.ClientTLS.Cert, c.ClientTLS.Key = cert, key }, cert
}

// secured checks that a client is in TLS and can be used.
func secured(t testing.TB, g *gateway, params ...string) {
	t.Helper()
	conn := g.connect(t, params...)
	if _, ok := conn.PgConn().Conn().(*tls.Conn); !ok {
		t.Errorf("%v: the connection is not in TLS", params)
	}
	for range 3 {
		if got := ask(t, conn, "select 'in TLS'"); got != "in TLS" {
			t.Errorf("%v: got %q", params, got)
		}
	}
}

func TestTLSWithoutACertificateOfOnesOwn(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	secured(t, g, "sslmode=require")
	secured(t, g, "sslmode=require", "channel_binding=require")
	secured(t, g, "sslmode=require", "sslnegotiation=direct")
	if _, err := g.try(t, "sslmode=verify-full"); err == nil {
		t.Error("a client that verifies accepted weir's self-signed certificate")
	}
}

func TestTLSWithAConfiguredCertificate(t *testing.T) {
	t.Parallel()
	change, root := certified(t)
	g := open(t, testpg.URL(t), change)
	secured(t, g, "sslmode=verify-full", "sslrootcert="+root)
	secured(t, g, "sslmode=verify-full", "sslrootcert="+root, "channel_binding=require")
	secured(t, g, "sslmode=verify-full", "sslrootcert="+root, "sslnegotiation=direct", "channel_binding=require")
	secured(t, g, "sslmode=verify-full", "sslrootcert="+root, "min_protocol_version=3.2", "max_protocol_version=3.2")
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	required := open(t, testpg.URL(t), func(c *weir.Config) { c.ClientTLS.Mode = config.TLSRequire })
	secured(t, required, "sslmode=require")
	if _, err := required.try(t, "sslmode=disable"); code(err) != "08004" || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("a client without TLS where it is required got %v, want 08004", err)
	}
	disabled := open(t, testpg.URL(t), func(c *weir.Config) { c.ClientTLS.Mode = config.TLSDisable })
	disabled.connect(t, "sslmode=prefer")
	if _, err := disabled.try(t, "sslmode=require"); err == nil {
		t.Error("a client got TLS where it is disabled")
	}
}

func TestTLSCarriesLargeQueriesAndResults(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	conn := g.connect(t, "sslmode=require")
	const size = 10 << 20 // 10 MiB
	sent := strings.Repeat("0123456789abcdef", size/16)
	var got string
	if err := conn.QueryRow(bounded(t), "select $1::text || 'end'", sent).Scan(&got); err != nil || got != sent+"end" {
		t.Errorf("a value of %d bytes came back with %d bytes, %v", size, len(got), err)
	}
	if n := ask(t, conn, "select length('"+sent+"')"); n != "10485760" {
		t.Errorf("a simple query with a text of %d bytes gave %s", size, n)
	}
	_ = conn.Close(bounded(t)) // a text that weir has not read keeps its client's connection
	g.balanced(t)
}

// TestTLSRecordsAreNoLargerThanPostgreSQLs: libpq leaves the rest of a larger one
// where nobody looks for it.
func TestTLSRecordsAreNoLargerThanPostgreSQLs(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	for _, params := range [][]string{{}, {"replication=database"}} {
		cfg, err := pgconn.ParseConfig(g.url(append(params, "sslmode=require")...))
		if err != nil {
			t.Fatal(err)
		}
		seen := &recorded{}
		cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			seen.Conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return seen, err
		}
		conn, err := pgconn.ConnectConfig(bounded(t), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(bounded(t), "select repeat('x', 1000000)").ReadAll(); err != nil {
			t.Error(err)
		}
		// 256 bytes are the most that encryption adds (RFC 8446, section 5.2).
		if seen.largest <= 4096 || seen.largest > 8192+256 {
			t.Errorf("%v: the largest record has %d bytes", params, seen.largest)
		}
		_ = conn.Close(bounded(t))
	}
}

// recorded is a client's connection that looks at the TLS records it is sent.
type recorded struct {
	net.Conn

	began   bool   // behind the byte that answers the SSLRequest
	header  []byte // of a record, as far as it has come
	left    int    // bytes of its body to come
	largest int    // body of one
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	b := p[:n]
	if !r.began && n > 0 {
		r.began, b = true, b[1:]
	}
	for len(b) > 0 {
		if r.left > 0 {
			skip := min(r.left, len(b))
			r.left, b = r.left-skip, b[skip:]
			continue
		}
		take := min(5-len(r.header), len(b))
		r.header, b = append(r.header, b[:take]...), b[take:]
		if len(r.header) == 5 {
			r.left, r.header = int(binary.BigEndian.Uint16(r.header[3:])), r.header[:0]
			r.largest = max(r.largest, r.left)
		}
	}
	return n, err
}

func TestTLSPipelines(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	r := g.raw(t, "sslmode=require")
	const groups = 200
	var pipeline []pgproto3.FrontendMessage
	for range groups {
		pipeline = append(pipeline, group("select 1")...)
	}
	r.send(t, pipeline...)
	want := strings.TrimSuffix(strings.Repeat("1 2 D C Z(I) ", groups), " ")
	if got := r.transcript(t, groups); got != want {
		t.Errorf("got %q", got)
	}
}

// TestTLSClientsAreParkedAndWoken has many idle clients in TLS take turns.
func TestTLSClientsAreParkedAndWoken(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(2))
	var clients []*pgx.Conn
	for range 20 {
		clients = append(clients, g.connect(t, "sslmode=require"))
	}
	for range 10 {
		for _, conn := range clients {
			if got := ask(t, conn, "select 1"); got != "1" {
				t.Fatalf("got %q", got)
			}
		}
	}
	until(t, "all clients to be idle", func() bool { return g.Status().Clients.Idle == 20 })
}

func TestHandshakesThatFailDoNotDisturbOthers(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), hastyLogin)
	bystander(t, g)
	hello := []byte{22, 3, 1, 0, 100}
	var wait sync.WaitGroup
	for _, sent := range [][]byte{
		{0, 0, 0, 8, 4, 210, 22, 47},                                // SSLRequest, then silence
		append([]byte{0, 0, 0, 8, 4, 210, 22, 47}, "plain text"...), // and then no handshake
		append([]byte{0, 0, 0, 8, 4, 210, 22, 47}, hello...),        // half a ClientHello
		hello, // the same, directly
		{0, 0, 0, 8, 4, 210, 22, 47, 0, 0, 0, 8, 4, 210, 22, 47},      // twice
		{0, 0, 0, 8, 4, 210, 22, 48, 0, 0, 0, 8, 4, 210, 22, 48, 'x'}, // GSSENCRequest twice
	} {
		r := g.dial(t)
		r.write(t, sent)
		wait.Go(func() {
			if got := r.ends(t); got != "EOF" && got != "reset" {
				t.Errorf("after % x: %s", sent, got)
			}
		})
	}
	wait.Wait()
	until(t, "the logins to end", func() bool { return g.Status().Clients.Login == 0 })
}
