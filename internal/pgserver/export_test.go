// SPDX-License-Identifier: Apache-2.0

package pgserver

// The parts that have tests of their own.
var (
	Accepts     = accepts
	Encode      = encode
	FindVersion = find
	Number      = number
	Tail        = tail
	Unpack      = unpack
)
