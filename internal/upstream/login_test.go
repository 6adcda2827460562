// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

func TestLoginIsIdleAndTellsWhatItKnows(t *testing.T) {
	t.Parallel()
	dsn := testpg.URL(t)
	got := login(t, dsn, nil)
	if pid := ask(t, got.Stream, "select pg_backend_pid()"); pid != strconv.Itoa(int(got.PID)) {
		t.Errorf("PID = %d, want %s", got.PID, pid)
	}
	if len(got.Key) < 4 {
		t.Errorf("key of %d bytes, want at least 4", len(got.Key))
	}
	if got.Params["server_version"] == "" || got.Params["application_name"] != "weir" {
		t.Errorf("parameters = %v", got.Params)
	}
	if got.Address != target(t, dsn).Address() {
		t.Errorf("address = %s, want %s", got.Address, target(t, dsn).Address())
	}
	if got.Stream != net.Conn(got.Conn) {
		t.Error("without TLS the stream is not the transport itself")
	}
}

// slow is a connection whose first writes come back late, as on a machine that
// stalls.
type slow struct {
	net.Conn
	writes int
}

func (s *slow) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if s.writes++; s.writes <= 4 { // a login with SCRAM, and one more
		time.Sleep(100 * time.Millisecond) // pgconn begins to read after 15
	}
	return n, err
}

func TestLoginOverSlowWritesIsIdle(t *testing.T) {
	t.Parallel()
	for value, sql := range map[string]string{
		"false":    "select 'x'",
		"true":     "SHOW application_name", // physical replication knows this, though no SQL
		"database": "select 'x'",
	} {
		config, err := pgconn.ParseConfig(testpg.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams = map[string]string{"replication": value, "application_name": "x"}
		config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return &upstream.Swap{Conn: &slow{Conn: conn}}, err
		}
		conn, err := pgconn.ConnectConfig(within(t), config)
		if err != nil {
			t.Fatal(err)
		}
		got, err := upstream.Take(within(t), conn)
		if err != nil {
			t.Errorf("replication=%s: %v", value, err)
			continue
		}
		t.Cleanup(func() { got.Stream.Close() })
		if answer := ask(t, got.Stream, sql); answer != "x" {
			t.Errorf("replication=%s: %s answers %q", value, sql, answer)
		}
	}
}

func TestStartupParameters(t *testing.T) {
	t.Parallel()
	dsn := testpg.URL(t)
	for _, test := range []struct {
		name   string
		pairs  []string
		params map[string]string
		sql    string
		want   string
	}{
		{"the URL names the application", []string{"application_name", "shop"}, nil, "show application_name", "shop"},
		{"the URL has a fallback name", []string{"fallback_application_name", "shop"}, nil, "show application_name", "shop"},
		{"the URL sets options", []string{"options", "-c work_mem=5MB"}, nil, "show work_mem", "5MB"},
		{"the URL sets search_path", []string{"search_path", "shop"}, nil, "show search_path", "shop"},
		{"the caller sets one", nil, map[string]string{"statement_timeout": "1500"}, "show statement_timeout", "1500ms"},
		{"RESET keeps it", nil, map[string]string{"statement_timeout": "1500"}, "reset all; show statement_timeout", "1500ms"},
		{"the caller wins", []string{"search_path", "a"}, map[string]string{"search_path": "b"}, "show search_path", "b"},
		{"libpq's own keys stay here", []string{"gssencmode", "disable", "keepalives_idle", "20", "load_balance_hosts", "random"}, nil, "select 1", "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, login(t, edit(t, dsn, test.pairs...), test.params).Stream, test.sql); got != test.want {
				t.Errorf("%s = %q, want %q", test.sql, got, test.want)
			}
		})
	}
}

func TestUnknownSettingIsNamed(t *testing.T) {
	t.Parallel()
	err := refused(t, edit(t, testpg.URL(t), "serch_path", "shop"))
	wantFailure(t, err, upstream.Rejected, sqlstate.UndefinedObject, "serch_path")
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = ""
	got := login(t, edit(t, u.String(), "host", server.SocketDir(), "port", strconv.Itoa(server.Port())), nil)
	if network := got.Stream.RemoteAddr().Network(); network != "unix" {
		t.Errorf("network = %s, want unix", network)
	}
	if want := filepath.Join(server.SocketDir(), ".s.PGSQL."+strconv.Itoa(server.Port())); got.Address != want {
		t.Errorf("address = %s, want %s", got.Address, want)
	}
	cancels(t, got)
}

func TestPasswordFileLogsIn(t *testing.T) {
	t.Parallel()
	dsn := testpg.URL(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	file := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(file, []byte("127.0.0.1:*:*:postgres:"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.User = url.User("postgres")
	login(t, edit(t, u.String(), "passfile", file), nil)
}

// hosts returns dsn with hosts before its own.
func hosts(t *testing.T, dsn string, first ...string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = strings.Join(append(first, u.Host), ",")
	// net/url takes one host only.
	return strings.Replace(u.String(), url.PathEscape(u.Host), u.Host, 1)
}

func TestSecondHostWhenTheFirst(t *testing.T) {
	t.Parallel()
	dsn := testpg.URL(t)
	own := target(t, dsn).Address()

	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		if got := login(t, hosts(t, dsn, testpg.Nobody(t)), nil); got.Address != own {
			t.Errorf("address = %s, want %s", got.Address, own)
		}
	})
	t.Run("never answers", func(t *testing.T) {
		t.Parallel()
		mute := fake(t, untilClosed)
		got, err := target(t, hosts(t, dsn, mute)).Login(within(t), nil)
		if err != nil {
			t.Fatalf("the mute host used up the time of both: %v", err)
		}
		got.Stream.Close()
	})
	t.Run("is starting up", func(t *testing.T) {
		t.Parallel()
		starting := fake(t, func(conn net.Conn) { startup(conn, fatal("57P03", "the database system is starting up")) })
		login(t, hosts(t, dsn, starting), nil)
	})
	t.Run("is shuffled behind it", func(t *testing.T) {
		t.Parallel()
		list := edit(t, hosts(t, dsn, testpg.Nobody(t), testpg.Nobody(t)), "load_balance_hosts", "random")
		list = strings.ReplaceAll(list, "%2C", ",")
		for range 5 {
			login(t, list, nil)
		}
	})
}

// RDS Proxy sends no BackendKeyData.
func TestServerWithoutKey(t *testing.T) {
	t.Parallel()
	address := fake(t, func(conn net.Conn) {
		startup(conn, &pgproto3.AuthenticationOk{}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
		untilClosed(conn)
	})
	got := login(t, "postgres://bob:p@"+address+"/shop?sslmode=disable", nil)
	if got.PID != 0 || got.Key != nil {
		t.Errorf("PID %d, key %x, want none", got.PID, got.Key)
	}
	if err := got.Cancel(within(t)); err != nil {
		t.Errorf("cancel without a key: %v", err)
	}
}

// What arrives after ReadyForQuery in the same packet must not stay behind in
// pgconn's buffer: the next reader would be out of step.
func TestNothingIsLeftInTheBuffer(t *testing.T) {
	t.Parallel()
	address := fake(t, func(conn net.Conn) {
		startup(conn, &pgproto3.AuthenticationOk{}, &pgproto3.ReadyForQuery{TxStatus: 'I'},
			&pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"})
		back := pgproto3.NewBackend(conn, conn)
		for {
			if _, err := back.Receive(); err != nil {
				return
			}
			back.Send(&pgproto3.EmptyQueryResponse{})
			back.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			if back.Flush() != nil {
				return
			}
		}
	})
	got := login(t, "postgres://bob:p@"+address+"/shop?sslmode=disable", nil)
	if got.Params["TimeZone"] != "UTC" {
		t.Errorf("parameters = %v, want the late TimeZone too", got.Params)
	}
}

func TestLoginEndsWithItsContext(t *testing.T) {
	t.Parallel()
	address := fake(t, untilClosed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := target(t, "postgres://bob:p@"+address+"/shop?sslmode=disable").Login(ctx, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
