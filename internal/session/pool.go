// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/listen"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
)

// Pool is the upstream connections of one database and user, with what the
// sessions of its clients share.
type Pool struct {
	// Fixed after construction.
	env      *Env
	database string // for messages and figures, see titleOf
	user     string
	stats    *observe.PoolStats
	conns    *pool.Pool[*Upstream]
	start    map[string]string // settings that each connection starts with
	hub      *listen.Hub       // listens for the clients

	options atomic.Pointer[PoolOptions] // what it is made of now; see Reconfigure
	gone    atomic.Pointer[sqlstate.Error]

	users     atomic.Int64         // clients, and logins under way
	listeners atomic.Int64         // clients for which the hub listens
	lore      atomic.Pointer[lore] // nil until the first login has asked
	sequences atomic.Bool          // a client has asked for currval or lastval, or something in the database may
	unasked   atomic.Int64         // how often what others left of sequences was discarded before that
	began     atomic.Uint32        // how upstreams read texts when they were new, a quoting

	notices atomic.Pointer[[]upstream.Notice] // what PostgreSQL said at the last login; nil before the first

	closing context.Context // ends when the pool is closed
	close   context.CancelFunc

	places places         // of those who may be pinned
	said   observe.Seldom // what the log is told of requests that were refused

	opening  atomic.Int64        // connects in flight, until their connection is in open
	era      atomic.Pointer[era] // of connections that are opened now; never nil
	eraKnown atomic.Bool         // its defaults are known
	madeUp   madeUp              // the settings that programs have made up
	catalog  catalog             // what the database's routines leave behind
	refusals refusals            // settings that upstreams have refused

	mu        sync.Mutex
	suspected map[uint64]time.Time   // guarded by mu; hashes of texts, and when they were noted, see readonly.go
	welcomes  map[Settings]*welcome  // guarded by mu
	open      map[*Upstream]struct{} // guarded by mu; every connection, in whatever state
	closed    map[uint32]time.Time   // guarded by mu; when backends were left that PostgreSQL may still count

	params       map[string]string // guarded by mu; what a connection reports on which nothing is set
	firstOpened  time.Time         // guarded by mu; when the first connection was begun
	looked       time.Time         // guarded by mu; when the defaults were last compared
	lookedSchema uint64            // guarded by mu; the count of changes of the schema before that
	looking      chan struct{}     // guarded by mu; closed when that is done which is under way, nil while none is
	looks        sync.WaitGroup    // the ones under way; begun under mu, and not any more once closing has ended
}

// PoolOptions is what a pool is made of.
type PoolOptions struct {
	Database string // as clients call it
	User     string // as clients call it
	Config   config.Pool
	Target   *upstream.Target
	Budgets  map[upstream.Scope]*pool.Budget
	Server   *pool.Server // shared by the pools of the target's hosts
	// Databases are the pools of the same server, this one among them.
	Databases Databases
	// Start are settings that the connections start with because no later moment
	// will do. All clients of the pool have asked for them.
	Start map[string]string
	// Prepare is called before each connect, on the goroutine that connects. It
	// returns the start-up parameters of the connection; an error is that of
	// the connect.
	Prepare func(ctx context.Context) (map[string]string, error)
	// DefaultsChanged is called when the defaults of the role or database have
	// changed: Prepare is to ask anew. It must not block.
	DefaultsChanged func()
}

// NewPool opens a pool. Close ends it.
func (e *Env) NewPool(o PoolOptions) *Pool {
	title := titleOf(o)
	p := &Pool{
		env:      e,
		database: title,
		user:     o.User,
		start:    o.Start,
		stats:    observe.NewPoolStats(title, o.User, e.loops.Len()),
		welcomes: make(map[Settings]*welcome),
		open:     make(map[*Upstream]struct{}),
		closed:   make(map[uint32]time.Time),
	}
	p.closing, p.close = context.WithCancel(context.Background())
	p.options.Store(&o)
	p.era.Store(&era{})
	p.conns = pool.New(p.limits(&o), o.budgets()...)
	p.hub = p.newHub()
	return p
}

// budgets lists the budgets in no order.
func (o *PoolOptions) budgets() []*pool.Budget { return slices.Collect(maps.Values(o.Budgets)) }

// limits is what the pool of connections is told of o.
func (p *Pool) limits(o *PoolOptions) pool.Config[*Upstream] {
	return pool.Config[*Upstream]{
		Database:       o.Target.Database(),
		User:           o.Target.User(),
		Min:            o.Config.Min,
		Max:            o.Config.Max,
		Source:         "pool.max",
		Loops:          p.env.loops.Len(),
		AcquireTimeout: o.Config.AcquireTimeout,
		IdleTimeout:    o.Config.IdleTimeout,
		Lifetime:       o.Config.Lifetime,
		LifetimeJitter: 0.1,
		CheckAfter:     max(o.Config.CheckAfter, 1), // 0 is always; for the pool it is never
		ConnectTimeout: o.Config.ConnectTimeout,
		MaxConnecting:  o.Config.MaxConnecting,
		Connect:        p.connect,
		Classify:       p.classify,
		Oldest:         p.oldest,
		Server:         o.Server,
		Logger:         p.env.log,
	}
}

// noteRefusal counts a request, or a login, that got no upstream, and says so in the
// log, once a second at most: those who can do something about it may not be those
// who get the error.
func (p *Pool) noteRefusal(err *sqlstate.Error) {
	p.stats.Rejects.Add(err)
	if err.Routine != sqlstate.QueueTimeout && err.Routine != sqlstate.UpstreamDown {
		return // it was the client's wish, or concerns all of them and was said before
	}
	why := err.Message
	p.said.Tell(func(n int) {
		p.env.log.Warn("requests were refused for want of a connection to PostgreSQL", "pool", p.name(), "requests", n, "last", why)
	})
}

// config is the pool's settings as they are now.
func (p *Pool) config() *config.Pool { return &p.options.Load().Config }

// target is where its connections go to now, and as whom.
func (p *Pool) target() *upstream.Target { return p.options.Load().Target }

// name is how messages call the pool.
func (p *Pool) name() string { return p.database + "/" + p.user }

// sessionMode reports whether a client keeps its upstream until it leaves.
func (p *Pool) sessionMode() bool {
	c := p.config()
	return c.Mode == config.Session || !c.Pooling
}

// connect opens a connection and registers it with a loop. It runs on a
// goroutine of its own.
func (p *Pool) connect(ctx context.Context, index int) (*Upstream, error) {
	o := p.options.Load()
	prepared, err := o.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	params := make(map[string]string, len(prepared)+len(p.start))
	maps.Copy(params, prepared)
	maps.Copy(params, p.start)
	p.opening.Add(1)
	defer p.opening.Add(-1)
	began, era := time.Now(), p.era.Load()
	p.mu.Lock()
	if p.firstOpened.IsZero() {
		p.firstOpened = began
	}
	p.mu.Unlock()
	login, err := o.Target.Login(ctx, params)
	if err != nil {
		return nil, err
	}
	p.stats.Connect.Observe(index, time.Since(began))
	up := &Upstream{pool: p, era: era, settings: noSettings}
	_, up.bounded = params[statementTimeout]
	up.Prepared.Limit(o.Config.MaxPreparedStatements)
	if err := up.Adopt(login, p.env.loops.Loop(index), up); err != nil {
		return nil, fmt.Errorf("cannot watch a new connection to %s: %w", login.Address, err)
	}
	up.noteQuoting()
	p.notices.Store(&login.Notices)
	p.noteParams(up.Params)
	p.began.Or(uint32(up.quoting))
	p.mu.Lock()
	p.open[up] = struct{}{}
	p.mu.Unlock()
	p.env.backends.add(up)
	p.env.log.Debug("upstream connection opened", "pool", p.name(), "address", login.Address, "pid", login.PID)
	return up, nil
}

// kinds translates what a failed connect means.
var kinds = map[upstream.Failure]pool.Kind{
	upstream.Down:     pool.Down,
	upstream.Full:     pool.Full,
	upstream.Rejected: pool.Rejected,
	upstream.Local:    pool.Local,
}

// classify tells the pool what a failed connect means, and whose limit is reached.
func (p *Pool) classify(err error) pool.Failure {
	return pool.Failure{
		Kind:   kinds[upstream.Classify(err)],
		Client: sqlstate.From(err),
		Budget: p.options.Load().Budgets[upstream.FullScope(err)],
	}
}

// oldest describes the longest transaction in progress, and the pinned clients
// that have held theirs for longest, for the error that ends a wait.
func (p *Pool) oldest() string {
	var first *Session
	var since time.Time
	for _, s := range p.env.all() {
		if s.pool != p || s.isPinned() {
			continue
		}
		if up, t := s.held(); up != nil && (first == nil || t.Before(since)) {
			first, since = s, t
		}
	}
	var parts []string
	if first != nil {
		parts = append(parts, fmt.Sprintf("the oldest transaction has held its connection for %s, application_name %q",
			time.Since(since).Round(time.Millisecond), first.applicationName()))
	}
	return strings.Join(append(parts, p.holders(namedHolders)...), "; ")
}

// applicationName is what the client said at login; any goroutine may ask.
func (s *Session) applicationName() string { return s.application }

// describe is how the log calls the client.
func (s *Session) describe() string {
	return fmt.Sprintf("%s@%s pid %d application_name %q", s.pool.user, s.pool.database, s.key.pid, s.applicationName())
}

// nameOf returns the client's name for a statement.
func (s *Session) nameOf(st *statement) (string, bool) {
	for name, p := range s.named {
		if p.statement == st {
			return name, true
		}
	}
	return "", false
}

// Status returns the pool's connections and queues as they are now.
func (p *Pool) Status() pool.Status {
	now := p.conns.Status()
	n, oldest := p.places.waiting()
	now.Waiting += n
	now.OldestWait = max(now.OldestWait, oldest)
	return now
}

// Hold notes that somebody uses the pool, until Drop. Whoever may forget the
// pool must not do so between finding it and Hold.
func (p *Pool) Hold() { p.users.Add(1) }

// Drop ends a Hold.
func (p *Pool) Drop() { p.users.Add(-1) }

// Unused reports whether the pool has no clients and no connections.
func (p *Pool) Unused() bool {
	now := p.conns.Status()
	return p.users.Load() == 0 && !p.hub.Status().Open && now.Idle+now.Active+now.Connecting+now.Waiting == 0
}

// Reach returns nil once the pool has had a connection that nobody used, which
// it opens if need be.
func (p *Pool) Reach(ctx context.Context) error {
	up, err := p.acquire(ctx, false)
	if err == nil {
		p.conns.Release(up)
	}
	return err
}

// lingering is how long PostgreSQL may count a backend that was left.
const lingering = 3 * time.Second

// leftLocked notes that a connection is closed.
func (p *Pool) leftLocked(up *Upstream) {
	now := time.Now()
	maps.DeleteFunc(p.closed, func(_ uint32, at time.Time) bool { return now.Sub(at) > lingering })
	p.closed[up.PID()] = now
	delete(p.open, up)
}

// Opening is how many connections are being opened.
func (p *Pool) Opening() int { return int(p.opening.Load()) }

// PIDs returns the process ids of the pool's backends, those included that were
// left a moment ago.
func (p *Pool) PIDs() []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]uint32, 0, len(p.open))
	for up := range p.open {
		list = append(list, up.PID())
	}
	for pid, at := range p.closed {
		if time.Since(at) <= lingering {
			list = append(list, pid)
		}
	}
	if pid := p.hub.Status().PID; pid != 0 {
		list = append(list, pid)
	}
	return list
}

// Mode returns "transaction" or "session".
func (p *Pool) Mode() string {
	if p.sessionMode() {
		return string(config.Session)
	}
	return string(config.Transaction)
}

// Stats returns what the pool counts.
func (p *Pool) Stats() *observe.PoolStats { return p.stats }

// Close closes the pool's idle connections, now, and the others when they are
// let go of; whoever waits gets err. It returns when nothing that the pool has begun
// by itself needs a loop any more.
func (p *Pool) Close(err *sqlstate.Error) {
	p.mu.Lock()
	p.close()
	p.mu.Unlock()
	p.hub.Close()
	p.conns.Close(err)
	p.looks.Wait()
}
