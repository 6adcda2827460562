// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// served is a weir that runs, with where it is reached.
type served struct {
	*process
	url      string // of a database of the test's own, through weir
	upstream string // of the same, directly
	http     string
}

// serve starts `weir run` before a database of its own.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	return serveWithin(t, 0, args...)
}

// serveWithin is serve with a limit on open files, 0 for that of the test.
func serveWithin(t *testing.T, files int, args ...string) *served {
	t.Helper()
	s := &served{upstream: testpg.Database(t, testpg.URL(t))}
	s.process = startWithin(t, files, []string{"DATABASE_URL=" + s.upstream},
		append([]string{"run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "text", "--shutdown-pause", "0"}, args...)...)
	u, err := url.Parse(s.upstream)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = s.wait(t, `listening for clients" address=(\S+)`)
	s.url = u.String()
	s.http = s.wait(t, `serving HTTP" url=(\S+)`)
	return s
}

// connect logs a client in.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return conn
}

// query runs SQL and returns the error.
func query(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// page returns the status of an HTTP page, 0 where nobody answers.
func page(url string) (status int, body string) {
	response, err := http.Get(url)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body) // half a page is a short one
	return response.StatusCode, string(text)
}

// deserted waits until nobody uses the test's database.
func deserted(t *testing.T, upstream string) {
	t.Helper()
	until(t, "nothing of weir's to be left in pg_stat_activity", func() bool {
		rows := testpg.Exec(t, upstream, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
		return rows[0][0] == "0"
	})
}

func TestASignalLetsTransactionsFinish(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			if code, _ := page(s.http + "/healthz"); code != http.StatusOK {
				t.Errorf("/healthz: %d", code)
			}
			conn := connect(t, s.url)
			for _, sql := range []string{"create table rows (n int)", "begin", "insert into rows values (1)"} {
				if err := query(t, conn, sql); err != nil {
					t.Fatal(err)
				}
			}
			s.signal(t, signal)
			until(t, "/readyz to fail", func() bool {
				code, body := page(s.http + "/readyz")
				return code == http.StatusServiceUnavailable && strings.Contains(body, "shutting down")
			})
			if err := query(t, conn, "commit"); err != nil {
				t.Errorf("commit after the signal: %v", err)
			}
			if got := s.status(t); got != 0 {
				t.Errorf("exit status %d, want 0", got)
			}
			deserted(t, s.upstream)
			if n := testpg.Exec(t, s.upstream, "select count(*) from rows")[0][0]; n != "1" {
				t.Errorf("%s rows were committed, want 1", n)
			}
		})
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, "--shutdown-timeout", "1h") // the first signal alone would take longer than the test waits
	conn := connect(t, s.url)
	if err := query(t, conn, "begin"); err != nil {
		t.Fatal(err)
	}
	busy := connect(t, s.url)
	ended := make(chan error, 1)
	go func() { ended <- query(t, busy, "select pg_sleep(300)") }()
	until(t, "the query to run", func() bool {
		return testpg.Exec(t, s.upstream, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()")[0][0] == "1"
	})
	s.signal(t, syscall.SIGTERM)
	s.wait(t, "stopping: transactions")
	s.signal(t, syscall.SIGTERM)
	if got := s.status(t); got != exitFailure {
		t.Errorf("exit status %d, want %d, because clients were cut", got, exitFailure)
	}
	if err := <-ended; err == nil {
		t.Error("a query that was cut reported success")
	}
	deserted(t, s.upstream)
}

func TestShutdownTimeoutCuts(t *testing.T) {
	t.Parallel()
	s := serve(t, "--shutdown-timeout", "300ms")
	conn := connect(t, s.url)
	if err := query(t, conn, "begin"); err != nil {
		t.Fatal(err)
	}
	s.signal(t, syscall.SIGTERM)
	if got := s.status(t); got != exitFailure {
		t.Errorf("exit status %d, want %d", got, exitFailure)
	}
	if !strings.Contains(s.output.String(), "1 clients were still connected") {
		t.Error("how many clients were cut is not said")
	}
	deserted(t, s.upstream)
}

// TestDevLeavesNothingBehind runs weir with a PostgreSQL of its own.
func TestDevLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	testpg.URL(t) // skips where there is no PostgreSQL
	p := start(t, nil, "dev", "--listen", freeAddress(t), "--http", "off")
	through := p.wait(t, `through weir\s+(\S+)`)
	direct := p.wait(t, `directly\s+(\S+)`)
	folder := p.wait(t, `data\s+(/\S+)`)
	for _, dsn := range []string{through, direct} {
		if err := query(t, connect(t, dsn), "select 1"); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	p.signal(t, syscall.SIGINT)
	if got := p.status(t); got != 0 {
		t.Errorf("exit status %d, want 0", got)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the data in %s are still there: %v", folder, err)
	}
}
