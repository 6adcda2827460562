// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// findings are what the upstream answered to questions of weir's own.
type findings struct {
	complaint *sqlstate.Error   // the error to the last one, nil where there was none
	rows      map[string]string // of a query of two columns, while it runs; see rowsFrom
	routine   string            // of PostgreSQL's, which complained
	long      []string          // the rows whose value PostgreSQL left out because it is long
	bytes     int               // of the rows
	changed   bool              // a statement has other columns than when it was prepared
	columns   uint64            // a hash of what a statement returns; see noteRows
}

// begin forgets what was found before.
func (f *findings) begin() {
	f.complaint, f.routine, f.long, f.bytes = nil, "", nil, 0
	clear(f.rows)
}

// What weir takes of an answer to its own question is bounded: the rows together,
// and so each.
const mostFound = 8 << 20 // 8 MiB

// errFound is why an answer was not taken.
var errFound = &sqlstate.Error{
	Code:    programLimitExceeded,
	Message: "PostgreSQL's answer to weir is longer than weir can take",
}

// programLimitExceeded is PostgreSQL's code for what is too long (appendix A).
const programLimitExceeded sqlstate.Code = "54000"

// row takes a row that answers a query of weir's own: a name, a value and maybe the
// value's length, which is there without the value where that is long. It returns
// false where more of the row has to come first.
func (x *exchange) row(size int) bool {
	p, f := &x.toClient, &x.found
	if f.complaint == nil && f.bytes+size > mostFound {
		f.complaint = errFound
	}
	switch {
	case f.complaint != nil:
		return true
	case !p.whole(size):
		p.grow(size)
		return false
	}
	f.bytes += size
	name, rest, ok := wire.Column(p.body(size)[2:])
	if !ok {
		return true
	}
	key := strings.ToLower(string(name))
	value, rest, ok := wire.Column(rest)
	if length, _, more := wire.Column(rest); ok && value == nil && more && length != nil {
		f.long = append(f.long, key)
	}
	if ok && value != nil { // null: there is no such setting
		f.rows[key] = string(value)
	}
	return true
}

// rowsFrom runs a query of two or three columns, see row, and returns the second by
// the first in lower case.
func (x *exchange) rowsFrom(sql string) (map[string]string, error) {
	x.found.rows = make(map[string]string)
	err := x.command(sql)
	rows := x.found.rows
	x.found.rows = nil
	return rows, err
}
