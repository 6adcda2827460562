// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// Listen opens the addresses of Config.Listen and serves clients there, in the
// background, until Shutdown. On an error none is open. Settings that make it
// unsafe or senseless to listen there are [Mistakes].
func (g *Gateway) Listen() error {
	opened, err := g.openAddresses()
	if err != nil {
		return err
	}
	for _, l := range opened {
		if err := g.Serve(l); err != nil {
			return err
		}
		g.log.Info("listening for clients", "address", l.Addr().String())
	}
	return nil
}

// openAddresses opens the addresses of Config.Listen. On an error none is open; it
// names all that cannot be.
func (g *Gateway) openAddresses() ([]net.Listener, error) {
	cfg, err := config.Complete(*g.Config(), config.Served)
	if err != nil {
		return nil, err
	}
	if len(cfg.Listen) == 0 {
		return nil, errors.New("there is no address for clients: set Config.Listen")
	}
	var opened []net.Listener
	for _, a := range cfg.Addresses() {
		l, failed := listen(a)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		opened = append(opened, l)
	}
	if err != nil {
		closeAll(opened)
		return nil, err
	}
	return opened, nil
}

// CheckAddresses says which addresses of Config.Listen cannot be opened.
func (g *Gateway) CheckAddresses() error {
	opened, err := g.openAddresses()
	closeAll(opened)
	return err
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// listen opens one address. A socket file that a dead process has left behind
// is replaced.
func listen(a config.Address) (net.Listener, error) {
	l, err := net.Listen(a.Network, a.Address)
	if a.Network == "unix" && errors.Is(err, syscall.EADDRINUSE) && abandoned(a.Address) {
		if err := os.Remove(a.Address); err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", a.Address, err)
		}
		l, err = net.Listen(a.Network, a.Address)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: another program listens there already; stop it, or choose another address with --listen or WEIR_LISTEN", a.Address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: permission denied; choose another address with --listen or WEIR_LISTEN", a.Address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", a.Address, reason(err))
	}
	return l, nil
}

// reason is what the system said, without the address, which is named already.
func reason(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// abandoned reports whether nobody answers on a socket file.
func abandoned(path string) bool {
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Serve serves clients that connect to l, in the background, until Shutdown,
// which closes l.
func (g *Gateway) Serve(l net.Listener) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = l.Close()
		return errors.New("the gateway is shut down")
	}
	g.listeners = append(g.listeners, l)
	g.serving.Go(func() { g.accept(l) })
	return nil
}

// Addr returns the address of the first listener, nil where there is none.
func (g *Gateway) Addr() net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.listeners) == 0 {
		return nil
	}
	return g.listeners[0].Addr()
}

// acceptPause is the pause after a failed accept. Mostly there are no
// descriptors left, and only time brings some.
const acceptPause = 50 * time.Millisecond

// accept takes in clients, each on a goroutine of its own until it has logged
// in.
func (g *Gateway) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			g.notAccepted(l, err)
			select {
			case <-time.After(acceptPause):
				continue
			case <-g.background.Done():
				return
			}
		}
		if visit := g.enter(conn, outside); visit != nil {
			g.serving.Go(func() { g.welcome(conn, outside, visit) })
		}
	}
}

// notAccepted makes room where there are no descriptors left, and says so.
func (g *Gateway) notAccepted(l net.Listener, err error) {
	say := func(n int) {
		g.log.Error("cannot accept a client", "address", l.Addr().String(), "error", err, "times", n)
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		g.logins.makeRoom()
		say = func(n int) {
			g.log.Error("cannot accept a client: no file descriptor is left; raise weir's limit on open files (ulimit -n, LimitNOFILE= of systemd) or lower max_clients",
				"address", l.Addr().String(), "error", err, "times", n)
		}
	}
	g.said.accept.Tell(say)
}

// enter begins a client's login. It returns nil where that cannot be, and the
// connection is closed.
func (g *Gateway) enter(conn net.Conn, where place) *visit {
	visit, err := g.logins.enter(g.background, g.Config().ClientLoginTimeout, where == outside, g.loginRoom)
	if err == nil {
		return visit
	}
	if e, ok := errors.AsType[*sqlstate.Error](err); ok && e == errNoRoom {
		g.refused.Add(1)
		g.said.room.Tell(func(n int) { g.log.Warn("clients are refused", "error", e, "clients", n) })
		_ = conn.SetDeadline(time.Now().Add(acceptPause))
		_, _ = conn.Write(wire.AppendError(nil, e)) // best effort, before anything was read
	}
	_ = conn.Close()
	return nil
}

// welcome logs a client in and hands it to a loop.
func (g *Gateway) welcome(conn net.Conn, where place, visit *visit) {
	setup := g.setup.Load()
	defer visit.leave()
	raw := &upstream.Swap{Conn: conn}
	login, err := setup.acceptors[where].Accept(visit.ctx, raw)
	switch {
	case err != nil:
		g.logLogin(conn, where, err)
		_ = conn.Close()
		return
	case login.Cancel != nil:
		visit.keep()
		g.cancel(login.Cancel.PID, login.Cancel.Key)
		_ = conn.Close()
		return
	}
	visit.prove()
	if where == inside {
		err = setup.known(login)
	}
	if err == nil {
		err = g.admit(login, raw)
	}
	if err != nil {
		g.logLogin(conn, where, err)
		session.Reject(login, err)
		g.drain(login.Conn)
		_ = login.Conn.Close()
	}
}

// admit finds the pool of a client that has proved who it is, and greets it.
func (g *Gateway) admit(login *auth.Login, raw *upstream.Swap) error {
	if g.env.Len() >= g.MaxClients() {
		return g.tooManyClients()
	}
	sender, err := senderOf(login)
	if err != nil {
		return err
	}
	if sender != ordinary {
		return g.replicate(login, sender)
	}
	err = g.greet(login, func(p *session.Pool) error {
		return g.env.Welcome(g.accepting, p, login, raw)
	})
	if errors.Is(err, session.ErrFull) {
		return g.tooManyClients() // others were faster
	}
	return err
}

// tooManyClients counts a client more than max_clients, and is the answer to it.
func (g *Gateway) tooManyClients() *sqlstate.Error {
	g.refused.Add(1)
	return &sqlstate.Error{
		Severity: sqlstate.SeverityFatal,
		Code:     sqlstate.TooManyConnections,
		Message:  fmt.Sprintf("too many connections to weir: max_clients = %d clients are connected", g.MaxClients()),
		Hint:     "Raise max_clients, and the limit on open files if that is what bounds it, or have applications open fewer connections.",
		Routine:  sqlstate.TooManyClients,
	}
}

// cancelTimeout bounds one forwarded cancel request.
const cancelTimeout = 10 * time.Second

func (g *Gateway) cancel(pid uint32, secret []byte) {
	ctx, stop := context.WithTimeout(g.background, cancelTimeout)
	defer stop()
	hurry := context.AfterFunc(g.accepting, func() { time.AfterFunc(farewell, stop) })
	defer hurry()
	g.env.Cancel(ctx, pid, secret)
}

// logLogin logs a login that failed; one that only looked at the port is not
// worth a line.
func (g *Gateway) logLogin(conn net.Conn, where place, err error) {
	client := "this process"
	if where == outside {
		client = conn.RemoteAddr().String()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		g.log.Debug("a client left during its login", "client", client)
		return
	}
	if errors.Is(err, auth.ErrMakeRoom) {
		g.said.room.Tell(func(n int) {
			g.log.Warn("clients that had not logged in were sent away to make room for others", "clients", n, "one", client, "room", g.loginRoom())
		})
		return
	}
	if m := sqlstate.From(err).Routine; m == sqlstate.QueueTimeout || m == sqlstate.UpstreamDown {
		g.said.starved.Tell(func(n int) {
			g.log.Warn("logins were refused for want of a connection to PostgreSQL", "clients", n, "one", client, "error", err)
		})
		return
	}
	g.log.Warn("login refused", "client", client, "error", err)
}

// drainTime is how long a refused client may take to read why.
const drainTime = time.Second

// drain lets a client read the last message: a connection that is closed with
// unread bytes is reset, and the message with it. A gateway that closes has not as
// much time for that.
func (g *Gateway) drain(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(drainTime))
	hurry := context.AfterFunc(g.accepting, func() { _ = conn.SetReadDeadline(time.Now().Add(farewell)) })
	defer hurry()
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
}
