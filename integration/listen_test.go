// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/lib/pq"

	"github.com/weir-pg/weir/internal/testpg"
)

// What drivers hear of notifications is the same through weir, on a pool of two
// that others use as well.
func TestListenersHearTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	strangers(t, w.url)
	for name, listen := range map[string]func(*testing.T, string) string{
		"pgx":           listenPgx,
		"pq":            listenPq,
		"psql":          listenPsql,
		"node-postgres": listenNode,
	} {
		t.Run(name, func(t *testing.T) {
			want := listen(t, g.url)
			sameLines(t, listen(t, w.url), want)
		})
	}
}

// listenPgx has one connection hear another and itself, by WaitForNotification.
func listenPgx(t *testing.T, url string) string {
	t.Helper()
	ctx := within(t)
	n := &notes{}
	for _, mode := range pgxModes {
		one, err := connectPgx(ctx, url, mode)
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close(ctx)
		other, err := connectPgx(ctx, url, mode)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close(ctx)
		for i, sql := range []string{`listen "Chan nel"`, "begin", "listen gone", "rollback", "begin", "listen kept", "commit", "notify gone, 'lost'"} {
			tag, err := one.Exec(ctx, sql)
			n.add("exec", i, tag, err)
		}
		for _, c := range []*pgx.Conn{other, one} {
			_, err = c.Exec(ctx, "select pg_notify($1, $2)", "Chan nel", "héllo")
			n.add("notify", err)
			n.hear(ctx, one, other)
			_, err = c.Exec(ctx, "notify kept")
			n.add("notify", err)
			n.hear(ctx, one, other)
		}
		_, err = one.Exec(ctx, "unlisten *")
		n.add("unlisten", err)
	}
	return n.String()
}

// hear waits for a notification and notes whose it is.
func (n *notes) hear(ctx context.Context, one, other *pgx.Conn) {
	got, err := one.WaitForNotification(ctx)
	if err != nil {
		n.add("wait", err)
		return
	}
	n.add("heard", got.Channel, got.Payload, got.PID == one.PgConn().PID(), got.PID == other.PgConn().PID())
}

// listenPq uses lib/pq's Listener, which LISTENs on a connection of its own.
func listenPq(t *testing.T, url string) string {
	t.Helper()
	ctx := within(t)
	n := &notes{}
	l := pq.NewListener(url, time.Second, time.Second, func(event pq.ListenerEventType, err error) {
		if err != nil {
			t.Errorf("event %d: %v", event, err)
		}
	})
	defer l.Close()
	n.add("listen", l.Listen("a"), l.Listen("b c"), l.Listen("a"), l.Unlisten("a"), l.Ping())
	teller, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer teller.Close(ctx)
	for i := range 3 {
		if _, err := teller.Exec(ctx, fmt.Sprintf(`notify a, '%d'; notify "b c", '%d'`, i, i)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-l.Notify:
			n.add("heard", got.Channel, got.Extra)
		case <-ctx.Done():
			t.Fatal("nothing heard")
		}
	}
	n.add("ping", l.Ping(), l.UnlistenAll())
	return n.String()
}

// listenPsql shows what libpq hears: psql prints it after each command.
func listenPsql(t *testing.T, url string) string {
	t.Helper()
	const script = `
listen a;
notify a, 'own';
begin; notify a, 'in a transaction'; select 1; commit;
begin; listen b; notify b, 'with its listen'; commit;
begin; unlisten a; rollback;
notify a, 'still';
create table changes (n int);
create function tell() returns trigger language plpgsql as $$ begin perform pg_notify('a', 'changed'); return null; end $$;
create trigger tell after insert on changes execute function tell();
insert into changes values (1);
unlisten *;
notify a, 'nobody';
drop table changes;
drop function tell;
`
	out, err := output(within(t), script, nil, testpg.Program(t, "psql"), "-X", url)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`PID \d+`).ReplaceAllString(out, "PID n")
}

func listenNode(t *testing.T, url string) string {
	t.Helper()
	out, err := node(within(t), t, url, "listen")
	if err != nil {
		t.Fatal(err)
	}
	return out
}
