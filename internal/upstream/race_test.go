// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/upstream"
)

// list is a URL of several hosts.
func list(attrs string, addresses ...string) string {
	var hosts, ports []string
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			panic(err) // the test's own
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	q := url.Values{"host": {strings.Join(hosts, ",")}, "port": {strings.Join(ports, ",")}, "sslmode": {"disable"}}
	if attrs != "" {
		q.Set("target_session_attrs", attrs)
	}
	return "postgres://bob:p@/shop?" + q.Encode()
}

// backend is a fake server that logs everybody in. It says whether it is a
// standby as PostgreSQL 14 and later do, and counts its logins.
type backend struct {
	standby atomic.Bool
	logins  atomic.Int32
	open    atomic.Int32
}

func (b *backend) serve(conn net.Conn) {
	b.open.Add(1)
	defer b.open.Add(-1)
	if !begun(conn) {
		return
	}
	b.logins.Add(1)
	word := map[bool]string{true: "on", false: "off"}
	standby := b.standby.Load()
	tell(conn, &pgproto3.AuthenticationOk{},
		&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: word[standby]},
		&pgproto3.ReadyForQuery{TxStatus: 'I'})
	back := pgproto3.NewBackend(conn, conn)
	for {
		message, err := back.Receive()
		if err != nil {
			return
		}
		query, ok := message.(*pgproto3.Query)
		if !ok {
			continue
		}
		value := word[standby]
		if strings.Contains(query.String, "pg_is_in_recovery") {
			value = value[:1]
			if standby {
				value = "t"
			}
		}
		back.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("x"), DataTypeOID: 25, DataTypeSize: -1}}})
		back.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(value)}})
		back.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		back.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if back.Flush() != nil {
			return
		}
	}
}

func TestASilentHostDoesNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	b := &backend{}
	want := fake(t, b.serve)
	dsn := list("", fake(t, untilClosed), fake(t, untilClosed), want)
	quickly(t, time.Second, func() time.Duration {
		began := time.Now()
		got := login(t, dsn, nil)
		took := time.Since(began)
		if got.Address != want {
			t.Errorf("address = %s, want %s", got.Address, want)
		}
		if took < 500*time.Millisecond {
			t.Errorf("found after %v, want half a second", took)
		}
		return took
	})
}

func TestAStandbyThatIsPromotedIsFoundWhileTheOldPrimaryIsSilent(t *testing.T) {
	t.Parallel()
	quickly(t, time.Second, func() time.Duration { return promotion(t) })
}

// promotion promotes a standby while somebody looks for a primary and the old one
// is silent, and returns how long it took to find it.
func promotion(t *testing.T) time.Duration {
	t.Helper()
	b := &backend{}
	b.standby.Store(true)
	want := fake(t, b.serve)
	logins := make(chan *upstream.Login, 1)
	tgt := target(t, list("read-write", fake(t, untilClosed), want))
	go func() {
		defer close(logins)
		got, err := tgt.Login(within(t), nil)
		if err != nil {
			t.Error(err)
			return
		}
		logins <- got
	}()
	for b.logins.Load() < 2 { // it is asked again and again
		time.Sleep(time.Millisecond)
	}
	b.standby.Store(false)
	promoted := time.Now()
	got := <-logins
	took := time.Since(promoted)
	if got == nil {
		t.FailNow() // why is said already
	}
	defer got.Stream.Close()
	if got.Address != want {
		t.Errorf("address = %s, want %s", got.Address, want)
	}
	return took
}

func TestTheHostThatWasFoundIsTriedFirst(t *testing.T) {
	t.Parallel()
	standby, primary := &backend{}, &backend{}
	standby.standby.Store(true)
	tgt := target(t, list("read-write", fake(t, standby.serve), fake(t, primary.serve)))
	upstream.Patient(tgt)
	for range 3 {
		got, err := tgt.Login(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		got.Stream.Close()
	}
	if n := standby.logins.Load(); n != 1 {
		t.Errorf("logins to the standby: got %d, want 1", n)
	}
}

func TestAHostToAvoidIsTriedLast(t *testing.T) {
	t.Parallel()
	first, second := &backend{}, &backend{}
	avoid := fake(t, first.serve)
	tgt := target(t, list("", avoid, fake(t, second.serve)))
	upstream.Patient(tgt)
	var hosts upstream.Hosts
	tgt.Share(&hosts)
	tgt.Avoid(avoid)
	got, err := tgt.Login(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Stream.Close()
	if n := first.logins.Load(); n != 0 {
		t.Errorf("logins to the host to avoid: got %d, want none", n)
	}
}

// TestTheLoserOfARaceIsClosed has both hosts answer, the first one late.
func TestTheLoserOfARaceIsClosed(t *testing.T) {
	t.Parallel()
	late, quick := &backend{}, &backend{}
	answer := make(chan struct{})
	first := fake(t, func(conn net.Conn) {
		<-answer
		late.serve(conn)
	})
	got := login(t, list("", first, fake(t, quick.serve)), nil)
	close(answer)
	for late.logins.Load() == 0 || late.open.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if answer := ask(t, got.Stream, "select pg_is_in_recovery()"); answer != "o" {
		t.Errorf("the winner answers %q", answer)
	}
}

func TestPrimaryIsTakenWhereNoStandbyAnswers(t *testing.T) {
	t.Parallel()
	primary := &backend{}
	want := fake(t, primary.serve)
	got := login(t, list("prefer-standby", fake(t, untilClosed), want), nil)
	if got.Address != want {
		t.Errorf("address = %s, want %s", got.Address, want)
	}
}

// A name that leads to another server after a failover is looked up anew.
func TestEachLoginResolvesTheName(t *testing.T) {
	t.Parallel()
	old, other := &backend{}, &backend{}
	before, after := fake(t, old.serve), fake(t, other.serve)
	tgt := target(t, "postgres://bob:p@db.example:5432/shop?sslmode=disable")
	address := before
	upstream.SetLookup(tgt, func(context.Context, string) ([]string, error) { return []string{address}, nil })
	for _, address = range []string{before, after} {
		got, err := tgt.Login(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		got.Stream.Close()
	}
	if old.logins.Load() != 1 || other.logins.Load() != 1 {
		t.Errorf("logins: got %d to the old address and %d to the new one, want one each", old.logins.Load(), other.logins.Load())
	}
}

func TestAttrs(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"any", "read-write", "read-only", "primary", "standby", "prefer-standby"} {
		tgt := target(t, list(word, "127.0.0.1:1"))
		if got := tgt.Attrs(); got != word {
			t.Errorf("attrs: got %s, want %s", got, word)
		}
		if got, want := tgt.Single(), word == "read-write" || word == "primary"; got != want {
			t.Errorf("%s: single is %v, want %v", word, got, want)
		}
	}
}
