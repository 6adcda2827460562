// SPDX-License-Identifier: Apache-2.0

package session

import "encoding/binary"

// calls returns what a FunctionCall message may leave behind. It names a function
// by its oid and has no text. libpq and pgjdbc use it for large objects, whose
// descriptors end with the transaction.
func calls(body []byte) reasons {
	if len(body) >= oidSize && largeObject[binary.BigEndian.Uint32(body)] {
		return 0
	}
	return unclear
}

// oidSize is that of the function's oid, with which the message begins.
const oidSize = 4

// largeObject has the functions of large objects by oid, which never change
// (PostgreSQL: be-fsstubs.c, pg_proc.dat).
var largeObject = map[uint32]bool{
	715: true, 764: true, 765: true, 767: true, 952: true, 953: true, 954: true, 955: true,
	956: true, 957: true, 958: true, 964: true, 1004: true, 3170: true, 3171: true, 3172: true,
	3457: true, 3458: true, 3459: true, 3460: true,
}
