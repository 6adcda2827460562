// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// fewFiles is a limit on open files that a weir is to live with: what is kept for
// other things, a pool of ten, and some 110 clients.
const fewFiles = 256

// flood opens connections and sends each some bytes, as often as it is told to.
// The other side may have closed them.
func flood(t *testing.T, address string, count int, first string) (conns []net.Conn) {
	t.Helper()
	for range count {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, first)
		conns = append(conns, conn)
	}
	return conns
}

// drip has all connections send a byte each, again and again, until the test ends.
func drip(t *testing.T, conns []net.Conn) {
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for ctx.Err() == nil {
			for _, conn := range conns {
				_, _ = conn.Write([]byte{0})
			}
		}
	})
	t.Cleanup(func() {
		stop()
		wait.Wait()
	})
}

// TestAFloodBeforeTheLoginKeepsNobodyOut gives weir few descriptors, and strangers
// that take as many as they get, at each door.
func TestAFloodBeforeTheLoginKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	for name, rush := range map[string]func(t *testing.T, s *served, clients string){
		"clients that have sent four bytes": func(t *testing.T, _ *served, clients string) {
			flood(t, clients, 500, "\x00\x00\x00\x50")
		},
		"clients that drip": func(t *testing.T, _ *served, clients string) {
			drip(t, flood(t, clients, 500, "\x00\x00\x27\x10\x00\x03\x00\x00"))
		},
		"clients that said something wrong and stay": func(t *testing.T, _ *served, clients string) {
			flood(t, clients, 500, "\x00\x00\x00\x08\x00\x09\x00\x00")
		},
		"idle HTTP connections": func(t *testing.T, s *served, _ string) {
			flood(t, strings.TrimPrefix(s.http, "http://"), 400, "")
		},
		"HTTP connections that drip": func(t *testing.T, s *served, _ string) {
			drip(t, flood(t, strings.TrimPrefix(s.http, "http://"), 400, "GET /"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveWithin(t, fewFiles, "--pool-max", "10", "--client-login-timeout", "1h")
			before := connect(t, s.url)
			rush(t, s, before.Config().Host+":"+strconv.Itoa(int(before.Config().Port)))

			busy := []*pgx.Conn{before}
			for range 9 {
				busy = append(busy, connect(t, s.url))
			}
			for _, conn := range busy { // each has an upstream of its own
				for _, sql := range []string{"begin", "select 1"} {
					if err := query(t, conn, sql); err != nil {
						t.Fatal(err)
					}
				}
			}
			if code, body := page(s.http + "/readyz"); code != http.StatusOK {
				t.Errorf("/readyz: %d %s", code, body)
			}
			if n := outages(t, s.http); n != 0 {
				t.Errorf("%d outages of PostgreSQL were counted", n)
			}
			if strings.Contains(s.output.String(), "too many open files") {
				t.Error("descriptors ran out")
			}
		})
	}
}

// outages asks the status how many there were.
func outages(t *testing.T, http string) (n uint64) {
	t.Helper()
	var status struct{ Servers []struct{ Outages uint64 } }
	_, body := page(http + "/api/v1/status")
	if err := json.Unmarshal([]byte(body), &status); err != nil || len(status.Servers) == 0 {
		t.Fatalf("the status has no servers: %v: %s", err, body)
	}
	for _, s := range status.Servers {
		n += s.Outages
	}
	return n
}
