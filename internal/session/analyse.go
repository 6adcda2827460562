// SPDX-License-Identifier: Apache-2.0

package session

// A constant becomes a value when PostgreSQL analyses a text, at Parse: the input
// function of its type runs then, and with it the CHECK of each domain in that type
// (PostgreSQL: coerce_type in parse_coerce.c, domain_in). So each Parse of a client's
// text may leave behind what the routines do that the text may call, whether anything
// is bound or not, and whether the client has asked for it or weir prepares the text
// once more. Which of the routines run so early nobody asks.

// analysed returns what PostgreSQL may leave behind when it analyses a statement, nil
// for nothing: what a database's own routines add to the effect e.
func (x *exchange) analysed(e *effect) *effect {
	switch {
	case e.parsing != nil:
		return x.located(e.parsing)
	case e == &unread && (x.pool().catalog.current.Load() != nil || x.lately(e)):
		return e
	}
	return nil
}

// analyses notes that a Parse of st is about to be sent. It returns what pins.
func (x *exchange) analyses(st *statement) reasons { return x.analysesAs(x.effectOf(st)) }

// analysesAs is analyses for a text of that effect.
func (x *exchange) analysesAs(e *effect) reasons {
	if e = x.analysed(e); e == nil {
		return 0
	}
	x.leaves(e)
	x.dropOthersOf(e)
	return e.pins
}
