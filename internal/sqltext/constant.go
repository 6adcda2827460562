// SPDX-License-Identifier: Apache-2.0

package sqltext

import "bytes"

// IsConstant reports whether a text is a SELECT of numbers and NULL: there is
// nothing in it that could call anything.
func IsConstant(text string) bool {
	rest := bytes.ToLower([]byte(text))
	rest, selects := bytes.CutPrefix(bytes.TrimSpace(rest), []byte("select "))
	rest = bytes.ReplaceAll(rest, []byte("null"), nil)
	return selects && len(bytes.Trim(rest, "0123456789, ;")) == 0
}
