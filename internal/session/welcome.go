// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// welcome is what PostgreSQL reports of its parameters to a client that starts
// with certain settings: the ParameterStatus messages. Once known for a pool
// and some settings, it is served from memory, and a login needs no upstream.
type welcome struct {
	messages    []byte   // all but application_name's
	application string   // of clients that say none
	settings    Settings // the client's, as PostgreSQL says them
	era         *era     // of the upstream that was asked
}

// maxWelcomes bounds the settings for which a pool remembers the welcome. A
// program starts with the same ones each time.
const maxWelcomes = 1024

// welcome returns the greeting for a client with these settings, and how
// PostgreSQL says them: UTF8 for 'utf-8'. The first time an upstream is asked,
// which also shows whether PostgreSQL accepts them.
func (p *Pool) welcome(ctx context.Context, s Settings) ([]byte, Settings, *era, error) {
	p.lookAtDefaults(ctx)
	// Any application_name is accepted, so a new one needs no asking, unless
	// PostgreSQL would change it.
	rest, application := s.without("application_name")
	if application == nil || isPlain(*application) {
		s = rest
	} else {
		application = nil
	}
	p.mu.Lock()
	w := p.welcomes[s]
	p.mu.Unlock()
	if w != nil {
		greeting, s := w.to(application)
		return greeting, s, w.era, nil
	}
	params, said, era, err := p.ask(ctx, s)
	if err != nil {
		return nil, said, nil, err
	}
	w = &welcome{application: params["application_name"], settings: said, era: era}
	delete(params, "application_name")
	w.messages = wire.AppendParameters(nil, params)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.welcomes) >= maxWelcomes {
		clear(p.welcomes)
	}
	if era == p.era.Load() {
		p.welcomes[s] = w
	}
	greeting, said := w.to(application)
	return greeting, said, era, nil
}

// to returns the messages and the settings for a client with this
// application_name, nil for one that has not said any.
func (w *welcome) to(application *string) ([]byte, Settings) {
	name, settings := w.application, w.settings
	if application != nil {
		name = *application
		settings = settings.with("application_name", name)
	}
	return wire.AppendParameterStatus(slices.Clip(w.messages), "application_name", name), settings
}

// maxName is the longest identifier in bytes (PostgreSQL: NAMEDATALEN - 1).
const maxName = 63

// isPlain reports whether PostgreSQL keeps an application_name as it is: short
// enough, and printable ASCII (pg_clean_ascii).
func isPlain(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return false
		}
	}
	return len(name) <= maxName
}

// ask takes an upstream, gives it the settings, and returns what it reports and
// how it says the settings. One that is lost over it says nothing of the
// settings: another is asked.
func (p *Pool) ask(ctx context.Context, s Settings) (params map[string]string, said Settings, era *era, err error) {
	for began := time.Now(); ; {
		lost, err := p.visit(ctx, false, &s, func(x *exchange) (err error) {
			if said, err = x.hearSettings(s); err == nil {
				params, era = maps.Clone(x.up.Params), x.up.era
			}
			return err
		})
		if lost {
			err = &sqlstate.Error{
				Code:    sqlstate.ConnectionFailure,
				Message: fmt.Sprintf("connection to PostgreSQL at %s was lost during a login", p.target().Address()),
				Routine: sqlstate.UpstreamDown,
			}
		}
		if !lost || time.Since(began) > p.config().AcquireTimeout {
			return params, said, era, err
		}
	}
}

// hearSettings asks what a client's settings are in PostgreSQL's words, and, once
// in a pool, what PostgreSQL can tell of settings at all.
func (x *exchange) hearSettings(s Settings) (Settings, error) {
	p := x.pool()
	if !p.eraKnown.Load() {
		if err := x.firstEra(); err != nil {
			return s, err
		}
	}
	if p.lore.Load() == nil {
		rows, err := x.ask(loreQuery)
		if err != nil {
			return s, err
		}
		p.lore.Store(loreOf(rows, p.beyondStart(s)))
		if rows, err = x.ask(sequencesQuery); err != nil || len(rows) > 0 {
			p.sequences.Store(true)
		}
		if x.up == nil {
			return s, err
		}
	}
	p.madeUp.add(hiddenIn(s))
	if p.catalog.next.Load() == 0 {
		if x.readCatalog(); x.up == nil {
			return s, connectionLost(p.target().Address())
		}
	}
	has, err := x.inquire(hiddenIn(s), s)
	if err != nil {
		return s, err
	}
	said := s.values()
	maps.Copy(said, has)
	x.up.settings = settingsOf(said)
	return x.up.settings, nil
}
