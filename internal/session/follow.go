// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/wire"
)

// changes is what the transaction under way may have done to the settings, of the
// client and its upstream.
type changes struct {
	settled  Settings          // the client's when its upstream was last idle, or became its own
	sets     bool              // some may have been changed for longer than the transaction
	reported map[string]string // the parameters that were, as PostgreSQL had reported them before
	touched  bool              // some may have been changed that PostgreSQL does not report
	hidden   []string          // those of them that have to be asked for by name
	guarded  []string          // those of them that PostgreSQL may not show to everybody
	anybody  bool              // who the session is, and whatever a program made up, has to be asked for too
	reverts  bool              // some may have been given the upstream's defaults, unseen; see mayRevert
	defaults []lapse           // those of the login that may have been, to be set again; see reclaim
	told     map[string]string // the parameters as the client knows them, from DISCARD ALL to the end of its group; else nil
	stated   bool              // since that DISCARD ALL the client has heard of no other parameters; see learn
	undoes   bool              // PostgreSQL has not reported yet what that DISCARD ALL changed
	reports  []byte            // for the end of a group that goes on without its upstream
	defined  definitions       // when the transaction began

	// Why the settings cannot follow the client.
	long      []string // some are too long, or not for the login to set or to see, by their names
	unlearned bool     // PostgreSQL did not say what they are: the next transaction asks again
}

// mayRevert reports, where changes.reverts is set, whether a request that is sent now would find the upstream's
// defaults where the client means what it began with: something that is under way may
// have done RESET out of sight. What there is to learn is learned when all is answered
// and no block is open.
func (x *exchange) mayRevert() bool {
	return x.changes.touched && !x.synced && x.due.groups() > 0 && x.due.between() &&
		(x.status == wire.Idle || x.stakes.ended)
}

// forgotten is c of a client without an upstream, on the storage that it has.
func (c changes) forgotten() changes {
	clear(c.reported)
	return changes{reported: c.reported}
}

// follow takes in that the client has changed a parameter that PostgreSQL
// reports. What PostgreSQL says is believed: a SET that is rolled back is
// reported again. before is the value until now.
func (x *exchange) follow(name, value, before string) {
	lower := strings.ToLower(name)
	if !followed[lower] || x.up.settings == unknownSettings {
		return
	}
	if lower == clientEncoding && !isASCII(x.s.settings.encoded.Value()) {
		x.forgetForeign()
	}
	if x.changes.reported == nil {
		x.changes.reported = make(map[string]string)
	}
	if _, ok := x.changes.reported[name]; !ok {
		x.changes.reported[name] = before
	}
	x.s.changeSettings(x.s.settings.with(lower, value))
	x.up.settings = x.up.settings.with(lower, value)
}

// forgetForeign takes values out that are not ASCII, and in the encoding from before.
// PostgreSQL is asked for them; where the new encoding has no letters for one, it
// cannot be said.
func (x *exchange) forgetForeign() {
	x.changes.touched = true
	rest := x.s.settings
	for name, value := range x.s.settings.each {
		if isASCII(value) {
			continue
		}
		rest, _ = rest.without(name)
		x.up.settings, _ = x.up.settings.without(name)
		if isHidden(name) {
			x.changes.hidden = append(x.changes.hidden, name)
		}
	}
	x.s.changeSettings(rest)
}

// settle, at the end of a transaction, takes back what it had changed for itself:
// SET LOCAL, and what was rolled back. The settings are then those from before,
// rather than the same values said once more.
func (x *exchange) settle() {
	if len(x.changes.reported) > 0 && x.isBack() {
		x.s.changeSettings(x.changes.settled)
		x.up.settings = x.changes.settled
	}
	x.changes.settled, x.changes.sets = x.s.settings, false
	clear(x.changes.reported)
}

// isBack reports whether what PostgreSQL reports is what it was before the
// transaction, and nothing was set for longer.
func (x *exchange) isBack() bool {
	if x.changes.sets {
		return false
	}
	for name, before := range x.changes.reported {
		if x.up.Params[name] != before {
			return false
		}
	}
	return true
}

// changeSettings gives the client other settings.
func (s *Session) changeSettings(to Settings) {
	s.settings = to
	s.meaning = to.meaning()
	s.rests = to.rests()
	s.decideQuoting()
}
