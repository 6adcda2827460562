// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/integration/wiretest"
	_ "github.com/weir-pg/weir/internal/audit" // of each upstream that changes hands
	"github.com/weir-pg/weir/internal/testpg"
)

var (
	groups = flag.Int("groups", 500, "about how many groups to make up")
	seed   = flag.Uint64("seed", 1, "seed of the first script; the others follow")

	lasting = flag.Duration("time", 0, "make groups up for so long, instead of -groups")
)

// workers is how many scripts run at a time.
const workers = 2

// TestRandomPipelines sends what is made up at random. Each script is repeated by
// its seed alone.
func TestRandomPipelines(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for i := range workers {
		t.Run(fmt.Sprintf("worker %d", i), func(t *testing.T) {
			t.Parallel()
			g := newGround(t)
			left := (*groups + workers - 1) / workers
			for n := *seed + uint64(i); more(left, began) && !t.Failed(); n += workers {
				s := invent(n)
				left -= s.groups()
				d := s.play(t, g)
				g.empty(t, n)
				for _, defect := range g.log.Take() {
					t.Errorf("after -seed=%d: %s", n, defect)
				}
				if d != nil {
					t.Errorf("-seed=%d -groups=1: %v", n, s.shrink(t, g, d))
				}
			}
		})
	}
}

// more reports whether groups are still to be made up, of which so many are left.
func more(left int, began time.Time) bool {
	if *lasting > 0 {
		return time.Since(began) < *lasting
	}
	return left > 0
}

// empty waits until the clients of a script have gone from weir.
func (g *ground) empty(t *testing.T, seed uint64) {
	t.Helper()
	for until := time.Now().Add(patience); g.gateway.Status().Clients.Total > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("-seed=%d -groups=1: weir still has clients that have left", seed)
		}
	}
}

// up makes the tables anew on both sides. It waits until PostgreSQL has recovered from
// what crashed it: some scripts do, those of another worker among them, without weir
// too, by what they ask for in a failed block.
func (g *ground) up(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := errors.Join(exec(t.Context(), g.direct, tables), exec(t.Context(), g.behind, tables))
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// exec runs SQL on a connection of its own.
func exec(ctx context.Context, url, sql string) error {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}

// dial logs in, again where PostgreSQL has just crashed.
func (g *ground) dial(t *testing.T, url string) peer {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		p, err := dial(url)
		if err == nil {
			return p
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// crashed reports whether a backend crashed: it says nothing, and those of other
// clients say that another one did.
func crashed(answers []string) bool {
	for i, line := range answers {
		if fails(line, "57P02") || line == wiretest.Ended && (i == 0 || !strings.Contains(answers[i-1], `"SeverityUnlocalized":"FATAL"`)) {
			return true
		}
	}
	return false
}

// groups counts a script's groups.
func (s script) groups() (n int) {
	for _, w := range s.writes {
		for _, m := range w.messages {
			switch m.(type) {
			case *pgproto3.Sync, *pgproto3.Query:
				n++
			}
		}
	}
	return n
}

// ground is two databases that are alike, and weir before one of them.
type ground struct {
	direct, behind, through string // URLs
	gateway                 *weir.Gateway
	log                     wiretest.Log
}

func newGround(t testing.TB) *ground {
	t.Helper()
	server := testpg.URL(t)
	g := &ground{direct: testpg.Database(t, server), behind: testpg.Database(t, server)}
	cfg := weir.DefaultConfig()
	cfg.Upstream, cfg.Listen = g.behind, []string{"127.0.0.1:0"}
	cfg.Pool.Min, cfg.Pool.Max, cfg.Pool.MaxPreparedStatements = 0, 4, 5
	cfg.Pool.AcquireTimeout, cfg.Pool.StatementTimeout, cfg.ShutdownPause = patience/2, 0, 0
	gw, err := weir.Open(t.Context(), cfg, weir.WithLogger(slog.New(slog.NewTextHandler(&g.log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := gw.Shutdown(ctx); err != nil {
			t.Errorf("close weir: %v", err)
		}
	})
	g.gateway = gw
	u, err := url.Parse(g.behind)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = gw.Addr().String()
	g.through = u.String() + "&sslmode=disable"
	if u.RawQuery == "" {
		g.through = u.String() + "?sslmode=disable"
	}
	return g
}

const tables = `drop view if exists v; drop table if exists t, made; create table t (id int primary key, name text); create view v as select * from t`

// play runs the script on both sides and returns the first difference, nil where
// there is none.
func (s script) play(t *testing.T, g *ground) *difference {
	t.Helper()
	g.up(t)
	direct, through := g.dial(t, g.direct), g.dial(t, g.through)
	defer direct.leave()
	defer through.leave()
	h := holders{t: t, g: g}
	defer h.leave()
	for i, w := range s.writes {
		if w.hold && direct.Status == 'I' {
			h.turn()
		}
		failed := direct.Status == 'E'
		want := direct.do(w.messages, w.pieces...)
		got := through.do(w.messages, w.pieces...)
		same, ends := alike(got, want, failed)
		ended := slices.Contains(want, wiretest.Ended)
		if crashed(want) || crashed(got) || !same && !ended && crashed(direct.do(nil)) { // it may have crashed after it had answered directly
			t.Log("PostgreSQL has crashed, and what it answered cannot be compared")
			return nil
		}
		if !same {
			return &difference{got, want, script{s.writes[:i+1]}}
		}
		if ended || ends {
			return nil
		}
	}
	return nil
}

// holders are two other clients that hold an upstream each in turn, so that the
// client of a script gets another one than before, and who leave statements there.
type holders struct {
	t     *testing.T
	g     *ground
	hands []peer
	turns int
}

func (h *holders) turn() {
	for len(h.hands) < 2 {
		h.hands = append(h.hands, h.g.dial(h.t, h.g.through))
	}
	taken, freed := h.hands[h.turns%2], h.hands[(h.turns+1)%2]
	h.turns++
	taken.do([]pgproto3.FrontendMessage{
		&pgproto3.Query{String: "begin"}, &pgproto3.Query{String: "select 0"},
		&pgproto3.Parse{Query: "select 'another''s'"}, &pgproto3.Bind{}, &pgproto3.Execute{},
		&pgproto3.Parse{Name: "s0", Query: "select 1"}, &pgproto3.Bind{PreparedStatement: "s0"}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "s0"},
		&pgproto3.Parse{Name: "s0", Query: fmt.Sprintf("select 'another''s %d'", h.turns)}, &pgproto3.Bind{PreparedStatement: "s0"}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Query{String: "execute s0"},
		&pgproto3.Parse{Query: "select 'another''s'"}, &pgproto3.Sync{},
	})
	freed.do([]pgproto3.FrontendMessage{
		&pgproto3.Close{ObjectType: 'S', Name: "s0"}, &pgproto3.Sync{}, &pgproto3.Query{String: "commit"},
		&pgproto3.Parse{Query: "select 'another''s'"}, &pgproto3.Sync{},
	})
}

func (h *holders) leave() {
	for _, p := range h.hands {
		p.leave()
	}
}

// difference is what weir answered otherwise than PostgreSQL.
type difference struct {
	got, want []string
	script    script // up to there
}

func (d *difference) String() string {
	var b strings.Builder
	b.WriteString("the answers differ after\n")
	for _, w := range d.script.writes {
		fmt.Fprintf(&b, " write, cut at %v, on another upstream %t\n", w.pieces, w.hold)
		for _, m := range w.messages {
			fmt.Fprintf(&b, "  %s\n", show(m))
		}
	}
	for i := range max(len(d.got), len(d.want)) {
		if g, w := at(d.got, i), at(d.want, i); g == w {
			fmt.Fprintf(&b, "  both     %s\n", g)
		} else {
			fmt.Fprintf(&b, "  weir     %s\n  directly %s\n", g, w)
		}
	}
	return b.String()
}

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i][:min(len(lines[i]), 300)]
}
