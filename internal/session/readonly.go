// SPDX-License-Identifier: Apache-2.0

package session

import (
	"hash/maphash"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// A read whose upstream was lost is asked again only if it is proven to be one: by
// its words (mayRead), and by PostgreSQL's catalog on the upstream on which it is
// about to run again (volatileQuery). And then that upstream runs it READ ONLY, so
// that PostgreSQL itself refuses what the proof has overlooked.

// doubt is a request that may have run already, and is asked again if it turns out
// to read only. It stays until the request is answered: each upstream that gets it
// is READ ONLY.
type doubt struct {
	words  []string        // of its text; none where it is only prepared
	proven bool            // it only reads
	err    *sqlstate.Error // what the client gets otherwise
}

// reads reports whether what was under way may be asked again as one that only
// reads. If that is still in doubt, s.doubt says what has to be found out first.
func (x *exchange) reads() bool {
	l, ok := x.lone()
	switch {
	case !ok:
		return false
	case l.prepares: // nothing was planned, or run
		if x.s.tries >= unsentTries {
			return false
		}
		x.inDoubt(nil)
		return true
	case x.s.losses > 0:
		x.pool().suspect(l.text)
		return false
	}
	words, ok := mayRead(l.text, x.quoting(), x.up.Params["server_encoding"] == "UTF8")
	if !ok || x.pool().suspects(l.text) {
		return false
	}
	e := x.effectOfLone(&l)
	if !e.onlyReads() {
		return false
	}
	if len(words) > 0 || e.newest != 0 {
		x.inDoubt(words)
	}
	return true
}

// onlyReads reports whether a statement leaves nothing behind, by what is known of the
// routines that it calls, and answers the same in another session.
func (e *effect) onlyReads() bool {
	return e.pins|e.unpins == 0 && !e.touches && !e.sets && !e.locals && !e.reads && !e.names && !e.channels &&
		!e.makes && !e.defines && !e.notifies && !e.signals && len(e.mentions) == 0
}

// inDoubt notes that the request under way may have run and will be asked again.
func (x *exchange) inDoubt(words []string) {
	if x.s.doubt == nil {
		x.s.doubt = &doubt{words: words, err: unknownOutcome(x.lossOf(nil))}
	}
}

// notToRun returns what a client has to be told in place of err, which says that
// its request was not executed: it may have been, on an upstream that was lost.
func (s *Session) notToRun(err *sqlstate.Error) *sqlstate.Error {
	if d := s.doubt; d != nil && !d.proven {
		return d.err
	}
	return err
}

// proven finds out what is in doubt, on the upstream just acquired, and makes that
// READ ONLY. It returns false where the request is not asked again: s.refused says
// what the client is told instead, unless the upstream was lost.
func (x *exchange) proven() bool {
	d := x.s.doubt
	if d == nil {
		return true
	}
	if !d.proven {
		rows, err := x.ask(volatileIn(d.words))
		d.proven = err == nil && rows["doubtful"] == "0"
	}
	if x.up != nil && d.proven && x.onlyReading() {
		return true
	}
	if x.up == nil {
		x.lostUnused(d.err)
		return false
	}
	x.s.refused = d.err
	x.letGo()
	return false
}

// readOnlySQL makes the next transactions READ ONLY. A client's may be SERIALIZABLE
// and DEFERRABLE by default, which only together with READ ONLY means anything:
// to wait for other transactions.
const readOnlySQL = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, NOT DEFERRABLE"

// onlyReading makes the upstream READ ONLY for the one request that comes next;
// nothing else is sent before its answer (see listening). What the upstream has
// been given is unknown from then on: whoever is next has it reset, this client
// too. A client whose transactions are READ ONLY by its own wish needs nothing.
func (x *exchange) onlyReading() bool {
	if x.up.Params["default_transaction_read_only"] == "on" {
		return true
	}
	x.up.settings, x.belted = unknownSettings, true
	return x.command(readOnlySQL) == nil
}

// wrote reports whether an error says that what is asked again would write: then
// it may have written before.
func (x *exchange) wrote(code sqlstate.Code) bool {
	return x.belted && code == readOnlyTransaction
}

// A statement that takes PostgreSQL down must not do it twice for each client
// that asks. So a text that was running on two lost upstreams in a row is not
// asked again for a while. Not for ever: where upstreams are lost for other
// reasons, it was only in the wrong place twice.

const (
	// mostSuspects bounds the texts that a pool remembers; beyond it, it forgets.
	mostSuspects = 1024

	// suspicion is for how long a text is not asked again.
	suspicion = time.Minute
)

// suspect notes a text whose second upstream was lost too.
func (p *Pool) suspect(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspected == nil || len(p.suspected) >= mostSuspects {
		p.suspected = make(map[uint64]time.Time)
	}
	p.suspected[p.hash(text)] = time.Now()
}

// suspects reports whether a text was noted a short while ago.
func (p *Pool) suspects(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, found := p.suspected[p.hash(text)]
	return found && time.Since(at) < suspicion
}

func (p *Pool) hash(text string) uint64 { return maphash.String(p.env.dictionary.seed, text) }
