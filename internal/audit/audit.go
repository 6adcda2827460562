// SPDX-License-Identifier: Apache-2.0

// Package audit asks each connection to PostgreSQL that changes hands, in tests,
// what a session can hold, and compares it with what weir believes: whatever the
// next client would find there and a fresh session does not have is a difference.
// Importing the package is enough; so it is in no product's binary, but in the
// tests' and in one built with the tag "audit".
//
// A difference is a line "audit: …" at level ERROR in weir's log. To ask costs two
// round trips, and the unnamed statement of the connection is gone after it.
package audit

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
)

func init() {
	if os.Getenv("WEIR_TEST_AUDIT") != "off" {
		session.Auditor = Compare
	}
}

// tries is how often a question is asked anew that has fallen to the session's own
// time limit, before it has lifted that.
const tries = 100

// Compare asks the session everything and returns what weir does not know of. See
// session.Auditor.
func Compare(h *session.Handover) (began map[string]string, differences []string, err error) {
	names := placeholders(h.Settings)
	has, err := inquire(h.Ask, names)
	if err != nil {
		return nil, nil, err
	}
	if h.Began == nil {
		return has, nil, nil
	}
	return nil, compare(h, has, names), nil
}

// inquire asks for all rows and, since an error ends its transaction, for lastval
// in another one.
func inquire(ask func(string) (map[string]string, error), names []string) (map[string]string, error) {
	has, err := persist(ask, question(names))
	if err != nil {
		return nil, err
	}
	numbers, err := persist(ask, begin+`SELECT 'lastval', pg_catalog.lastval();ROLLBACK`)
	switch code := codeOf(err); {
	case err == nil:
		has["lastval"] = numbers["lastval"]
	case code == "42501": // there is one, and this role may not see it
		has["lastval"] = "of a sequence of another role"
	case code != "55000": // not in a prerequisite state: there is none
		return nil, err
	}
	return has, nil
}

// persist asks anew where the session's own time limit ended the question.
func persist(ask func(string) (map[string]string, error), sql string) (rows map[string]string, err error) {
	for range tries {
		rows, err = ask(sql)
		if err == nil || codeOf(err) == "" {
			return rows, err
		}
		if _, e := ask("ROLLBACK"); e != nil && codeOf(e) != "57014" {
			return nil, e
		}
		if codeOf(err) != "57014" { // query_canceled
			break
		}
	}
	return rows, err
}

// codeOf returns the code of PostgreSQL's error, "" where the connection was lost.
func codeOf(err error) sqlstate.Code {
	e, ok := errors.AsType[*sqlstate.Error](err)
	if !ok || e.Code == sqlstate.ConnectionFailure {
		return ""
	}
	return e.Code
}

// begin makes the question's transaction one that never waits and is never refused,
// whatever the session's defaults are.
const begin = `BEGIN ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE;SET LOCAL statement_timeout=0;`

// question asks for everything in one text. Its SETs end with its transaction, so
// that they leave nothing and nothing is reported of them.
//
// Keys: "s:" a setting that is not at its start, "p:" one that pg_settings does not
// show, by name; else what a constant in compare says.
func question(names []string) string {
	var b strings.Builder
	b.WriteString(strings.Replace(begin, `;`, `;SELECT 's:statement_timeout', pg_catalog.current_setting('statement_timeout');`, 1))
	b.WriteString(settings(names))
	for _, name := range names {
		quoted := quote(name)
		b.WriteString(` UNION ALL SELECT pg_catalog.concat('p:',` + quoted + `), ` + short(`pg_catalog.current_setting(`+quoted+`, true)`))
	}
	for _, expression := range []string{"current_user", "session_user"} {
		b.WriteString(` UNION ALL SELECT '` + expression + `', ` + expression + `::pg_catalog.text`)
	}
	b.WriteString(`;SET LOCAL SESSION AUTHORIZATION DEFAULT;SET LOCAL ROLE NONE;`)
	b.WriteString(settings(names)) // a role that had been set may not have seen all
	for key, sql := range holdings {
		b.WriteString(` UNION ALL SELECT '` + key + `', pg_catalog.left(pg_catalog.string_agg(` + sql[0] + `, ', ' ORDER BY ` + sql[0] + ` COLLATE pg_catalog."C"), 2000)` +
			` FROM pg_catalog.` + sql[1])
	}
	b.WriteString(`;ROLLBACK`)
	return b.String()
}

// settings selects the settings that are not what the session began with, and some
// by name.
func settings(asked []string) string {
	return `SELECT pg_catalog.concat('s:', s.name), ` + short(`s.setting`) + ` FROM pg_catalog.pg_settings s` +
		` WHERE (s.setting IS DISTINCT FROM s.reset_val OR pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) ANY (` + quote("{"+strings.Join(plain(asked), ",")+"}") + `::pg_catalog.text[]))` +
		` AND s.name OPERATOR(pg_catalog.<>) ALL ('{transaction_isolation,transaction_read_only,transaction_deferrable,statement_timeout}'::pg_catalog.text[])`
}

// plain returns the names that pg_settings may show.
func plain(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	})
}

// quote quotes a string whatever standard_conforming_strings is.
func quote(value string) string {
	return "E'" + strings.NewReplacer(`'`, `'`+`'`, `\`, `\`).Replace(value) + "'"
}

// longest is how many bytes of a value are compared as they are.
const longest = 500

// short is a value, or where it is long a hash of it: a row has to fit into a buffer
// of weir's.
func short(value string) string {
	return fmt.Sprintf(`CASE WHEN pg_catalog.octet_length(%[1]s) OPERATOR(pg_catalog.>) %[2]d`+
		` THEN pg_catalog.concat('md5 ', pg_catalog.md5(%[1]s)) ELSE %[1]s END`, value, longest)
}

// holdings are what else a session can hold, each as an expression and where from.
var holdings = map[string][2]string{
	"lock":     {`pg_catalog.concat_ws(' ', l.classid, l.objid, l.mode)`, `pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()`},
	"temp":     {`pg_catalog.pg_describe_object(d.classid, d.objid, 0)`, `pg_depend d WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()`},
	"cursor":   {`c.name`, `pg_cursors c WHERE c.name OPERATOR(pg_catalog.<>) ''`},
	"prepare":  {`s.name`, `pg_prepared_statements s WHERE s.from_sql OR s.name OPERATOR(pg_catalog.!~~) 'weir\_%'`},
	"prepared": {`s.name`, `pg_prepared_statements s WHERE s.name OPERATOR(pg_catalog.~~) 'weir\_%'`},
	"channel":  {`c`, `pg_listening_channels() c`},
	"library":  {`s.name`, `pg_settings s WHERE s.name OPERATOR(pg_catalog.~~) '%.%' AND s.name OPERATOR(pg_catalog.!~~) 'plpgsql.%'`},
}

// nothing are those of holdings that a session between two clients has none of.
var nothing = []string{"lock", "temp", "cursor", "prepare", "channel"}

// names says what each is in a difference.
var names = map[string]string{
	"lock": "advisory locks", "temp": "temporary objects", "cursor": "cursors", "prepare": "statements that are no client's of weir",
	"channel": "channels", "library": "settings of libraries", "prepared": "statements",
	"current_user": "current_user", "session_user": "session_user",
}

// compare returns what differs.
func compare(h *session.Handover, has map[string]string, asked []string) (differences []string) {
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	if h.Settings != nil {
		differences = append(differences, compareSettings(h, has, asked)...)
	}
	for _, key := range nothing {
		if has[key] != "" {
			differ("it has %s: %s", names[key], has[key])
		}
	}
	if has["library"] != h.Began["library"] {
		differ("it has %s %q, at its start %q", names["library"], has["library"], h.Began["library"])
	}
	there := strings.Split(has["prepared"], ", ")
	for _, name := range h.Statements {
		if !slices.Contains(there, name) && len(has["prepared"]) < 2000 {
			differ("it does not have the statement %s, but %q", name, there)
		}
	}
	if last, ok := has["lastval"]; ok && !h.Mixed {
		differ("lastval() is %s", last)
	}
	return differences
}

// units are those in which PostgreSQL shows a time (guc.c: time_unit_conversion_table),
// in milliseconds.
var units = map[string]int{"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

// milliseconds returns a time as pg_settings has it, whether with a unit or without.
func milliseconds(value string) string {
	for unit, factor := range units {
		number, _ := strings.CutSuffix(value, unit)
		if n, err := strconv.Atoi(number); err == nil && number != value {
			return strconv.Itoa(n * factor)
		}
	}
	return value
}

// compareSettings returns the settings that are not what weir believes. Those that
// it does not know of have to be as they were at the session's start.
func compareSettings(h *session.Handover, has map[string]string, asked []string) (differences []string) {
	for _, name := range asked {
		want, believed := h.Settings[name]
		if !believed {
			want = h.Began["p:"+name]
		}
		got := has["p:"+name]
		raw, shown := has["s:"+name]
		if name == "statement_timeout" { // the question has one of its own
			got, want = milliseconds(raw), milliseconds(want)
		}
		if got != brief(want) && (!shown || raw != brief(want)) && isComparable(want) {
			differences = append(differences, fmt.Sprintf("%s is %q, not %q", name, got, want))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(has)) {
		name, isSetting := strings.CutPrefix(key, "s:")
		if !isSetting || has[key] == h.Began[key] {
			continue
		}
		if _, believed := h.Settings[name]; !believed {
			differences = append(differences, fmt.Sprintf("%s is %q and should be at its default", name, has[key]))
		}
	}
	who := slices.ContainsFunc([]string{"role", "session_authorization"}, func(name string) bool { _, ok := h.Settings[name]; return ok })
	for _, key := range [...]string{"current_user", "session_user"} {
		if !who && has[key] != h.Began[key] {
			differences = append(differences, fmt.Sprintf("%s is %q, not %q", names[key], has[key], h.Began[key]))
		}
	}
	return differences
}
