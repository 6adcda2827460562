// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/integration/wiretest"
	_ "github.com/weir-pg/weir/internal/audit" // of each upstream that changes hands
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/testpg"
)

// ground is two databases that are alike: of one weir knows nothing.
type ground struct {
	direct, behind string // URLs
	admin          [2]*pgconn.PgConn
}

func newGround(t testing.TB) *ground {
	t.Helper()
	return newGroundAt(t, testpg.URL(t))
}

// newGroundAt is newGround at a server, by its superuser's URL.
func newGroundAt(t testing.TB, server string) *ground {
	t.Helper()
	g := &ground{direct: testpg.Database(t, server), behind: testpg.Database(t, server)}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for i, url := range [...]string{g.direct, g.behind} {
		conn, err := pgconn.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		g.admin[i] = conn
	}
	return g
}

// exec runs SQL, one or more statements, in both.
func (g *ground) exec(t testing.TB, sql string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for _, conn := range g.admin {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// forget ends the transactions that a script has prepared and not ended.
func (g *ground) forget(t testing.TB) {
	t.Helper()
	for _, conn := range g.admin {
		left, err := conn.Exec(t.Context(), "select gid from pg_prepared_xacts where database = current_database()").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range left[0].Rows {
			if _, err := conn.Exec(t.Context(), "rollback prepared "+literal(string(row[0]))).ReadAll(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// world is a ground with weir before one of its databases, and the clients of
// one script.
type world struct {
	*ground
	gateway *weir.Gateway
	through string // URL of the gateway
	pool    int    // upstreams that it may have
	clients []*client
	trace   []step // what was done
	pids    [2]map[uint32]int
	defects *wiretest.Log
	over    bool // what comes now depends on time: there is nothing to compare any more
}

// acquire bounds the wait for an upstream: nothing in a script has to wait, so
// that who waits has met a defect.
const acquire = 30 * time.Second

// open starts a gateway with a pool of so many upstreams.
func (g *ground) open(t testing.TB, pool int, change ...func(*weir.Config)) *world {
	t.Helper()
	cfg := weir.DefaultConfig()
	cfg.Upstream = g.behind
	cfg.Listen = []string{"127.0.0.1:0"}
	cfg.Pool.Min, cfg.Pool.Max = 0, pool
	cfg.Pool.MaxPinned = config.Share{Percent: 100} // so that a step waits for a connection alone, see room
	cfg.Pool.AcquireTimeout = acquire
	cfg.Pool.StatementTimeout = 0
	cfg.ShutdownPause = 0
	for _, c := range change {
		c(&cfg)
	}
	found := &wiretest.Log{Tolerates: isTolerated}
	gw, err := weir.Open(t.Context(), cfg, weir.WithLogger(slog.New(slog.NewTextHandler(found, nil))))
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Listen(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(g.behind)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = gw.Addr().String()
	return &world{ground: g, gateway: gw, through: u.String(), pool: pool, defects: found}
}

// close ends the gateway; the clients have left.
func (w *world) close() error {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	return w.gateway.Shutdown(ctx)
}

// client is one client of a script, twice.
type client struct {
	params  map[string]string // of its start-up packet
	direct  *peer
	through *peer
	names   map[string]string // what it has prepared in the prepared form, by text
	keeps   bool              // it has an upstream of weir's while others act, or may need one to go on
	holds   bool              // it has one: the BEGIN of its block was not held back
	foreign bool              // it has set a client_encoding; then LISTEN pins
	hurried bool              // it has set a time limit that anything may exceed
}

// connect logs a client in on both sides. What differs is a line in each.
func (w *world) connect(i int) (got, want string, err error) {
	c := w.clients[i]
	c.names = make(map[string]string)
	if c.direct, err = dial(with(w.direct, c.params), w.pids[0], i); err != nil {
		return "", "", err
	}
	if c.through, err = dial(with(w.through, c.params), w.pids[1], i); err != nil {
		return "", "", err
	}
	return c.through.greeting(), c.direct.greeting(), nil
}

// with adds start-up parameters to a URL.
func with(base string, params map[string]string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(err) // the test's own
	}
	q := u.Query()
	q.Set("sslmode", "disable")
	for name, value := range params {
		q.Set(name, value)
	}
	// libpq and pgx take a blank as %20 alone.
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// begin gives the world the clients of a script, none of which is connected.
func (w *world) begin(params []map[string]string) {
	w.clients, w.trace, w.over = nil, nil, false
	w.pids = [2]map[uint32]int{{}, {}}
	for _, p := range params {
		w.clients = append(w.clients, &client{params: p})
	}
}

// end takes leave of all clients.
func (w *world) end() error {
	var first error
	for i := range w.clients {
		if err := w.leave(i); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (w *world) leave(i int) error {
	c := w.clients[i]
	if c.direct == nil {
		return nil
	}
	err := c.direct.leave()
	if err != nil {
		err = fmt.Errorf("directly: %w", err)
	}
	if c.through != nil {
		if e := c.through.leave(); err == nil && e != nil {
			err = fmt.Errorf("through weir: %w", e)
		}
	}
	c.direct, c.through, c.keeps, c.holds, c.hurried = nil, nil, false, false, false
	return err
}

// room reports whether a step can be done without waiting for another client.
func (w *world) room(s step) bool {
	held := 0
	for i, c := range w.clients {
		if i != s.who && c.keeps {
			held++
		}
	}
	return held < w.pool
}

// calm is how long an upstream may take to be given back. One that takes longer is
// given back when another client asks.
const calm = 200 * time.Millisecond

// keeping finds out whether a client has kept an upstream after a step: it is in a
// block, in an open group, or weir says that it is pinned.
func (w *world) keeping(c *client) {
	others := 0
	for _, o := range w.clients {
		if o != c && o.holds {
			others++
		}
	}
	c.keeps = c.direct != nil && (c.direct.Status != 'I' || c.direct.open)
	c.holds = c.keeps && w.gateway.Status().Upstreams.Active > others
	for began := time.Now(); !c.keeps && time.Since(began) < calm; time.Sleep(time.Millisecond) {
		status := w.gateway.Status()
		for _, p := range status.Pools {
			c.keeps = c.keeps || slices.ContainsFunc(p.Pins, func(pin observe.Pin) bool { return c.through != nil && pin.PID == c.through.PID })
		}
		if c.holds = c.keeps; status.Upstreams.Active <= others {
			break
		}
	}
}

// do does one step on both sides and returns the first difference, nil where
// there is none.
func (w *world) do(s step) *difference {
	c := w.clients[s.who]
	w.trace = append(w.trace, s)
	if s.text == quit {
		if err := w.leave(s.who); err != nil {
			return w.differ([]string{err.Error()}, nil, "a goodbye failed")
		}
		w.keeping(c)
		return nil
	}
	if c.direct == nil {
		got, want, err := w.connect(s.who)
		if err != nil {
			return w.differ([]string{err.Error()}, nil, "a login failed")
		}
		if got != want {
			return w.differ([]string{got}, []string{want}, "the greeting differs")
		}
	}
	if s.text == hear {
		return w.hearing(c)
	}
	messages, err := s.messages(c.names, c.direct.open)
	if err != nil {
		return w.differ(nil, nil, err.Error())
	}
	c.foreign = c.foreign || mentions(s.text, "client_encoding", "set names")
	c.hurried = c.hurried || mentions(s.text, "_timeout = '1ms'")
	want := c.direct.do(messages)
	got := c.through.do(messages)
	w.keeping(c)
	c.learn(s, want)
	if c.hurried && slices.ContainsFunc(slices.Concat(got, want), func(line string) bool { return fails(line, "57014") || fails(line, "55P03") }) {
		w.over = true
		return nil
	}
	if slices.ContainsFunc(got, undefinedValue) && !slices.ContainsFunc(want, undefinedValue) {
		w.over = true // what comes next may depend on whether this was an error
		return nil
	}
	if slices.Contains(want, wiretest.Silence) || slices.Contains(want, wiretest.Ended) {
		return w.differ(got, want, "PostgreSQL itself does not answer")
	}
	if !alike(got, want) {
		return w.differ(got, want, "the answers differ")
	}
	return w.found()
}

// found returns what weir's log tells of defects as a difference.
func (w *world) found() *difference {
	if list := w.defects.Take(); list != nil {
		return w.differ(list, nil, "weir found a defect")
	}
	return nil
}

// learn takes in what a step has changed in what the client knows.
func (c *client) learn(s step, lines []string) {
	for _, line := range lines {
		switch {
		case line == `{"Type":"CommandComplete","CommandTag":"DISCARD ALL"}`:
			clear(c.names)
		case line == `{"Type":"CommandComplete","CommandTag":"DEALLOCATE ALL"}`:
			clear(c.names)
		case line == `{"Type":"ParseComplete"}` && s.form == prepared && !strings.HasPrefix(s.text, `\`):
			c.names[s.text] = "f" + strconv.Itoa(len(c.names))
		}
	}
}

// settle compares the notifications that each client has had.
func (w *world) settle() *difference {
	for i, c := range w.clients {
		if c.direct == nil {
			continue
		}
		if d := w.do(step{who: i, text: hear}); d != nil {
			return d
		}
	}
	return nil
}

// hearing waits until a client has had as many notifications as its twin, and
// compares them. PostgreSQL has sent what there was before it answers a Sync.
func (w *world) hearing(c *client) *difference {
	want := c.direct.do([]pgproto3.FrontendMessage{&pgproto3.Sync{}})
	got := c.through.do([]pgproto3.FrontendMessage{&pgproto3.Sync{}})
	if !slices.Equal(got, want) {
		return w.differ(got, want, "the answers differ")
	}
	c.through.listen(len(c.direct.heard), patience)
	if slices.EqualFunc(c.through.heard, c.direct.heard, c.sameNote) {
		return nil
	}
	return w.differ(describe(c.through.heard), describe(c.direct.heard), "the notifications differ")
}

// sameNote compares notifications. Who has LISTEN pin it is told the process ids
// of PostgreSQL.
func (c *client) sameNote(got, want notification) bool {
	if c.foreign && got.Sender == -1 {
		got.Sender = want.Sender
	}
	return got == want
}
