// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"
	"sync"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
)

// A SELECT may write through what it calls, and what it calls is not in its text
// alone. A word may be a function, a column or a view; a view calls functions
// too; an operator, a cast and the CHECK of a domain call functions without any
// word. So PostgreSQL's catalog is asked, and only what it shows to be harmless
// is:
//
//   - a function that initdb has made and that is not volatile, but for a few
//     that run SQL which they are given;
//   - one that is not volatile and of an extension in the list below.
//
// A function of the user's own is not, whatever it is declared to be: STABLE and
// IMMUTABLE are promises that PostgreSQL does not enforce for what it calls, and
// the defaults of its arguments are evaluated by the caller.

// telling are functions of PostgreSQL's own that are not volatile by their
// declaration and still not for asking again. The first run the SQL of a view, or
// of every view of a schema or database, that they are given by a name in a string.
// The others show the settings, among them the one that makes what is asked again
// READ ONLY.
var telling = []string{
	"table_to_xml", "table_to_xml_and_xmlschema", "schema_to_xml", "schema_to_xml_and_xmlschema",
	"database_to_xml", "database_to_xml_and_xmlschema",
	"current_setting", "pg_show_all_settings",
}

// volatileQuery counts what is not known to be harmless among what a text with
// the words $1 may call:
//
//   - rel: the relations that a word may name, the views in the views among
//     them, and their partitions. A foreign table, and one whose rows a policy
//     picks, is not harmless.
//   - called: the functions that a word may name, a word of the text, of a view
//     or of the CHECK of any domain, and those that the catalog says a view, a
//     CHECK or a virtual generated column needs, whatever they are called.
//   - implied: the functions of all operators, casts, operator classes and ranges,
//     which no word need name. They are in C mostly, in which only a superuser
//     can write.
//
// What is below 16384 was made by initdb (PostgreSQL: FirstNormalObjectId in
// transam.h). Everything is qualified: the search_path is the client's.
var volatileQuery = sync.OnceValue(func() string {
	return routine.Uncompiled + strings.NewReplacer(
		"{words}", `pg_catalog.regexp_split_to_table`, "{cut}", `'[^[:alnum:]_$]+'`,
		" = ", " OPERATOR(pg_catalog.=) ", " <> ", " OPERATOR(pg_catalog.<>) ", " < ", " OPERATOR(pg_catalog.<) ",
		"{class}", "'pg_catalog.pg_class'::pg_catalog.regclass", "{proc}", "'pg_catalog.pg_proc'::pg_catalog.regclass",
		"{rewrite}", "'pg_catalog.pg_rewrite'::pg_catalog.regclass", "{attrdef}", "'pg_catalog.pg_attrdef'::pg_catalog.regclass",
		"{constraint}", "'pg_catalog.pg_constraint'::pg_catalog.regclass",
		"{listed}", `EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
		WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid OPERATOR(pg_catalog.=) p.oid
		AND d.deptype OPERATOR(pg_catalog.=) 'e' AND e.extname OPERATOR(pg_catalog.=) ANY (`+quoteArray(routine.Harmless)+`::pg_catalog.name[]))`,
		"{telling}", quoteArray(telling)+"::pg_catalog.name[]",
	).Replace(`WITH RECURSIVE word (w) AS (
	SELECT pg_catalog.unnest($1::pg_catalog.text[])
), rel (oid, kind) AS (
	SELECT c.oid, c.relkind FROM word JOIN pg_catalog.pg_class c ON c.relname = word.w
	UNION
	SELECT c.oid, c.relkind FROM rel CROSS JOIN LATERAL (
		SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = rel.oid
		UNION ALL
		SELECT d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = {rewrite} AND d.objid = r.oid AND d.refclassid = {class}
		WHERE rel.kind = 'v' AND r.ev_class = rel.oid
		UNION ALL
		SELECT v.oid FROM {words}(pg_catalog.pg_get_viewdef(rel.oid), {cut}) m (w) JOIN pg_catalog.pg_class v ON v.relname = m.w
		WHERE rel.kind = 'v'
	) s (oid) JOIN pg_catalog.pg_class c ON c.oid = s.oid
), used (w) AS (
	SELECT w FROM word
	UNION
	SELECT m.w FROM rel CROSS JOIN LATERAL {words}(pg_catalog.pg_get_viewdef(rel.oid), {cut}) m (w) WHERE rel.kind = 'v'
	UNION
	SELECT m.w FROM pg_catalog.pg_constraint k CROSS JOIN LATERAL {words}(pg_catalog.pg_get_constraintdef(k.oid), {cut}) m (w) WHERE k.contypid <> 0
), called (oid) AS (
	SELECT p.oid FROM used JOIN pg_catalog.pg_proc p ON p.proname = used.w
	UNION
	SELECT d.refobjid FROM rel JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid
	JOIN pg_catalog.pg_depend d ON d.classid = {rewrite} AND d.objid = r.oid AND d.refclassid = {proc} WHERE rel.kind = 'v'
	UNION
	SELECT d.refobjid FROM pg_catalog.pg_constraint k
	JOIN pg_catalog.pg_depend d ON d.classid = {constraint} AND d.objid = k.oid AND d.refclassid = {proc} WHERE k.contypid <> 0
	UNION
	SELECT d.refobjid FROM rel JOIN pg_catalog.pg_attrdef f ON f.adrelid = rel.oid
	JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum = f.adnum AND a.attgenerated = 'v'
	JOIN pg_catalog.pg_depend d ON d.classid = {attrdef} AND d.objid = f.oid AND d.refclassid = {proc}
), implied (oid) AS (
	SELECT oprcode::pg_catalog.oid FROM pg_catalog.pg_operator
	UNION
	SELECT castfunc FROM pg_catalog.pg_cast
	UNION
	SELECT amproc::pg_catalog.oid FROM pg_catalog.pg_amproc
	UNION
	SELECT pg_catalog.unnest(ARRAY[rngcanonical::pg_catalog.oid, rngsubdiff::pg_catalog.oid]) FROM pg_catalog.pg_range
), doubtful AS (
	SELECT FROM called JOIN pg_catalog.pg_proc p ON p.oid = called.oid
	WHERE p.provolatile = 'v' OR p.proname = ANY ({telling}) OR NOT (p.oid < 16384 OR {listed})
	UNION ALL
	SELECT FROM implied JOIN pg_catalog.pg_proc p ON p.oid = implied.oid
	JOIN pg_catalog.pg_language l ON l.oid = p.prolang
	WHERE p.provolatile = 'v' OR NOT (p.oid < 16384 OR l.lanname = 'c' OR l.lanname = 'internal' OR {listed})
	UNION ALL
	SELECT FROM rel JOIN pg_catalog.pg_class c ON c.oid = rel.oid WHERE c.relkind = 'f' OR c.relrowsecurity
)
SELECT 'doubtful', pg_catalog.count(*) FROM doubtful`)
})

// volatileIn is volatileQuery for the words of a text.
func volatileIn(words []string) string {
	return strings.Replace(volatileQuery(), "$1", quoteArray(words), 1)
}

// quoteArray writes strings as an array for SQL.
func quoteArray(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quoteValue(s)
	}
	return "ARRAY[" + strings.Join(quoted, ",") + "]"
}

// longestIdentifier is how many bytes of a name PostgreSQL looks at (NAMEDATALEN
// in pg_config_manual.h).
const longestIdentifier = 63 // 63 bytes

// mayRead reports whether the text is one statement that reads as far as its words
// tell. Then whether it does depends on what the words name; a SHOW names nothing.
// utf8 says that PostgreSQL does not fold letters beyond ASCII to lower case, as it
// may where the server's encoding has one byte for each (PostgreSQL:
// downcase_identifier).
func mayRead(text string, r quoting, utf8 bool) (words []string, ok bool) {
	e := effectOf([]byte(text), r)
	flags := sqltext.Scan(text).Flags
	if e.pins != 0 || e.touches || flags&(sqltext.Unterminated|sqltext.Escaped) != 0 || flags&sqltext.NonASCII != 0 && !utf8 {
		return nil, false
	}
	switch e.kinds {
	case 1 << sqltext.Show:
		return nil, true
	case 1 << sqltext.Select, 1 << sqltext.With, 1 << sqltext.Explain:
	default:
		return nil, false
	}
	words, ok = sqltext.Words(text)
	for _, w := range words {
		if slices.Contains(writing, w) || len(w) > longestIdentifier {
			return nil, false
		}
	}
	if slices.Contains(words, "for") && slices.Contains(words, "share") {
		return nil, false
	}
	return words, ok
}

// writing are the words of what writes: a data-modifying CTE, wherever it stands,
// SELECT INTO, FOR UPDATE in its forms, and what EXPLAIN may run or explain. They
// may be names as well; then the statement is not asked again, which is no harm.
var writing = []string{
	"insert", "update", "delete", "merge", "into",
	"analyze", "analyse", "execute", "create", "declare", "refresh",
}
