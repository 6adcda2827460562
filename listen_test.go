// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// news reads until a notification comes and returns it as "channel payload".
func (r *raw) news(t testing.TB) string {
	t.Helper()
	r.renew()
	for {
		m, err := r.front.Receive()
		if err != nil {
			t.Fatalf("the connection ended without a notification: %v", err)
		}
		if n, ok := m.(*pgproto3.NotificationResponse); ok {
			return n.Channel + " " + n.Payload
		}
	}
}

// heard returns what comes up to the n-th ReadyForQuery, notifications as
// "A(channel payload)".
func (r *raw) heard(t testing.TB, n int) string {
	t.Helper()
	r.renew()
	var words []string
	for n > 0 {
		m, err := r.front.Receive()
		if err != nil {
			return strings.Join(append(words, ending(t, err)), " ")
		}
		switch m := m.(type) {
		case *pgproto3.NotificationResponse:
			words = append(words, "A("+m.Channel+" "+m.Payload+")")
		case *pgproto3.ReadyForQuery:
			n--
			words = append(words, word(m))
		default:
			if w := word(m); w != "" {
				words = append(words, w)
			}
		}
	}
	return strings.Join(words, " ")
}

// listeningBackends counts the connections with which the gateway listens.
func listeningBackends(t testing.TB, upstream string) int {
	t.Helper()
	n, err := strconv.Atoi(testpg.Exec(t, upstream, "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'weir listen'")[0][0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// direct connects to PostgreSQL without weir.
func direct(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(bounded(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return conn
}

// rawDirect is direct for a client that speaks message by message.
func rawDirect(t testing.TB, url string) *raw {
	t.Helper()
	conn, err := pgconn.Connect(bounded(t), url)
	if err != nil {
		t.Fatal(err)
	}
	return hijack(t, conn)
}

// What a client hears through weir, on a pool that others use too, is what it
// hears from PostgreSQL itself, in the same order.
func TestClientsHearWhatPostgreSQLTellsThem(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(2))
	teller := direct(t, url)
	for name, c := range map[string]struct {
		script []string // by the listening client
		told   string   // by another, afterwards
		want   string   // the last notification is always "end"
	}{
		"listen":                      {[]string{"listen a"}, "notify a, '1'", "a 1"},
		"upper case":                  {[]string{`listen "A b"`}, `notify a; notify "A b", '1'`, "A b 1"},
		"folded":                      {[]string{`listen A`}, `notify a, '1'`, "a 1"},
		"rolled back":                 {[]string{"begin", "listen a", "rollback"}, "notify a", ""},
		"committed":                   {[]string{"begin", "listen a", "commit"}, "notify a", "a "},
		"to a savepoint":              {[]string{"begin", "listen a", "savepoint s", "listen b", "rollback to s", "commit"}, "notify a; notify b", "a "},
		"failed":                      {[]string{"begin", "listen a", "select 1/0", "commit"}, "notify a", ""},
		"one query":                   {[]string{"listen a; select 1/0"}, "notify a", ""},
		"two in a query":              {[]string{"listen a; listen b"}, "notify a; notify b", "a  b "},
		"unlisten":                    {[]string{"listen a", "listen b", "unlisten a"}, "notify a; notify b", "b "},
		"unlisten all":                {[]string{"listen a", "listen b", "unlisten *"}, "notify a; notify b", ""},
		"unlisten rolled back":        {[]string{"listen a", "begin", "unlisten a", "rollback"}, "notify a", "a "},
		"unlisten to a savepoint":     {[]string{"listen a", "begin", "savepoint s", "unlisten a", "rollback to s", "commit"}, "notify a", "a "},
		"unlisten after a savepoint":  {[]string{"listen a", "listen b", "begin", "unlisten a", "savepoint s", "unlisten b", "rollback to s", "commit"}, "notify a; notify b", "b "},
		"unlisten and release":        {[]string{"listen a", "begin", "unlisten *; savepoint s", "savepoint r", "release s", "commit"}, "notify a", ""},
		"unlisten failed":             {[]string{"listen a", "begin", "unlisten a", "select 1/0", "commit"}, "notify a", "a "},
		"unlisten in a failed query":  {[]string{"listen a", "unlisten a; select 1/0"}, "notify a", "a "},
		"unlisten before a failure":   {[]string{"listen a", "begin; unlisten a; commit; select 1/0"}, "notify a", ""},
		"unlisten and listen":         {[]string{"listen a", "begin", "unlisten *", "listen a", "commit"}, "notify a", "a "},
		"listen and unlisten":         {[]string{"begin", "listen a", "unlisten a", "commit"}, "notify a", ""},
		"unlisten after an error":     {[]string{"create temp table t()", "listen a", "select 1/0", "unlisten *"}, "notify a", ""},
		"twice":                       {[]string{"listen a", "listen a"}, "notify a", "a "},
		"discard all":                 {[]string{"listen a", "discard all"}, "notify a", ""},
		"own, with the LISTEN":        {[]string{"begin", "listen a", "notify a, 'own'", "commit"}, "notify a", "a own"},
		"own, in one query":           {[]string{"listen a; notify a, 'own'"}, "notify a", "a own"},
		"own":                         {[]string{"listen a", "notify a, 'own'"}, "notify a", "a own"},
		"pinned":                      {[]string{"create temp table t()", "listen a"}, "notify a", "a "},
		"with a setting":              {[]string{"set work_mem = '7MB'; listen a"}, "notify a", "a "},
		"other statements in between": {[]string{"listen a", "begin", "select 1", "commit", "select 2"}, "notify a", "a "},
	} {
		t.Run(name, func(t *testing.T) {
			play := func(where string, listener *raw) string {
				var heard []string
				for _, sql := range append(c.script, "listen last_one") {
					listener.query(t, sql)
					heard = append(heard, listener.heard(t, 1))
				}
				must(t, teller, c.told)
				must(t, teller, "notify last_one, 'end'")
				var news []string
				for n := listener.news(t); n != "last_one end"; n = listener.news(t) {
					news = append(news, n)
				}
				t.Logf("%s: %q %q", where, heard, news)
				if err := listener.Close(); err != nil {
					t.Error(err)
				}
				return strings.Join(heard, " ") + " " + strings.Join(news, " ")
			}
			want := play("PostgreSQL", rawDirect(t, url))
			got := play("weir", g.raw(t))
			if got != want {
				t.Errorf("weir says\n%s, PostgreSQL\n%s", got, want)
			}
			if !strings.Contains(strings.NewReplacer("A(", "", ")", "").Replace(want), c.want) {
				t.Errorf("PostgreSQL says %s, the test expects %s", want, c.want)
			}
		})
	}
}

// Two thousand clients listen, and PostgreSQL has one connection that does.
func TestThousandsListenOnOneConnection(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs thousands of sockets")
	}
	url := database(t)
	g := open(t, url, poolOf(4), func(c *weir.Config) { c.MaxClients = 4000 })
	const listeners = 2000
	list := make([]*raw, listeners)
	began := time.Now()
	for i := range list {
		list[i] = g.raw(t)
	}
	t.Logf("logins took %v", time.Since(began))
	for i := range list {
		setDeadline(t, list[i])
		list[i].query(t, fmt.Sprintf("listen all_of_them; listen some_%d", i%7))
	}
	for i, r := range list {
		if got := r.transcript(t, 1); got != "C C Z(I)" {
			t.Fatalf("listener %d: %s", i, got)
		}
	}
	t.Logf("and with the LISTENs %v", time.Since(began))
	if n := listeningBackends(t, url); n != 1 {
		t.Errorf("%d connections listen, want 1", n)
	}
	g.balanced(t)
	teller := g.connect(t)
	payload := strings.Repeat("x", 7999)
	must(t, teller, "notify some_3, 'few'")
	must(t, teller, "notify all_of_them, '"+payload+"'")
	for i, r := range list {
		got := r.news(t)
		if i%7 == 3 {
			if got != "some_3 few" {
				t.Fatalf("listener %d heard %.40q first", i, got)
			}
			got = r.news(t)
		}
		if got != "all_of_them "+payload {
			t.Fatalf("listener %d heard %.40q", i, got)
		}
	}
	t.Logf("all heard after %v", time.Since(began))
	if p := g.Status().Pools[0]; p.Listeners != listeners || p.Channels != 8 || p.Listening != 1 {
		t.Errorf("the status says %d listeners, %d channels, %d connections", p.Listeners, p.Channels, p.Listening)
	}
}

func TestListenByTheExtendedProtocol(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(1))
	one, other := g.raw(t), g.connect(t)
	one.send(t, group("listen a")...)
	if got := one.transcript(t, 1); got != "1 2 C Z(I)" {
		t.Fatalf("LISTEN: %s", got)
	}
	must(t, other, "notify a, 'one'")
	if got := one.news(t); got != "a one" {
		t.Fatalf("heard %q", got)
	}
	one.send(t, &pgproto3.Parse{Name: "l", Query: "listen b"}, &pgproto3.Parse{Name: "u", Query: "unlisten b"}, &pgproto3.Sync{})
	one.transcript(t, 1)
	for _, want := range []string{"b 2", "last 2"} {
		name := map[string]string{"b 2": "l", "last 2": "u"}[want]
		one.send(t, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}, &pgproto3.Sync{})
		if got := one.transcript(t, 1); got != "2 C Z(I)" {
			t.Fatalf("%s: %s", name, got)
		}
		one.query(t, "listen last")
		one.transcript(t, 1)
		must(t, other, "notify b, '2'")
		must(t, other, "notify last, '2'")
		if got := one.news(t); got != want {
			t.Errorf("after %s heard %q, want %q", name, got, want)
		}
		if want == "b 2" {
			one.news(t)
		}
	}
}

// What was committed before a client's UNLISTEN, it is still given.
func TestUnlistenMissesNothing(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	one, other := g.raw(t), g.connect(t)
	one.send(t, &pgproto3.Parse{Name: "u", Query: "unlisten a"}, &pgproto3.Sync{})
	one.transcript(t, 1)
	for _, end := range []struct {
		what string
		send []pgproto3.FrontendMessage
		want string
	}{
		{"a query", []pgproto3.FrontendMessage{&pgproto3.Query{String: "unlisten a"}}, "A(a x) C Z(I)"},
		{"the extended protocol", group("unlisten *"), "A(a x) 1 2 C Z(I)"},
		{"a prepared statement", []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "u"}, &pgproto3.Execute{}, &pgproto3.Sync{}}, "A(a x) 2 C Z(I)"},
		{"DISCARD ALL", []pgproto3.FrontendMessage{&pgproto3.Query{String: "discard all"}}, "A(a x) C Z(I)"},
	} {
		for i := range 30 {
			one.query(t, "listen a")
			one.transcript(t, 1)
			must(t, other, "notify a, 'x'")
			one.send(t, end.send...)
			if got := one.heard(t, 1); got != end.want {
				t.Fatalf("%s, the %d. time: got %q, want %q", end.what, i+1, got, end.want)
			}
		}
	}
	must(t, other, "notify a, 'late'")
	one.query(t, "select 1")
	if got := one.heard(t, 1); got != "T D C Z(I)" {
		t.Errorf("after all of it: %q", got)
	}
}

// Nothing comes inside a transaction; what came meanwhile comes at its end.
func TestNothingIsDeliveredInsideATransaction(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	one, other := g.raw(t), g.connect(t)
	one.query(t, "listen a")
	one.query(t, "begin")
	one.transcript(t, 2)
	must(t, other, "notify a, '1'")
	fence := g.raw(t)
	fence.query(t, "listen a")
	fence.transcript(t, 1) // by now the hub has had it
	one.query(t, "select 1")
	if got := one.heard(t, 1); got != "T D C Z(T)" {
		t.Errorf("inside: %s", got)
	}
	one.query(t, "commit")
	if got := one.heard(t, 1); got != "C A(a 1) Z(I)" {
		t.Errorf("at the end: %s", got)
	}
}

// Drivers pass over what they sent themselves by comparing process ids.
func TestTheSenderIsKnownByItsOwnID(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(2))
	one, other, stranger := g.raw(t), g.raw(t), direct(t, url)
	one.query(t, "listen a")
	one.transcript(t, 1)
	must(t, stranger, "create table t(n int); create function f() returns trigger language plpgsql as $$begin perform pg_notify('a', ''); return null; end$$; create trigger g after insert on t execute function f()")
	sender := func() uint32 {
		for {
			m, err := one.front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if n, ok := m.(*pgproto3.NotificationResponse); ok {
				return n.PID
			}
		}
	}
	for range 20 {
		one.query(t, "notify a")
		if got := sender(); got != one.pid {
			t.Errorf("its own comes from %d, want %d", got, one.pid)
		}
		one.query(t, "insert into t values (1)")
		if got := sender(); got != one.pid {
			t.Errorf("its own by a trigger comes from %d, want %d", got, one.pid)
		}
		other.query(t, "select pg_notify('a', 'x')")
		other.transcript(t, 1)
		if got := sender(); got != other.pid {
			t.Errorf("another client's comes from %d, want %d", got, other.pid)
		}
		other.query(t, "insert into t values (1)")
		other.transcript(t, 1)
		if got := sender(); got == one.pid {
			t.Error("another client's by a trigger looks like its own")
		}
	}
	must(t, stranger, "notify a")
	if got := sender(); got != stranger.PgConn().PID() {
		t.Errorf("a stranger's comes from %d, want %d", got, stranger.PgConn().PID())
	}
}

func TestALostListeningConnectionIsMadeAgain(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(2))
	one, stranger := g.raw(t), direct(t, url)
	one.query(t, `listen a; listen "B"`)
	one.transcript(t, 1)
	must(t, stranger, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'weir listen' and datname = current_database()")
	until(t, "it to listen again", func() bool {
		return strings.Count(g.log.String(), "one connection listens for the clients") == 2
	})
	fence := g.raw(t)
	fence.query(t, "listen a")
	fence.transcript(t, 1)
	must(t, stranger, `notify "B", '1'`)
	must(t, stranger, "notify a, '2'")
	if got := one.news(t) + ", " + one.news(t); got != "B 1, a 2" {
		t.Errorf("afterwards it hears %q", got)
	}
	if !strings.Contains(g.log.String(), "is lost until there is one") {
		t.Error("the log does not say that notifications were lost")
	}
}

// The listening connection needs a place where the pool has them all.
func TestListeningTakesAPlaceOfTheBudget(t *testing.T) {
	t.Parallel()
	url := testpg.Role(t, database(t), "connection limit 2")
	g := open(t, url, poolOf(2))
	one, two := g.connect(t), g.connect(t)
	must(t, one, "begin")
	must(t, two, "select 1")
	must(t, one, "commit") // two are open and idle
	must(t, two, "listen a")
	for _, b := range g.Status().Budgets {
		if b.Limit == 2 && b.InUse > 2 {
			t.Errorf("%d connections of the role, which may have 2", b.InUse)
		}
	}
	must(t, one, "notify a, 'x'")
	n, err := two.WaitForNotification(bounded(t))
	if err != nil || n.Payload != "x" {
		t.Errorf("got %v, %v", n, err)
	}
}

func TestASlowListenerIsDisconnected(t *testing.T) {
	t.Parallel()
	url := testpg.Database(t, testpg.URL(t))
	g := open(t, url, poolOf(2), func(c *weir.Config) { c.Pool.MaxNotificationBytes = 64 << 10 })
	busy, slow, teller := g.raw(t), g.raw(t), direct(t, url)
	busy.query(t, "listen a")
	busy.query(t, "begin")
	busy.transcript(t, 2)
	slow.query(t, "listen a")
	slow.transcript(t, 1)
	for i := 0; strings.Count(g.log.String(), "did not read its notifications") < 2; i++ {
		must(t, teller, fmt.Sprintf("select pg_notify('a', %d || repeat('x', 7000)) from generate_series(%d, %d) n", i, i, i))
		if i > 20000 {
			t.Fatal("it is still connected")
		}
	}
	if got := busy.failure(t); got.Code != "53400" {
		t.Errorf("the busy client is told %+v", got)
	}
	until(t, "both to be gone", func() bool { return g.Status().Clients.Total == 0 })
	until(t, "the channels to be left", func() bool { return g.Status().Pools[0].Listeners == 0 })
}

// While one client notifies without a pause, others begin to listen. From the
// commit of its LISTEN on each hears every notification, once and in order.
func TestNothingIsLostNorTwiceWhereListeningBegins(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(3))
	teller := direct(t, url)
	must(t, teller, "create table started(n int)")
	var told atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1; ; n++ {
			told.Store(int64(n))
			if err := exec(t, teller, fmt.Sprintf("notify a, '%d'", n)); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			r := g.raw(t)
			script := [][]string{{"listen a"}, {"begin; listen a; commit"}, {"begin", "listen a", "select 1", "commit"}}[i%3]
			for round := range 6 {
				if round > 0 {
					r.query(t, "unlisten a")
					r.heard(t, 1)
				}
				heard := ""
				for _, sql := range script {
					r.query(t, sql)
					heard += r.heard(t, 1)
				}
				by := int(told.Load()) // what is told from here on must be heard
				last := 0
				for _, m := range regexp.MustCompile(`A\(a (\d+)\)`).FindAllStringSubmatch(heard, -1) {
					last = follow(t, last, m[1])
				}
				for range 50 {
					next := strings.TrimPrefix(r.news(t), "a ")
					if n, _ := strconv.Atoi(next); last == 0 && n > by+1 {
						t.Errorf("the first heard is %d, and no more than %d had been told", n, by)
					}
					last = follow(t, last, next)
				}
			}
		})
	}
	wait.Wait()
	close(stop)
	<-stopped
	g.balanced(t)
}

// follow checks that a number comes after the last one, 0 where it is the first.
func follow(t testing.TB, last int, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || last != 0 && n != last+1 {
		t.Errorf("%q follows %d", text, last)
	}
	return n
}

// A client that cannot be served by the shared connection hears all the same.
func TestAnotherEncodingKeepsItsConnection(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	one, other := g.raw(t, "client_encoding=latin1"), g.connect(t)
	one.query(t, "listen a")
	if got := one.transcript(t, 1); got != "C Z(I)" {
		t.Fatal(got)
	}
	must(t, other, "notify a, 'é'")
	if got := one.news(t); got != "a \xe9" {
		t.Errorf("heard %q", got)
	}
}

func TestListenWithoutAPlaceIsRefused(t *testing.T) {
	t.Parallel()
	url := testpg.Role(t, database(t), "connection limit 1")
	g := open(t, url, poolOf(1), func(c *weir.Config) { c.Pool.AcquireTimeout = 3 * time.Second })
	one := g.raw(t)
	one.query(t, "begin")
	one.query(t, "select 1")
	one.query(t, "listen a")
	if got := one.transcript(t, 3); got != "C Z(T) T D C Z(T) E(53300) Z(E)" {
		t.Errorf("in a transaction: %s", got)
	}
	one.send(t, &pgproto3.Query{String: "rollback"})
	one.transcript(t, 1)
	one.query(t, "begin")
	one.query(t, "select 1")
	one.transcript(t, 2)
	one.send(t, group("listen a")...)
	if got := one.transcript(t, 1); got != "1 E(53300) Z(E)" {
		t.Errorf("in the extended protocol: %s", got)
	}
	one.query(t, "rollback")
	one.query(t, "select 1")
	if got := one.transcript(t, 2); got != "C Z(I) T D C Z(I)" {
		t.Errorf("afterwards: %s", got)
	}
}

// What makes a connection listen behind weir's back reaches nobody else.
func TestAHiddenListenReachesNobodyElse(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(1))
	one, other, teller := g.raw(t), g.raw(t), direct(t, url)
	must(t, teller, "create function hide() returns void language plpgsql as $$begin execute 'listen a'; end$$")
	one.query(t, "select hide()")
	one.transcript(t, 1)
	other.query(t, "begin; select 1")
	other.transcript(t, 1)
	must(t, teller, "notify a, 'stray'")
	for range 3 {
		other.query(t, "commit; select 2")
		if got := other.heard(t, 1); strings.Contains(got, "A(") {
			t.Errorf("another client got %s", got)
		}
	}
}

func TestSessionModeListensItself(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(3), func(c *weir.Config) { c.Pool.Mode = config.Session })
	one, other := g.raw(t), g.connect(t)
	one.query(t, "listen a; notify a, 'own'")
	if got := one.heard(t, 1); got != "C C A(a own) Z(I)" {
		t.Errorf("its own: %s", got)
	}
	must(t, other, "notify a, 'x'")
	if got := one.news(t); got != "a x" {
		t.Errorf("heard %q", got)
	}
	if n := listeningBackends(t, url); n != 0 {
		t.Errorf("%d shared connections listen", n)
	}
}

// A DO block may listen: then its client is pinned, and hears by its connection.
func TestAListenInABlockOfCodeIsHeard(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(2))
	one, teller := g.raw(t), direct(t, url)
	one.query(t, "listen b")
	one.query(t, "do $$begin execute 'listen a'; end$$")
	one.transcript(t, 2)
	must(t, teller, "notify a, '1'")
	must(t, teller, "notify b, '2'")
	heard := one.news(t) + ", " + one.news(t)
	if heard != "a 1, b 2" && heard != "b 2, a 1" {
		t.Errorf("heard %s", heard)
	}
	one.query(t, "unlisten *")
	one.transcript(t, 1)
	g.pins(t, 0)
	if n := g.Status().Pools[0].Listeners; n != 0 {
		t.Errorf("%d clients listen", n)
	}
}

// A client that listens sends its data although what it sends next waits.
func TestAListenerCopiesIn(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	one := g.raw(t)
	one.query(t, "listen a; create table t (n int)")
	one.query(t, "copy t from stdin")
	if got := one.transcriptOf(t, 4); got != "C C Z(I) G" {
		t.Fatal(got)
	}
	one.send(t, &pgproto3.CopyData{Data: []byte("1\n2\n")}, &pgproto3.CopyDone{}, &pgproto3.Query{String: "select 1"})
	if got := one.transcript(t, 2); got != "C Z(I) T D C Z(I)" {
		t.Error(got)
	}
	one.query(t, "copy t from stdin; deallocate all")
	one.transcriptOf(t, 1)
	one.send(t, &pgproto3.CopyData{Data: []byte("3\n")}, &pgproto3.CopyDone{})
	if got := one.transcript(t, 1); got != "C C Z(I)" {
		t.Error(got)
	}
}

// The connection is closed when nobody listens any more.
func TestTheListeningConnectionIsClosedWhenNobodyListens(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(2), func(c *weir.Config) { c.Pool.IdleTimeout = 50 * time.Millisecond })
	one := g.raw(t)
	for range 2 {
		one.query(t, "listen a")
		one.transcript(t, 1)
		if n := listeningBackends(t, url); n != 1 {
			t.Errorf("%d connections listen, want 1", n)
		}
		one.query(t, "unlisten *")
		one.transcript(t, 1)
		until(t, "the connection to be closed", func() bool { return listeningBackends(t, url) == 0 })
	}
	until(t, "its place to be given back", func() bool { return g.Status().Budgets[0].InUse == 0 })
}

// A client sees what it listens to, and is notified of it once.
func TestAClientSeesItsChannels(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	conn, other := g.connect(t), g.connect(t)
	const show = "select coalesce(string_agg(c, ' ' order by c), '') from pg_listening_channels() c"
	for _, step := range []struct{ sql, want string }{
		{"select 1", ""}, {"listen news", "news"}, {`listen "B.c"`, "B.c news"}, {"unlisten news", "B.c"}, {"unlisten *", ""},
	} {
		must(t, conn, step.sql)
		for name, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "prepared": pgx.QueryExecModeCacheStatement} {
			if got := answerTo(t, conn, mode, show); got != step.want {
				t.Errorf("after %s, %s: got %q, want %q", step.sql, name, got, step.want)
			}
			if got := answerTo(t, other, mode, show); got != "" {
				t.Errorf("after %s, %s: another client sees %q", step.sql, name, got)
			}
		}
	}
	g.pins(t, 0)
}
