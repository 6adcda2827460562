// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/routine"
)

// separator is what the columns of weir's own are joined by.
const separator = "\x01"

// catalogPrelude goes in front of each of the questions below, in the same text and
// so in the same transaction: names mean PostgreSQL's own, the client's time limit
// does not count, and names come as the server has them, whatever the client's
// encoding has letters for.
const catalogPrelude = `SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = 0; SET LOCAL client_encoding = SQL_ASCII; `

// printQuery asks for what changes whenever a routine changes, or something that may
// call one; for how many there are; and for how search_path begins. Objects of the
// database's own have oids from 16384 on (PostgreSQL: FirstNormalObjectId), by which
// there are indexes.
const printQuery = `SELECT 'print', concat_ws(' '` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_proc WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_trigger WHERE oid >= 16384 AND NOT tgisinternal)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_rewrite WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_attrdef WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_constraint WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_policy WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_operator WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_cast WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_type WHERE oid >= 16384 AND (typtype = 'd' OR typtype = 'b' AND typcategory <> 'A'))` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_event_trigger)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_extension)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_inherits)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL)` +
	`) UNION ALL SELECT 'routines', count(*)::text FROM pg_proc WHERE oid >= 16384` +
	` UNION ALL SELECT 'bytes', coalesce(sum(length(prosrc)), 0)::text FROM pg_proc WHERE oid >= 16384` +
	` UNION ALL SELECT 'path', reset_val FROM pg_settings WHERE name = 'search_path'`

// routinesQuery lists the routines.
const routinesQuery = `SELECT p.oid::text, concat_ws(E'\001', p.xmin, p.proname, l.lanname,` +
	` EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'),` +
	` coalesce(p.proconfig::text, ''), p.prokind)` +
	` FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384`

// bodiesQuery asks for bodies, in pieces that are short enough for any buffer.
const bodiesQuery = `SELECT concat(p.oid, '/', n), substr(p.src, n * 2000 + 1, 2000) FROM` +
	` (SELECT oid, CASE WHEN prosqlbody IS NULL THEN prosrc ELSE pg_get_function_sqlbody(oid) END AS src FROM pg_proc WHERE oid IN ($1)) p,` +
	` generate_series(0, (length(p.src) - 1) / 2000) n`

// callersQuery lists what calls what: relations, types and routines with the
// routines that depend on them, by name; relations with those that they lead to; and
// whatever has a call of one of PostgreSQL's own functions that leave something.
//
// What has no name in a statement counts for all of them: a cast, an operator class,
// and the operators that IN, ORDER BY, LIKE and the like stand for.
var callersQuery = `WITH dep AS MATERIALIZED (SELECT d.classid, d.objid, p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid` +
	` WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid >= 16384 AND d.deptype <> 'i')` +
	`, own AS MATERIALIZED (SELECT oid, proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN (` + quotedNames(routine.Stateful()) + `))` +
	`, pattern AS (SELECT concat(':(func|win|agg|opfunc)[a-z]* (', string_agg(oid::text, '|'), ') ') AS p FROM own)` +
	`, node AS MATERIALIZED (` +
	` SELECT c.relname AS name, concat(r.ev_action::text, r.ev_qual::text) AS tree FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid >= 16384` +
	` UNION ALL SELECT c.relname, a.adbin::text FROM pg_attrdef a JOIN pg_class c ON c.oid = a.adrelid WHERE a.oid >= 16384` +
	` UNION ALL SELECT coalesce(c.relname, t.typname), k.conbin::text FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid WHERE k.oid >= 16384 AND k.conbin IS NOT NULL` +
	` UNION ALL SELECT c.relname, concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid` +
	` UNION ALL SELECT c.relname, t.tgqual::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgqual IS NOT NULL` +
	` UNION ALL SELECT c.relname, concat(i.indexprs::text, i.indpred::text) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE i.indexrelid >= 16384 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)` +
	` UNION ALL SELECT proname, proargdefaults::text FROM pg_proc WHERE oid >= 16384 AND proargdefaults IS NOT NULL` +
	`), suspect AS MATERIALIZED (SELECT n.name, n.tree FROM node n, pattern WHERE n.tree ~ pattern.p)` +
	`, edge (caller, called) AS (` +
	` SELECT s.name, own.proname FROM suspect s JOIN own ON s.tree ~ concat(':(func|win|agg|opfunc)[a-z]* ', own.oid, ' ')` +
	` UNION SELECT name, 'pg_notify' FROM node WHERE tree LIKE '%{NOTIFYSTMT%'` +
	` UNION SELECT c.relname, dep.proname FROM dep JOIN pg_rewrite r ON r.oid = dep.objid JOIN pg_class c ON c.oid = r.ev_class WHERE dep.classid = 'pg_rewrite'::regclass` +
	` UNION SELECT c.relname, dep.proname FROM dep JOIN pg_attrdef a ON a.oid = dep.objid JOIN pg_class c ON c.oid = a.adrelid WHERE dep.classid = 'pg_attrdef'::regclass` +
	` UNION SELECT coalesce(c.relname, t.typname), dep.proname FROM dep JOIN pg_constraint k ON k.oid = dep.objid LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid WHERE dep.classid = 'pg_constraint'::regclass` +
	` UNION SELECT c.relname, dep.proname FROM dep JOIN pg_trigger t ON t.oid = dep.objid JOIN pg_class c ON c.oid = t.tgrelid WHERE dep.classid = 'pg_trigger'::regclass` +
	` UNION SELECT c.relname, p.proname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.oid >= 16384 AND NOT t.tgisinternal` +
	` UNION SELECT c.relname, dep.proname FROM dep JOIN pg_policy y ON y.oid = dep.objid JOIN pg_class c ON c.oid = y.polrelid WHERE dep.classid = 'pg_policy'::regclass` +
	` UNION SELECT coalesce(c.relname, x.relname), dep.proname FROM dep JOIN pg_class x ON x.oid = dep.objid LEFT JOIN pg_index i ON i.indexrelid = x.oid LEFT JOIN pg_class c ON c.oid = i.indrelid WHERE dep.classid = 'pg_class'::regclass` +
	` UNION SELECT t.typname, dep.proname FROM dep JOIN pg_type t ON t.oid = dep.objid WHERE dep.classid = 'pg_type'::regclass` +
	` UNION SELECT p.proname, dep.proname FROM dep JOIN pg_proc p ON p.oid = dep.objid WHERE dep.classid = 'pg_proc'::regclass` +
	` UNION SELECT E'\003', p.proname FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid` +
	` UNION SELECT CASE WHEN o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '~~', '!~~', '~~*', '!~~*', '~', '!~') THEN E'\002' ELSE o.oprname END, dep.proname` +
	` FROM dep JOIN pg_operator o ON o.oid = dep.objid WHERE dep.classid = 'pg_operator'::regclass` +
	` UNION SELECT coalesce(c.relname, k.relname, t.relname, i.relname, n.proname), o.oprname FROM pg_depend d JOIN pg_operator o ON o.oid = d.refobjid` +
	` LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid LEFT JOIN pg_class c ON c.oid = r.ev_class` +
	` LEFT JOIN pg_constraint q ON d.classid = 'pg_constraint'::regclass AND q.oid = d.objid LEFT JOIN pg_class k ON k.oid = q.conrelid` +
	` LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid LEFT JOIN pg_class t ON t.oid = a.adrelid` +
	` LEFT JOIN pg_index x ON d.classid = 'pg_class'::regclass AND x.indexrelid = d.objid LEFT JOIN pg_class i ON i.oid = x.indrelid` +
	` LEFT JOIN pg_proc n ON d.classid = 'pg_proc'::regclass AND n.oid = d.objid` +
	` WHERE d.refclassid = 'pg_operator'::regclass AND d.refobjid >= 16384 AND d.classid <> 'pg_operator'::regclass` +
	` UNION SELECT E'\002', dep.proname FROM dep WHERE dep.classid NOT IN ('pg_operator'::regclass, 'pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass,` +
	` 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass, 'pg_event_trigger'::regclass, 'pg_extension'::regclass)` +
	` UNION SELECT c.relname, v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class JOIN pg_class v ON v.oid = d.refobjid` +
	` WHERE d.classid = 'pg_rewrite'::regclass AND d.objid >= 16384 AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class` +
	` UNION SELECT p.relname, c.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid` +
	` UNION SELECT p.relname, c.relname FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))` +
	` UNION SELECT c.relname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid WHERE t.oid >= 16384 AND t.typtype IN ('b', 'd')` +
	`) SELECT row_number() OVER ()::text, concat(caller, E'\001', called) FROM edge`

// quotedNames writes names of PostgreSQL's own as a list for SQL.
func quotedNames(names []string) string {
	return "'" + strings.Join(names, "','") + "'"
}
