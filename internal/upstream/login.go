// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// Login is a connection that has logged in and is idle. Whoever got it from
// Target.Login owns it and closes Stream.
type Login struct {
	Conn    *Swap             // the transport
	Stream  net.Conn          // Conn itself, or the *tls.Conn over it
	PID     uint32            // of the backend; 0 where the server names none (RDS Proxy)
	Key     []byte            // cancels the backend's query; nil where the server gives none, up to 256 bytes
	Params  map[string]string // ParameterStatus at login
	Notices []Notice          // what the server said beside, in its order
	Address string            // host:port or the path of the socket, as configured

	cancel canceller
}

// Login connects and logs in, trying the hosts in order as libpq does but not
// waiting long for silent ones, until ctx ends. params are startup parameters besides, and before, those of the
// URL; the map is only read. Every error is an *Error.
func (t *Target) Login(ctx context.Context, params map[string]string) (*Login, error) {
	var login *Login
	err := t.connect(ctx, params, func(a *attempt, conn *pgconn.PgConn) (err error) {
		login, err = a.take(ctx, conn)
		return err
	})
	return login, err
}

// attempt is one try at one route.
type attempt struct {
	target  *Target
	route   route
	config  *pgconn.Config
	network string // what was dialled last, after name resolution
	address string
	reached bool // a transport was established
	notices []Notice
	several bool // the host's name has several addresses
}

// attempts prepares one attempt for each route.
func (t *Target) attempts(params map[string]string) []*attempt {
	list, suits := make([]*attempt, len(t.routes)), t.suits()
	for i, r := range t.ordered() {
		a := &attempt{target: t, route: r, config: t.config.Copy()}
		a.config.Host, a.config.Port, a.config.TLSConfig = r.host, r.port, r.tls
		a.config.DialFunc = a.dial
		a.config.LookupFunc = a.lookup
		a.config.ValidateConnect = suits
		a.config.OnNotice = a.note
		maps.Copy(a.config.RuntimeParams, params)
		list[i] = a
	}
	return list
}

// ordered returns the routes in their order, or with load_balance_hosts=random
// the hosts shuffled, each with its routes in order, and in any case the host
// first that was found to be the wanted one.
func (t *Target) ordered() []route {
	list := t.routes
	if t.random {
		list = t.shuffled()
	}
	return t.hosts.order(list, t.Single())
}

func (t *Target) shuffled() []route {
	place := map[string]int{}
	for i, n := range rand.Perm(len(t.addresses())) {
		place[t.addresses()[i]] = n
	}
	list := slices.Clone(t.routes)
	slices.SortStableFunc(list, func(a, b route) int { return place[a.address()] - place[b.address()] })
	return list
}

// ownDial marks the context of a dial that a login asked for.
type ownDial struct{}

// lookup is pgconn's LookupFunc. Each login asks anew, so that a name which leads
// elsewhere after a failover is followed.
func (a *attempt) lookup(ctx context.Context, host string) ([]string, error) {
	addresses, err := a.target.config.LookupFunc(ctx, host)
	a.several = len(addresses) > 1
	return addresses, err
}

// dial is pgconn's DialFunc. Of a name's several addresses none may take the time
// of those after it.
//
// When a read fails, pgconn also dials to send a cancel, from a goroutine that
// nobody waits for. A login has no query to cancel, and a server in trouble must
// not get two connections for each that fails, so that dial is refused.
func (a *attempt) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx.Value(ownDial{}) == nil {
		return nil, errors.New("a failed login cancels nothing")
	}
	if a.several {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, synPatience)
		defer stop()
	}
	conn, err := a.target.dialer.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	a.network, a.address, a.reached = network, address, true
	return &Swap{Conn: conn}, nil
}

// login logs in. pgconn prepares a password for SCRAM by other rules than
// PostgreSQL (PRECIS instead of SASLprep, which makes IX of the one letter Ⅸ). Where
// that is refused PostgreSQL's own are tried: not at first, because they are not for
// md5.
func (a *attempt) login(ctx context.Context) (*pgconn.PgConn, error) {
	ctx = context.WithValue(ctx, ownDial{}, true)
	conn, err := pgconn.ConnectConfig(ctx, a.config)
	if !answered(err, sqlstate.InvalidPassword) {
		return conn, err
	}
	prepared := auth.SASLprep(a.config.Password)
	if prepared == a.config.Password {
		return conn, err
	}
	a.config.Password, a.notices = prepared, nil
	return pgconn.ConnectConfig(ctx, a.config)
}

// answered reports whether err is PostgreSQL's, with that code.
func answered(err error, code sqlstate.Code) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == string(code)
}

// take turns pgconn's connection into a Login. settle first, because pgconn may
// have read ahead: a ParameterStatus or a notice after ReadyForQuery.
func (a *attempt) take(ctx context.Context, conn *pgconn.PgConn) (*Login, error) {
	if err := settle(ctx, conn); err != nil {
		_ = conn.Conn().Close()
		return nil, err
	}
	raw, err := conn.Hijack()
	if err != nil {
		_ = conn.Conn().Close()
		return nil, err
	}
	return &Login{
		Conn:    transport(raw.Conn),
		Stream:  raw.Conn,
		PID:     raw.PID,
		Key:     raw.SecretKey,
		Params:  raw.ParameterStatuses,
		Notices: a.notices,
		Address: a.route.address(),
		cancel: canceller{
			dialer:  a.target.dialer,
			network: a.network,
			address: a.address,
			tls:     a.route.tls,
			direct:  a.config.SSLNegotiation == "direct",
		},
	}, nil
}

// settle has pgconn read no more. Where it does, as it begins to beside a write
// that takes longer than 15 ms, SyncConn has PostgreSQL answer a comment, which a
// connection for physical replication refuses (0A000): an answer as good as another.
func settle(ctx context.Context, conn *pgconn.PgConn) (err error) {
	for range 10 { // as often as SyncConn itself asks
		if err = conn.SyncConn(ctx); !answered(err, sqlstate.FeatureNotSupported) {
			break
		}
	}
	return err
}

// transport is what attempt.dial made, below TLS if there is any.
func transport(stream net.Conn) *Swap {
	if secure, ok := stream.(*tls.Conn); ok {
		stream = secure.NetConn()
	}
	return stream.(*Swap)
}
