// SPDX-License-Identifier: Apache-2.0

package session

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
)

// A statement only reads if it is a SELECT, locks nothing, and calls nothing that
// may write. What it calls is not in its text alone: a word may be a function or
// a column, and a view calls functions too. So PostgreSQL's catalog is asked, on
// the upstream on which the statement is about to run again, whether any word of
// the text, or of the views that it names, is the name of a volatile function.

// doubt is a request that may be asked again if it turns out to read only.
type doubt struct {
	words []string        // of its text
	err   *sqlstate.Error // what the client gets otherwise
}

// reads reports whether what was under way may be asked again as one that only
// reads. If that is still in doubt, s.doubt says what has to be found out first.
func (x *exchange) reads() bool {
	l, ok := x.lone()
	if !ok {
		return false
	}
	if l.prepares {
		return x.s.tries < unsentTries // nothing was to be executed
	}
	text := l.text
	if x.s.losses > 0 {
		x.pool().suspect(text)
		return false
	}
	words, ok := mayRead(text, x.quoting())
	if !ok || x.pool().suspects(text) {
		return false
	}
	if len(words) > 0 {
		x.s.doubt = &doubt{words, unknownOutcome(x.lossError(nil))}
	}
	return true
}

// mayRead reports whether the text is one SELECT whose words say nothing to the
// contrary. The words are what a function in it could be called.
func mayRead(text string, r quoting) (words []string, ok bool) {
	e := effectOf([]byte(text), r)
	if e.pins != 0 || e.touches {
		return nil, false
	}
	switch e.kinds {
	case 1 << sqltext.Show:
		return nil, true
	case 1 << sqltext.Select, 1 << sqltext.With:
	default:
		return nil, false
	}
	words, ok = sqltext.Words(text)
	for _, w := range writing {
		ok = ok && !slices.Contains(words, w)
	}
	locks := slices.Contains(words, "for") && (slices.Contains(words, "update") || slices.Contains(words, "share"))
	return words, ok && !locks
}

// writing are the words of data-modifying CTEs and of SELECT INTO. They may be
// names as well; then the statement is not asked again, which is no harm.
var writing = []string{"insert", "delete", "merge", "into"}

// volatileQuery asks whether any of the words $1 may be the name of something that
// writes: a volatile function, an aggregate made of one, a view that names one,
// or a table whose policies are functions of anything. Operators and casts have
// no names in a text, so one volatile operator or cast anywhere is enough.
// Everything is qualified: the search_path is the client's.
const volatileQuery = `WITH RECURSIVE word (w) AS (
	SELECT pg_catalog.unnest($1::pg_catalog.text[])
	UNION
	SELECT m.w FROM word
	JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) word.w AND c.relkind OPERATOR(pg_catalog.=) 'v'
	CROSS JOIN LATERAL pg_catalog.regexp_split_to_table(pg_catalog.pg_get_viewdef(c.oid), '[^[:alnum:]_$]+') m (w)
), bad (w) AS (
	SELECT 'function' FROM word JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) word.w
	WHERE p.provolatile OPERATOR(pg_catalog.=) 'v'
	UNION ALL
	SELECT 'aggregate' FROM word JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) word.w
	JOIN pg_catalog.pg_aggregate a ON a.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.=) p.oid
	JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) ANY (ARRAY[a.aggtransfn::pg_catalog.oid, a.aggfinalfn::pg_catalog.oid])
	WHERE f.provolatile OPERATOR(pg_catalog.=) 'v'
	UNION ALL
	SELECT 'view' FROM word JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) word.w
	JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) c.oid
	JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
	JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.refobjid
	WHERE p.provolatile OPERATOR(pg_catalog.=) 'v'
	UNION ALL
	SELECT 'policy' FROM word JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) word.w
	WHERE c.relrowsecurity
	UNION ALL
	SELECT 'foreign table' FROM word JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) word.w
	WHERE c.relkind OPERATOR(pg_catalog.=) 'f'
	UNION ALL
	SELECT 'operator' FROM pg_catalog.pg_operator o
	JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid
	WHERE p.provolatile OPERATOR(pg_catalog.=) 'v'
	UNION ALL
	SELECT 'cast' FROM pg_catalog.pg_cast c
	JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) c.castfunc
	WHERE p.provolatile OPERATOR(pg_catalog.=) 'v'
)
SELECT 'volatile', pg_catalog.count(*) FROM bad`

// proven finds out what is in doubt, on the upstream just acquired. It returns
// false where the request is not asked again: s.refused says what the client is
// told instead, unless the upstream was lost.
func (x *exchange) proven() bool {
	d := x.s.doubt
	if d == nil {
		return true
	}
	rows, err := x.ask(strings.Replace(volatileQuery, "$1", quoteArray(d.words), 1))
	if x.up == nil {
		x.lostUnused(d.err)
		return false
	}
	x.s.doubt = nil
	if err == nil && rows["volatile"] == "0" {
		return true
	}
	x.s.refused = d.err
	x.letGo()
	return false
}

// quoteArray writes strings as an array for SQL.
func quoteArray(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quoteValue(s)
	}
	return "ARRAY[" + strings.Join(quoted, ",") + "]"
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
