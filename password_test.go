// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// counter is a listener that passes connections on to a server and counts them,
// once they say something: a machine that is slow enough gives up and repeats
// connects that the kernel had accepted.
type counter struct {
	net.Listener
	server string
	total  atomic.Int64 // connections ever
	open   atomic.Int64
	expect atomic.Int64 // how many a test expects to be open at once; 0 is any number
	most   atomic.Int64 // open at once
	wait   sync.WaitGroup
}

// count puts a counter before the server of a URL, and returns the URL of the
// counter.
func count(t testing.TB, dsn string) (*counter, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{Listener: l, server: host(t, dsn)}
	c.wait.Go(c.serve)
	t.Cleanup(func() {
		_ = l.Close()
		c.wait.Wait()
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	return c, u.String()
}

func (c *counter) serve() {
	for {
		conn, err := c.Accept()
		if err != nil {
			return
		}
		c.wait.Go(func() { c.pass(conn) })
	}
}

// enter counts a connection. If there are more than expected, the end of others
// may not have been noticed here, and gets time for that before it counts.
func (c *counter) enter() {
	c.total.Add(1)
	n := c.open.Add(1)
	deadline := time.Now().Add(5 * time.Second)
	for expect := c.expect.Load(); expect > 0 && n > expect && time.Now().Before(deadline); n = c.open.Load() {
		time.Sleep(time.Millisecond)
	}
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
}

// pass carries bytes both ways until both sides have ended. A connection counts
// from its first byte on: one that was given up before may be accepted late.
func (c *counter) pass(client net.Conn) {
	defer client.Close()
	first := make([]byte, 4096)
	n, err := client.Read(first)
	if err != nil {
		return
	}
	c.enter()
	defer c.open.Add(-1)
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, io.MultiReader(bytes.NewReader(first[:n]), client))
	_ = server.Close()
	back.Wait()
}

func TestWrongUpstreamPasswordIsSaidOnce(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	c, dsn := count(t, testpg.Role(t, admin, ""))
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := u.User.Username()
	u.User = url.UserPassword(name, "wrong")
	began := time.Now()
	g := open(t, u.String(), func(c *weir.Config) { c.Pool.Min = 2 })
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			_, err := pgx.Connect(bounded(t), g.url()) // with the password that weir was given
			if code(err) != "28P01" || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want 28P01 that names the role", err)
			}
		})
	}
	wait.Wait()
	n, most := c.total.Load(), int64(4)
	for pause := 5 * time.Second; time.Since(began) > pause; pause *= 2 {
		most++ // weir tries again after pauses that double
	}
	if n > most {
		t.Errorf("50 clients made %d logins at PostgreSQL, want %d at most", n, most)
	}
	if err := g.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("Ready says %v, want that the role is refused", err)
	}
	until(t, "the log", func() bool { return strings.Contains(g.log.String(), "cannot open a connection to PostgreSQL") })
	if text := g.log.String(); strings.Count(text, "cannot open a connection to PostgreSQL") != 1 || !strings.Contains(text, name) {
		t.Errorf("the log should say once that the role was refused:\n%s", text)
	}
}
