// SPDX-License-Identifier: Apache-2.0

package listen_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/listen"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

const patience = 30 * time.Second

// ear keeps what it is told.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (e *ear) Notify(n *listen.Notification) {
	_, channel, payload, err := listen.ReadNotification(n.Message[5:])
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || string(channel) != n.Channel {
		e.heard = append(e.heard, "malformed")
	}
	e.heard = append(e.heard, string(channel)+" "+string(payload))
}

func (e *ear) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.heard, ", ")
}

// rig is a hub before a real PostgreSQL.
type rig struct {
	*listen.Hub
	url     string
	refuse  atomic.Pointer[error] // connects fail with it
	places  atomic.Int64          // taken
	logins  atomic.Int64
	refused atomic.Int64
}

func newRig(t *testing.T, linger time.Duration) *rig {
	t.Helper()
	r := &rig{url: testpg.Database(t, testpg.URL(t))}
	target, err := upstream.ParseTarget(r.url)
	if err != nil {
		t.Fatal(err)
	}
	r.Hub = listen.New(listen.Options{
		Name:    "test",
		Claim:   func(context.Context) error { r.places.Add(1); return nil },
		Release: func() { r.places.Add(-1) },
		Connect: func(ctx context.Context) (*upstream.Login, error) {
			if err := r.refuse.Load(); err != nil {
				r.refused.Add(1)
				return nil, *err
			}
			r.logins.Add(1)
			return target.Login(ctx, map[string]string{"application_name": "hub"})
		},
		Sender: func(_ string, pid uint32) uint32 { return pid },
		Linger: linger,
		Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		r.Close()
		if n := r.places.Load(); n != 0 {
			t.Errorf("%d places were not given back", n)
		}
	})
	return r
}

// tell connects a session that notifies.
func (r *rig) tell(t *testing.T) func(sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return func(sql string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// join subscribes and makes the mark.
func (r *rig) join(t *testing.T, tell func(string), e *ear, names ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ticket, err := r.Join(ctx, e, names...)
	if err != nil {
		t.Fatal(err)
	}
	tell(`notify "` + r.Marker() + `", '` + ticket + `'`)
}

// settle waits until the hub has passed on what was committed.
func (r *rig) settle(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	r.Settle(ctx)
}

func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

func TestASubscriptionBeginsAtItsMark(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Minute)
	tell := r.tell(t)
	var one, two ear
	r.join(t, tell, &one, "a", `"B"`)
	tell("notify a, '1'")
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ticket, err := r.Join(ctx, &two, "a")
	if err != nil {
		t.Fatal(err)
	}
	tell("notify a, '2'")
	tell(`notify "` + r.Marker() + `", '` + ticket + `'; notify a, '3'; notify """B""", '4'`)
	r.settle(t)
	if one.String() != `a 1, a 2, a 3, "B" 4` || two.String() != "a 3" {
		t.Errorf("one heard %s; two %s", &one, &two)
	}
	r.Leave(&one, "a", `"B"`, "never")
	tell("notify a, '5'")
	r.settle(t)
	if one.String() != `a 1, a 2, a 3, "B" 4` || two.String() != "a 3, a 5" {
		t.Errorf("after one has left it heard %s; two %s", &one, &two)
	}
}

func TestALostConnectionIsOpenedAgainForItsChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Minute)
	tell := r.tell(t)
	var one, early ear
	r.join(t, tell, &one, "a", "b")
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if _, err := r.Join(ctx, &early, "a"); err != nil { // its mark never comes
		t.Fatal(err)
	}
	tell("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hub' and datname = current_database()")
	until(t, "another connection", func() bool { return r.logins.Load() == 2 && r.Up() })
	var later ear
	r.join(t, tell, &later, "a", "b") // when this returns all is listened to again
	tell("notify a, '1'; notify b, '2'")
	r.settle(t)
	if one.String() != "a 1, b 2" || early.String() != "a 1" || later.String() != "a 1, b 2" {
		t.Errorf("heard %s; %s; %s", &one, &early, &later)
	}
}

func TestAConnectionThatNobodyNeedsIsClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Millisecond)
	tell := r.tell(t)
	var one ear
	r.join(t, tell, &one, "a")
	r.Leave(&one, "a")
	until(t, "the connection to be closed", func() bool { return !r.Status().Open })
	if n := r.places.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
	r.join(t, tell, &one, "a")
	if s := r.Status(); !s.Open || s.Channels != 1 {
		t.Errorf("afterwards %+v", s)
	}
}

func TestThoseWhoWaitInVainHearWhyAndLeaveNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Minute)
	down := errors.New("PostgreSQL is down")
	r.refuse.Store(&down)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	joined := make(chan error, 1)
	go func() {
		_, err := r.Join(ctx, &ear{}, "a")
		joined <- err
	}()
	until(t, "two attempts", func() bool { return r.refused.Load() == 2 }) // why the first one failed is known
	stop()
	if err := <-joined; !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
	until(t, "the hub to give up", func() bool { return !r.Status().Open })
	r.refuse.Store(nil)
	ctx, stop = context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := r.Ready(ctx); err != nil {
		t.Error(err)
	}
}

func TestAClosedHubKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Minute)
	down := errors.New("PostgreSQL is down")
	r.refuse.Store(&down)
	waited := make(chan error, 1)
	go func() { waited <- r.Ready(t.Context()) }()
	until(t, "a first attempt", func() bool { return r.Status().Open })
	r.Close()
	if err := <-waited; err == nil {
		t.Error("a closed hub is ready")
	}
	done := make(chan struct{})
	r.After(func() { close(done) })
	<-done
}

func TestAConnectionThatNobodyNeedsCanBeClosedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Hour)
	tell, e := r.tell(t), &ear{}
	r.join(t, tell, e, "news")
	r.Vacate()
	r.settle(t)
	if !r.Status().Open {
		t.Fatal("the connection was closed though somebody listens")
	}
	r.Leave(e, "news")
	r.Vacate()
	until(t, "the connection to close", func() bool { return !r.Status().Open })
}
