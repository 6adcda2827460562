// SPDX-License-Identifier: Apache-2.0

package session

import "testing"

func TestOnlyTheEndOfALostBlockIsTaken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		ends bool
	}{
		{"ROLLBACK", true},
		{"rollback;", true},
		{"COMMIT ;\n", true},
		{"/* why */ abort; ", true},
		{"ROLLBACK AND CHAIN", false},
		{"COMMIT AND CHAIN", false},
		{"COMMIT AND NO CHAIN", true},
		{"SELECT 1;", false},
		{"ROLLBACK; SELECT 1", false},
		{"; ROLLBACK", true},
		{"SELECT 1; ROLLBACK", false},
		{"", false},
	}
	for _, tt := range tests {
		end, more := endOfQuery(append([]byte(tt.text), 0))
		if got := end != none && !more; got != tt.ends {
			t.Errorf("%q: ends %v, want %v", tt.text, got, tt.ends)
		}
	}
}
