// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/testpg"
)

func TestSignalReachesWhatAClientOfWeirRuns(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	boss := g.connect(t)
	// A first use of each prepared form is for nobody, so that it is there already.
	const prepared = "select pg_cancel_backend($1)"
	if _, err := boss.Exec(bounded(t), prepared, pgx.QueryExecModeCacheStatement, 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		send func(pid uint32) error
	}{
		{"literal", func(pid uint32) error {
			return exec(t, boss, fmt.Sprintf("select pg_cancel_backend(%d)", pid))
		}},
		{"among others", func(pid uint32) error {
			return exec(t, boss, fmt.Sprintf("select 1; select pg_catalog.pg_cancel_backend( '%d' ); select 2", pid))
		}},
		{"literal in the extended protocol", func(pid uint32) error {
			_, err := boss.Exec(bounded(t), fmt.Sprintf("select pg_cancel_backend(%d)", pid), pgx.QueryExecModeExec)
			return err
		}},
		{"literal in a prepared statement", func(pid uint32) error {
			sql := fmt.Sprintf("select pg_cancel_backend(%d)", pid)
			if _, err := boss.Prepare(bounded(t), "named", sql); err != nil {
				return err
			}
			_, err := boss.Exec(bounded(t), "named")
			return err
		}},
		{"parameter in binary", func(pid uint32) error {
			_, err := boss.Exec(bounded(t), prepared, pgx.QueryExecModeCacheStatement, int32(pid))
			return err
		}},
		{"parameter of 8 bytes", func(pid uint32) error {
			_, err := boss.Exec(bounded(t), "select pg_cancel_backend($1::int8::int)", pgx.QueryExecModeCacheStatement, int64(pid))
			return err
		}},
		{"parameter in text", func(pid uint32) error {
			return boss.PgConn().ExecParams(bounded(t), prepared, [][]byte{[]byte(fmt.Sprint(pid))}, nil, nil, nil).Read().Err
		}},
	} {
		r := g.raw(t)
		r.query(t, "select pg_sleep(62)")
		executing(t, g.upstream, "pg_sleep(62)", "1")
		if err := c.send(r.pid); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, want := strings.TrimPrefix(r.transcript(t, 1), "T "), "E(57014) Z(I)"; got != want {
			t.Errorf("%s: the client got %q, want %q", c.name, got, want)
		}
	}
	if got := ask(t, boss, "select 'still here'"); got != "still here" {
		t.Errorf("got %q", got)
	}
	g.balanced(t)
}

func TestTerminateReachesTheTransactionOfAClientOfWeir(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	boss, r := g.connect(t), g.raw(t)
	r.query(t, "begin; select 1")
	r.transcript(t, 1)
	if got := ask(t, boss, fmt.Sprintf("select pg_terminate_backend(%d, 20000)", r.pid)); got != "t" {
		t.Errorf("pg_terminate_backend returned %q", got)
	}
	r.query(t, "select 1")
	if got := r.transcript(t, 1); !strings.HasPrefix(got, "E(") {
		t.Errorf("in the transaction that was ended the client got %q", got)
	}
	g.balanced(t)
}

func TestSignalForAClientThatHoldsNothingReachesNobody(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	boss, idle := g.connect(t), g.raw(t)
	idle.query(t, "select 1")
	idle.transcript(t, 1)
	for _, call := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		if got := ask(t, boss, fmt.Sprintf("select %s(%d)", call, idle.pid)); got != "f" {
			t.Errorf("%s returned %q, want f", call, got)
		}
	}
	idle.query(t, "select 1")
	if got, want := idle.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSignalsNeedPostgreSQLsPermission(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r, boss := g.raw(t), g.connect(t)
	r.query(t, "select pg_sleep(61)")
	executing(t, g.upstream, "pg_sleep(61)", "1")
	for _, call := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		err := exec(t, boss, fmt.Sprintf("set role pg_monitor; select %s(%d)", call, r.pid))
		if code(err) != "42501" {
			t.Errorf("%s without permission: got %v, want 42501", call, err)
		}
	}
	if got := ask(t, open(t, g.upstream).connect(t), fmt.Sprintf("select pg_cancel_backend(%d)", r.pid)); got != "f" {
		t.Errorf("through another weir: got %q, want f", got)
	}
	executing(t, g.upstream, "pg_sleep(61)", "1")
	must(t, boss, fmt.Sprintf("select pg_cancel_backend(%d)", r.pid))
	if got, want := strings.TrimPrefix(r.transcript(t, 1), "T "), "E(57014) Z(I)"; got != want {
		t.Errorf("with permission: got %q, want %q", got, want)
	}
	g.balanced(t)
}

func TestSignalsThatWeirDoesNotSeeAreAnnounced(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	var mu sync.Mutex
	var notices []string
	config, err := pgx.ParseConfig(g.url())
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		mu.Lock()
		defer mu.Unlock()
		notices = append(notices, n.Severity+" "+n.Code)
	}
	conn, err := pgx.ConnectConfig(bounded(t), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(bounded(t))
	for sql, want := range map[string]int{
		"select pg_cancel_backend(n) from (values (1)) v(n) where n > 1":                1,
		"select pg_cancel_backend(pid) from pg_stat_activity where pid < 0":             0,
		"select 'pg_cancel_backend(1)'":                                                 0,
		fmt.Sprintf("prepare p as select pg_cancel_backend(%d); deallocate p", 1<<30+1): 1,
	} {
		notices = nil
		must(t, conn, sql)
		if len(notices) != want || want > 0 && notices[0] != "NOTICE 00000" {
			t.Errorf("%s: notices %q, want %d", sql, notices, want)
		}
	}
}

// TestSignalsNeverHitAnotherClient has signals race with the end of what they
// are for, while clients share two upstreams.
func TestSignalsNeverHitAnotherClient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ call, hit string }{{"pg_cancel_backend", "E(57014)"}, {"pg_terminate_backend", "E("}} {
		t.Run(c.call, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(3))
			target, boss, other := g.raw(t), g.connect(t), g.connect(t)
			var over atomic.Bool
			var wait sync.WaitGroup
			wait.Go(func() {
				for !over.Load() && !t.Failed() {
					must(t, boss, fmt.Sprintf("select %s(%d)", c.call, target.pid))
				}
			})
			var hits atomic.Int64
			wait.Go(func() {
				for !over.Load() && !t.Failed() {
					setDeadline(t, target)
					target.query(t, "select pg_sleep(0.001)")
					got := target.transcript(t, 1)
					if strings.Contains(got, c.hit) {
						hits.Add(1)
					} else if got != "T D C Z(I)" {
						t.Errorf("the target got %q", got)
					}
				}
			})
			answersOf(t, other, 2*time.Second)
			over.Store(true)
			wait.Wait()
			t.Logf("%d signals hit the client that they were for", hits.Load())
			g.balanced(t)
		})
	}
}

// A client that terminates itself by the process id that weir gave it hears that,
// whatever its connection to PostgreSQL was before.
func TestAClientCanTerminateItself(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, g *gateway, r *raw){
		"on a new connection": func(*testing.T, *gateway, *raw) {},
		"on its own":          func(t *testing.T, _ *gateway, r *raw) { r.query(t, "select 1"); r.transcript(t, 1) },
		"on another's":        func(t *testing.T, g *gateway, _ *raw) { must(t, g.connect(t), "set work_mem = '5MB'") },
		"in a block":          func(t *testing.T, _ *gateway, r *raw) { r.query(t, "begin"); r.transcript(t, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(1))
			for _, how := range []string{"simple", "extended"} {
				r := g.raw(t, "work_mem=7MB", "timezone=Asia/Tokyo")
				g.reopen(t)
				prepare(t, g, r)
				sql := fmt.Sprintf("select pg_terminate_backend(%d)", r.pid)
				if how == "simple" {
					r.query(t, sql)
				} else {
					r.send(t, group(sql)...)
				}
				if got := r.transcript(t, 1); !strings.Contains(got, "E(57P01)") {
					t.Errorf("%s: got %q, want 57P01", how, got)
				}
			}
		})
	}
}

// reopen has the pool's next client get a connection that was just opened.
func (g *gateway) reopen(t *testing.T) {
	t.Helper()
	testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	until(t, "no connection to be open", func() bool {
		s := g.Status()
		return s.Upstreams.Idle+s.Upstreams.Active == 0
	})
}
