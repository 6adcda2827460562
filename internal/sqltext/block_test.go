// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

func TestOnlyWhatCannotFailOpensABlockUnseen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"BEGIN":                                 "BEGIN",
		"begin;":                                "BEGIN",
		" /* trace */ Begin Work ; -- done":     "BEGIN",
		"BEGIN TRANSACTION READ ONLY":           "BEGIN",
		"BEGIN ISOLATION LEVEL REPEATABLE READ": "BEGIN",
		"begin read only, not deferrable":       "BEGIN",
		"begin read only isolation level read committed deferrable": "BEGIN",
		"START TRANSACTION": "START TRANSACTION",
		"START TRANSACTION ISOLATION LEVEL READ UNCOMMITTED": "START TRANSACTION",
		"SET TRANSACTION READ ONLY":                          "SET",
		"set transaction isolation level read committed":     "SET",
		"":                                   "",
		"BEGIN; SELECT 1":                    "",
		"BEGIN; BEGIN":                       "",
		"BEGIN READ WRITE":                   "",
		"BEGIN ISOLATION LEVEL SERIALIZABLE": "",
		"BEGIN READ ONLY,":                   "",
		"BEGIN ,READ ONLY":                   "",
		"BEGIN WORK TRANSACTION":             "",
		"BEGIN 1":                            "",
		"BEGIN 'x":                           "",
		"BEGIN /* open":                      "",
		"START":                              "",
		"START TRANSACTION WORK":             "",
		"SET TRANSACTION":                    "",
		"SET TRANSACTION SNAPSHOT '00000003-1B-1'":             "",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "",
		"SET LOCAL TRANSACTION READ ONLY":                      "",
		"SELECT 1":                                             "",
	} {
		if o, ok := sqltext.Opens(text); ok != (want != "") || ok && o.Tag != want {
			t.Errorf("Opens(%q) = %+v, %t; want %q", text, o, ok, want)
		}
	}
}

func TestABlockEndsWithPlainCommitAndRollback(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"COMMIT": true, "commit work;": true, "END": true, "end transaction": true,
		"ROLLBACK": true, "abort": true, "ROLLBACK TRANSACTION /* x */": true,
		"COMMIT AND NO CHAIN": true, "; ;COMMIT;": true, ";": false,
		"COMMIT AND CHAIN": false, "ROLLBACK TO a": false, "COMMIT PREPARED 'x'": false,
		"COMMIT; SELECT 1": false, "": false, "COMMIT AND": false, "ROLLBACK WORK TO SAVEPOINT a": false,
	} {
		if _, ok := sqltext.Ends(text); ok != want {
			t.Errorf("Ends(%q) = %t", text, ok)
		}
	}
}

func TestABlockIsOpenedInItsShortestForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"START TRANSACTION /* trace 00-ab */":                    "BEGIN",
		"begin work Isolation  Level Repeatable Read, read only": "BEGIN isolation level repeatable read read only",
		"SET TRANSACTION deferrable;":                            "SET TRANSACTION deferrable",
	} {
		if o, _ := sqltext.Opens(text); o.SQL != want {
			t.Errorf("Opens(%q) = %+v, want %q", text, o, want)
		}
	}
}
