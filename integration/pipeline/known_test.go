// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"slices"
	"strings"

	"github.com/weir-pg/weir/integration/wiretest"
)

// Known differences, which random pipelines would show again and again:
//
//   - In a failed block weir may have to send a Parse in front of the client's
//     message, for a statement that the upstream lacks or for a name as SQL knows
//     it. PostgreSQL refuses that with 25P02, whatever it would have said to the
//     message: another error, or that it is done.
//   - A BEGIN that was held back runs in one group with what follows. If that fails,
//     its portal goes with the group, where PostgreSQL alone keeps it: 34000, once
//     the block has failed.
//   - EXECUTE of a BEGIN or a ROLLBACK that Parse has prepared leaves PostgreSQL in a
//     state that it does not know: it ends the connection with XX000. The client keeps
//     the one that it has with weir, and is told 08007.
//   - A ROLLBACK TO that fails in a failed block, as a simple query, leaves its portal
//     behind. PostgreSQL frees what it is to run, and reads it all the same when that is
//     executed (IsTransactionExitStmtList in exec_execute_message): by what stands there
//     then it says 25P02 or 55000, by the lengths of messages, or crashes.
//   - The catalog pg_prepared_statements shows weir's names; no script asks for it.

// alike compares answers up to these differences, of which the first is one only in
// a group that begins in a failed block; failed says whether the first one does. After
// one of the first two, the messages behind it up to the Sync are skipped on one side,
// and carried out on the other: what follows cannot be compared, and ends says so.
func alike(got, want []string, failed bool) (same, ends bool) {
	for len(got) > 0 && len(want) > 0 {
		switch {
		case fails(got[0], "08007") && fails(want[0], "XX000") && strings.Contains(want[0], `"SeverityUnlocalized":"FATAL"`):
			return len(want) > 1 && want[1] == wiretest.Ended, true
		case got[0] == want[0]:
			if strings.HasPrefix(got[0], ready) {
				failed = strings.HasPrefix(got[0], readyFailed)
			}
			got, want = got[1:], want[1:]
		case failed && dangles(got[0]) && dangles(want[0]):
			got, want = got[1:], want[1:]
		case failed && fails(got[0], "25P02") || fails(got[0], "34000"):
			return staysFailed(got) && staysFailed(want), true
		default:
			return false, false
		}
	}
	return len(got) == 0 && len(want) == 0, false
}

// staysFailed reports whether the block has failed after the group that is answered.
func staysFailed(lines []string) bool {
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, ready) })
	return i >= 0 && strings.HasPrefix(lines[i], readyFailed)
}

const (
	ready       = `{"Type":"ReadyForQuery"`
	readyFailed = ready + `,"TxStatus":"E"`
)

// fails reports whether a line is an error with that code.
func fails(line, code string) bool {
	return strings.HasPrefix(line, `{"Type":"ErrorResponse"`) && strings.Contains(line, `"Code":"`+code+`"`)
}

// dangles reports whether a line is what PostgreSQL says to the Execute of a portal that
// has failed in a failed block.
func dangles(line string) bool {
	return fails(line, "25P02") || fails(line, "55000") && strings.Contains(line, `portal \"\" cannot be run`)
}
