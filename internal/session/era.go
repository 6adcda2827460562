// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// era is a time in which connections of a pool start with the same defaults: what
// ALTER ROLE … SET and ALTER DATABASE … SET have given. PostgreSQL tells nobody when
// that changes. So at logins, which alone can show it, an idle upstream is asked, and
// where something has changed a new era begins: connections of older ones are
// closed as they are released, and greetings are asked for anew. Clients of an older
// era keep what they began with, as in PostgreSQL: it becomes what they have asked
// for, see live.
//
// A new postgresql.conf begins none: PostgreSQL gives that to connections that are
// open, see noteParams. ADR 11 has more.
type era struct {
	// Set once, before anybody may ask: by the first login, and for later eras when
	// they begin.
	defaults map[string]string // by names in lower case, as ALTER … SET wrote them
	starts   map[string]string // under Pool.mu; what settings everybody may set are at the start, nil until asked

	// Set before the next era is the pool's.
	was  map[string]string // what the settings were in this era that are others in the next
	next *era
}

const (
	// eraLook is how old the knowledge of the defaults may be when a client logs in,
	// unless a statement that went through weir may have changed them.
	eraLook = 500 * time.Millisecond

	// eraPatience bounds what a login waits for it. Where all connections are in use,
	// the client is greeted as one that came a moment earlier.
	eraPatience = 100 * time.Millisecond

	// eraYouth is how old a pool's first connection may be at its first login for its
	// defaults to be taken for those of now.
	eraYouth = 2 * time.Second
)

// defaultsQuery asks for the defaults of role $1 in this database, each behind a
// digit: the higher counts (PostgreSQL: process_settings in postinit.c).
const defaultsQuery = `SELECT pg_catalog.concat(` +
	`(s.setrole OPERATOR(pg_catalog.<>) 0)::pg_catalog.int4 OPERATOR(pg_catalog.*) 2 OPERATOR(pg_catalog.+) (s.setdatabase OPERATOR(pg_catalog.<>) 0)::pg_catalog.int4, ` +
	`pg_catalog.split_part(c, '=', 1)), pg_catalog.substr(c, pg_catalog.strpos(c, '=') OPERATOR(pg_catalog.+) 1) ` +
	`FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c ` +
	`WHERE (s.setdatabase OPERATOR(pg_catalog.=) 0 OR s.setdatabase OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) ` +
	`AND (s.setrole OPERATOR(pg_catalog.=) 0 OR s.setrole OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=)$1))`

// hearDefaults asks for the defaults as they are now.
func (x *exchange) hearDefaults() (map[string]string, error) {
	rows, err := x.ask(strings.Replace(defaultsQuery, "$1", quoteValue(x.pool().target().User()), 1))
	if err != nil {
		return nil, err
	}
	defaults := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		defaults[name[1:]] = rows[name]
	}
	return defaults, nil
}

// errOldDefaults is why a connection is closed that may have other defaults than
// those of its era.
var errOldDefaults = errors.New("the defaults of its role or database have changed since")

// firstEra asks for the defaults of the pool's first era, at its first login.
func (x *exchange) firstEra() error {
	defaults, err := x.hearDefaults()
	if err != nil {
		return err
	}
	p := x.pool()
	p.mu.Lock()
	now := p.era.Load()
	old := now.defaults == nil && time.Since(p.firstOpened) > eraYouth
	switch {
	case old:
		now.defaults, now.next = defaults, &era{defaults: defaults}
		p.era.Store(now.next)
	case now.defaults == nil:
		now.defaults = defaults
	}
	p.eraKnown.Store(true)
	p.mu.Unlock()
	if old {
		p.conns.Recycle()
		return errOldDefaults
	}
	return x.snapshot(now)
}

// snapshot remembers what settings are at the start of an era's connections.
func (x *exchange) snapshot(e *era) error {
	rows, err := x.ask(`SELECT name, reset_val FROM pg_catalog.pg_settings WHERE context OPERATOR(pg_catalog.=) 'user'`)
	if err != nil {
		return err
	}
	p := x.pool()
	p.mu.Lock()
	if e.starts == nil {
		e.starts = rows
	}
	p.mu.Unlock()
	x.up.dated = true
	return nil
}

// date makes sure that an upstream that nobody has used yet has the defaults of its
// era: it was opened some time after these were asked for. It returns false where it
// has not, or was lost.
func (x *exchange) date() bool {
	if !x.pool().eraKnown.Load() {
		return true // the first login asks
	}
	up, e := x.up, x.up.era
	defaults, err := x.hearDefaults()
	if err == nil {
		x.pool().mu.Lock()
		same, known := maps.Equal(defaults, e.defaults), e.starts != nil
		x.pool().mu.Unlock()
		switch {
		case !same:
			x.pool().beginEra(e, defaults)
			x.discardUpstream(errOldDefaults.Error())
			return false
		case !known:
			err = x.snapshot(e)
		}
	}
	switch {
	case x.up == nil:
		x.lostUnused(err)
		return false
	case err != nil:
		x.s.env.log.Debug("the defaults of role and database were not asked for", "pool", x.pool().name(), "error", err)
	}
	up.dated = true
	return true
}

// lookAtDefaults has a new era begin if the defaults have changed, as far as that
// can be found out quickly. It may block.
func (p *Pool) lookAtDefaults(ctx context.Context) {
	schema := p.env.dictionary.schema.Load()
	if !p.eraKnown.Load() {
		return // the first login asks
	}
	p.mu.Lock()
	look := p.looking
	if look == nil {
		if p.lookedSchema == schema && time.Since(p.looked) < eraLook {
			p.mu.Unlock()
			return
		}
		if p.closing.Err() != nil {
			p.mu.Unlock()
			return
		}
		look = make(chan struct{})
		p.looking = look
		p.looks.Go(func() { p.compareDefaults(schema, look) })
	}
	p.mu.Unlock()
	late := time.NewTimer(eraPatience)
	defer late.Stop()
	select {
	case <-look:
	case <-late.C:
	case <-ctx.Done():
	}
}

// compareDefaults asks an idle upstream for the defaults.
func (p *Pool) compareDefaults(schema uint64, look chan struct{}) {
	ctx, stop := context.WithTimeout(context.Background(), eraPatience)
	defer stop()
	_, err := p.visit(ctx, true, &noSettings, (*exchange).compareDefaults)
	if err != nil {
		p.env.log.Debug("the defaults of role and database were not compared", "pool", p.name(), "error", err)
	}
	p.mu.Lock()
	if err == nil {
		p.looked, p.lookedSchema = time.Now(), schema
	}
	p.looking = nil
	p.mu.Unlock()
	close(look)
}

// compareDefaults begins a new era if the defaults are not those of this one.
func (x *exchange) compareDefaults() error {
	p, now := x.pool(), x.up.era
	defaults, err := x.hearDefaults()
	if err != nil {
		return err
	}
	p.noteParams(x.up.Params)
	p.beginEra(now, defaults)
	return nil
}

// noteParams takes in what a connection reports on which nothing is set. Where it is
// not what another reported before, postgresql.conf has changed, and so has what new
// clients are greeted with. PostgreSQL reads the file before it runs a command, and
// reports what has changed at its end.
func (p *Pool) noteParams(params map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.params != nil && maps.Equal(p.params, params) {
		return
	}
	p.params = maps.Clone(params)
	clear(p.welcomes)
}

// beginEra begins an era after old, unless the defaults are the same, or it has
// begun already.
func (p *Pool) beginEra(old *era, defaults map[string]string) {
	p.mu.Lock()
	if old != p.era.Load() || maps.Equal(defaults, old.defaults) {
		p.mu.Unlock()
		return
	}
	old.was = old.changed(defaults)
	names := slices.Sorted(maps.Keys(old.was))
	old.next = &era{defaults: defaults}
	p.era.Store(old.next)
	clear(p.welcomes)
	p.mu.Unlock()
	p.env.log.Info("the defaults of role or database have changed: connections to PostgreSQL are replaced", "pool", p.name(), "settings", names)
	if slices.Contains(names, "role") {
		p.lore.Store(nil) // who a session is at first
	}
	p.options.Load().DefaultsChanged()
	p.conns.Recycle()
}

// changed returns what the settings were, in this era, that have other defaults now.
// Those that not everybody may set are left out: nobody could have them kept.
func (e *era) changed(defaults map[string]string) map[string]string {
	was := make(map[string]string)
	for _, m := range [...]map[string]string{e.defaults, defaults} {
		for name := range m {
			before, had := e.defaults[name]
			after, has := defaults[name]
			if had == has && before == after {
				continue
			}
			if start, ok := e.starts[name]; ok {
				was[name] = start
			} else if isHidden(name) {
				was[name] = before
			}
		}
	}
	if role, ok := was["role"]; ok && role == "" {
		was["role"] = "none"
	}
	return was
}

// after returns the era that follows e, nil where none does yet.
func (p *Pool) after(e *era) *era {
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.next
}

// live takes the client to the era of its upstream. What has other defaults there
// than when it logged in is from then on as if it had asked for it at its login.
// It returns false where the upstream is of an older era than the client.
func (x *exchange) live() bool {
	s := x.s
	start, settings := s.start, s.settings
	for s.era != x.up.era {
		if x.pool().after(s.era) == nil {
			x.discardUpstream("it was opened before the defaults of its role or database changed")
			return false
		}
		for name, value := range s.era.was {
			if _, ok := start.get(name); !ok {
				start = start.with(name, value)
			}
			if _, ok := settings.get(name); !ok {
				settings = settings.with(name, value)
			}
		}
		s.era = s.era.next
	}
	s.start = start
	s.changeSettings(settings)
	x.changes.settled = settings
	return true
}
