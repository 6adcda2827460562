// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

const mebibyte = 1 << 20

// growth is what weir's memory may grow by for a value of any size.
const growth = 64 * mebibyte

func TestValuesOf100MB(t *testing.T) { testValues(t, 100*mebibyte) }

// The longest that PostgreSQL takes is a little less than 1 GiB.
func TestValuesOfAGigabyte(t *testing.T) {
	if os.Getenv("WEIR_TEST_LARGE") == "" {
		t.Skip("needs 4 GiB of memory, as much on disk, and two minutes; set WEIR_TEST_LARGE=1 to run it")
	}
	testValues(t, 1000*mebibyte)
}

// testValues sends a value of size bytes to PostgreSQL and gets it back, in
// each way there is, and checks what weir's memory grew by.
func testValues(t *testing.T, size int) {
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2", "DATABASE_STATEMENT_TIMEOUT=0")
	c := rawDial(t, w.url)
	c.ask(query("create table big (v text)"), 'Z')
	before := w.peak(t)

	// In: extended with a Parse before and after it, then COPY. A simple query
	// of that length would be PostgreSQL's own parser's problem.
	c.send(parse("s0", "insert into big values ($1)"), parse("", "select 1"))
	c.stream('B', size, "\x00s0\x00\x00\x00\x00\x01"+beUint32(size), "\x00\x00")
	c.finish(execute("", 0), endGroup)
	c.ask(query("copy big from stdin"), 'G')
	for range size / mebibyte {
		c.stream('d', mebibyte, "", "")
	}
	c.send(copyDone)
	c.until('Z')

	// Out: both protocols and COPY.
	for _, messages := range []messages{
		{query("select v from big")},
		join(parse("", "select v from big"), once(""), endGroup),
		{query("copy big to stdout")},
	} {
		c.send(messages...)
		if got := c.until('Z'); got < int64(2*size) {
			t.Errorf("%T: %d bytes came back, want at least %d", messages[0], got, 2*size)
		}
	}
	rows := testpg.Exec(t, g.url, "select length(v), v = repeat('x', length(v)) from big")
	if got, want := fmt.Sprint(rows), fmt.Sprintf("[[%d t] [%d t]]", size, size); got != want {
		t.Errorf("lengths and whether all is well = %s, want %s", got, want)
	}
	if grown := w.peak(t) - before; grown > growth {
		t.Errorf("weir's memory grew by %d MiB, want at most %d", grown/mebibyte, growth/mebibyte)
	} else {
		t.Logf("weir's memory grew by %d MiB", grown/mebibyte)
	}
}

// A client that asks for much and reads nothing: PostgreSQL waits for it, weir
// keeps little of it, and others are served.
func TestAClientThatStopsReading(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2", "DATABASE_STATEMENT_TIMEOUT=0")
	const rows = 200
	lazy := rawDial(t, w.url)
	before := w.peak(t)
	lazy.send(query(fmt.Sprintf("select repeat('x', %d) from generate_series(1, %d)", mebibyte, rows)))
	await(t, "PostgreSQL waits for the client", func() error {
		for _, row := range testpg.Exec(t, g.admin, "select wait_event from pg_stat_activity where usename = '"+g.role+"'") {
			if row[0] == "ClientWrite" {
				return nil
			}
		}
		return fmt.Errorf("no backend does")
	})
	busy := dial(t, w.url)
	for i := range 200 {
		if lines, err := busy.ask(query(fmt.Sprint("select ", i))); err != nil {
			t.Fatalf("another client: %v, %q", err, lines)
		}
	}
	if grown := w.peak(t) - before; grown > growth/8 {
		t.Errorf("weir's memory grew by %d KiB", grown/1024)
	}
	if got := lazy.until('Z'); got < rows*mebibyte {
		t.Errorf("%d bytes came when the client read on, want %d at least", got, rows*mebibyte)
	}
}

// peak is the most memory that weir has had resident, in bytes.
func (g *gateway) peak(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell a process' memory: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	return number(t, strings.Fields(rest)[0]) * 1024 // "123456 kB"
}

// rawClient is a client that takes in messages without keeping them.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

func rawDial(t *testing.T, url string) *rawClient {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Conn.Close() })
	return &rawClient{t: t, conn: h.Conn, buf: make([]byte, 64<<10)}
}

func (c *rawClient) send(messages ...pgproto3.FrontendMessage) {
	c.t.Helper()
	var b []byte
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			c.t.Fatal(err)
		}
	}
	c.write(b)
}

func (c *rawClient) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// stream sends a message of type typ that is head, size times x, and tail.
func (c *rawClient) stream(typ byte, size int, head, tail string) {
	c.t.Helper()
	c.write([]byte(string(typ) + beUint32(4+len(head)+size+len(tail)) + head))
	some := []byte(strings.Repeat("x", 64<<10))
	for size > 0 {
		n := min(size, len(some))
		c.write(some[:n])
		size -= n
	}
	c.write([]byte(tail))
}

// until takes in messages up to one of type typ, and returns how many bytes
// they were. An error ends the test.
func (c *rawClient) until(typ byte) (bytes int64) {
	c.t.Helper()
	header := make([]byte, 5)
	for {
		if _, err := io.ReadFull(c.conn, header); err != nil {
			c.t.Fatal(err)
		}
		size := int64(header[1])<<24 | int64(header[2])<<16 | int64(header[3])<<8 | int64(header[4]) - 4
		if header[0] == 'E' {
			body, _ := io.ReadAll(io.LimitReader(c.conn, size))
			c.t.Fatalf("error: %q", body)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c.conn, size), c.buf)
		if err != nil {
			c.t.Fatal(err)
		}
		bytes += n
		if header[0] == typ {
			return bytes
		}
	}
}

func (c *rawClient) ask(m pgproto3.FrontendMessage, typ byte) { c.t.Helper(); c.send(m); c.until(typ) }

func (c *rawClient) finish(m ...pgproto3.FrontendMessage) { c.t.Helper(); c.send(m...); c.until('Z') }

func beUint32(n int) string {
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
