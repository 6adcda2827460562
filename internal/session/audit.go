// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
)

// Handover is an upstream that is about to be another's, as Auditor sees it: what
// weir takes for granted of it.
type Handover struct {
	Settings   map[string]string // beyond those it started with; nil where weir brings all anew
	Statements []string          // names of those that it has prepared
	Mixed      bool              // weir does not believe what lastval and currval say there
	Began      map[string]string // what Auditor returned for it when nobody had used it yet; nil that first time

	// Ask runs SQL on the upstream and returns what each row's second column is, by
	// the first in lower case. A value of the first that is NULL has no row.
	Ask func(sql string) (map[string]string, error)
}

// Auditor is asked about every upstream that changes hands, before the next client's
// settings are brought there: it compares the session of PostgreSQL with what weir
// believes it to be and returns what differs, a sentence each. The first time it
// returns what there is at the beginning of a session. An error is PostgreSQL's, or
// that the upstream was lost.
//
// It is nil but in tests, which set it before they open a gateway; see internal/audit.
var Auditor func(h *Handover) (began map[string]string, differences []string, err error)

// audit is what an upstream remembers for Auditor.
type audit struct {
	began  map[string]string
	former uint32 // who had it last, by process id; 0 is weir itself
}

// audited has Auditor look at the upstream if it comes from another's hands. It
// returns false where the upstream was lost over that.
func (x *exchange) audited() bool {
	up := x.up
	last := &up.audit
	if Auditor == nil || last.began != nil && last.former == x.s.key.pid {
		return true
	}
	h := &Handover{
		Settings:   up.given().values(),
		Statements: slices.Sorted(up.Prepared.Names),
		Mixed:      up.mover != 0,
		Began:      last.began,
		Ask:        x.rowsFrom,
	}
	if up.settings == unknownSettings {
		h.Settings = nil
	}
	began, differences, err := Auditor(h)
	if x.up == nil {
		x.lostUnused(err)
		return false
	}
	log := x.s.env.log.With("pool", x.pool().name(), "pid", up.PID(), "from", last.former, "to", x.s.key.pid)
	if err != nil {
		log.Warn("the audit of an upstream was not possible", "error", err)
	}
	for _, d := range differences {
		log.Error("audit: an upstream changes hands and is not what weir takes it for", "difference", d)
	}
	if last.began == nil {
		last.began = began
	}
	last.former = x.s.key.pid
	return true
}
