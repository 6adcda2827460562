// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// Some settings can only be set when a backend starts, or do something only
// then; and RESET gives back who the session is as it was at the start. Clients that ask for one when they connect have a pool of their own,
// with all who ask for the same: its connections start with it.

// preload are settings that PostgreSQL lets anybody set at any time, and reads
// when a session starts (miscinit.c, process_session_preload_libraries).
var preload = []string{"local_preload_libraries", "session_preload_libraries"}

// encodeStart is settings as part of a pool's key.
func encodeStart(settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		b.WriteString(name + "\x00" + settings[name] + "\x00")
	}
	return b.String()
}

// startOf returns those of a client's settings that only the start of a backend
// sets, as far as PostgreSQL's list of them is known: it is from the first
// connection on, and those that say who the session is: what resets them, be it out
// of sight in a function's body, must not come back to who weir's login is.
func (l *limits) startOf(login *auth.Login) map[string]string {
	names := append(l.starting(), session.Identity()...)
	if !mayStart(login, names) {
		return nil
	}
	values, err := session.StartSettings(login)
	if err != nil {
		return nil // the greeting says what is wrong
	}
	maps.DeleteFunc(values, func(name, _ string) bool { return !slices.Contains(names, name) })
	return values
}

// mayStart is a quick look at a start-up packet: nearly all have none of them.
func mayStart(login *auth.Login, names []string) bool {
	return slices.ContainsFunc(login.Params, func(p wire.Param) bool {
		return p.Name == "options" || slices.Contains(names, strings.ToLower(p.Name))
	})
}

// starting lists the settings that only the start of a backend sets.
func (l *limits) starting() []string {
	if known := l.start.Load(); known != nil {
		return slices.Clip(*known)
	}
	return slices.Clip(preload)
}

// greet welcomes a client to the pool for its database, user and what its
// connections have to start with.
func (g *Gateway) greet(login *auth.Login, welcome func(*session.Pool) error) error {
	d, err := g.database(login.Database, login.User)
	if err != nil {
		return err
	}
	defer d.pool.Drop()
	start := d.limits.startOf(login)
	if len(start) == 0 {
		err = welcome(d.pool)
		if !isStartOnly(err) {
			return err
		}
		start = d.limits.startOf(login) // now the list is known
	}
	if len(start) == 0 {
		return err
	}
	own, err := g.databaseWith(login.Database, login.User, start)
	if err != nil {
		return err
	}
	defer own.pool.Drop()
	return welcome(own.pool)
}

// isStartOnly reports whether PostgreSQL refused a setting because the backend
// has started: 55P02, "parameter … cannot be set after connection start".
func isStartOnly(err error) bool {
	e, ok := errors.AsType[*sqlstate.Error](err)
	return ok && e.Code == cannotChangeNow
}

// cannotChangeNow is ERRCODE_CANT_CHANGE_RUNTIME_PARAM.
const cannotChangeNow sqlstate.Code = "55P02"

// startup returns the start-up parameters of the pool's connections besides what
// its clients ask for: PostgreSQL's limits have to be known before the first is
// opened.
func (d *database) startup(ctx context.Context) (map[string]string, error) {
	known, err := d.limits.ensure(ctx)
	if err != nil || known.TimeoutSet || d.config.StatementTimeout == 0 {
		return nil, err
	}
	return map[string]string{"statement_timeout": strconv.FormatInt(d.config.StatementTimeout.Milliseconds(), 10)}, nil
}
