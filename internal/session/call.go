// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"

	"github.com/weir-pg/weir/internal/routine"
)

// calls returns what a FunctionCall message may leave behind. It names a function
// by its oid and has no text. libpq and pgjdbc use it for large objects, whose
// descriptors end with the transaction. Of a function that did not come with
// PostgreSQL nothing is known, not even its name.
func calls(body []byte) reasons {
	if len(body) < oidSize || routine.MayKeep(binary.BigEndian.Uint32(body)) {
		return unclear
	}
	return 0
}

// callsNextval reports whether the function is nextval, which leaves nothing but what
// currval answers.
func callsNextval(body []byte) bool {
	return len(body) >= oidSize && binary.BigEndian.Uint32(body) == 1574
}

// oidSize is that of the function's oid, with which the message begins.
const oidSize = 4
