// SPDX-License-Identifier: Apache-2.0

package session

// A span is what a client sends from one Sync to the next. When a message fails,
// PostgreSQL skips the rest of its span. So within a span a message can rely on
// those before it: if one of them fails, it is skipped itself. On a span whose
// answers are not in it cannot: there, anything may yet fail or be skipped.

// pushSync notes that a Sync is sent, which ends a span.
func (x *exchange) pushSync(a answer) {
	a.span = x.s.span
	x.s.span++
	x.due.push(a)
	if a.fate == forwarded {
		x.s.snapshot.sent()
	}
}

// uncertain reports whether what was done in a span may yet turn out not to have
// been done, although the client's next message is sent.
func (x *exchange) uncertain(span uint64) bool {
	return x.due.groups() > 0 && span != x.s.span && span >= x.s.over
}

// unsettled reports whether what name stands for, on either side of weir, depends
// on an earlier span that may yet fail. Then the message waits. p is what it stands
// for if nothing fails, nil where that is nothing.
func (x *exchange) unsettled(name []byte, p *prepared) bool {
	if x.due.groups() == 0 {
		return false
	}
	switch {
	case len(name) == 0:
		x.fence = x.uncertain(x.s.unnamedSpan)
	case p == nil:
		x.fence = x.due.dependsOn(keyed(name))
	default:
		x.fence = x.uncertain(p.span) || x.unsettledThere(p.statement)
	}
	return x.fence
}

// unsettledThere reports whether the upstream has st only if an earlier span does not
// fail.
func (x *exchange) unsettledThere(st *statement) bool {
	if x.due.groups() == 0 {
		return false
	}
	has, confirmed := x.up.Prepared.Has(&st.Statement)
	return has && !confirmed && !x.due.parses(st)
}
