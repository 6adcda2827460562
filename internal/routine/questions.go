// SPDX-License-Identifier: Apache-2.0

package routine

import (
	"slices"
	"strings"
)

// Separator is what joins the columns of the answers to the questions below.
const Separator = "\x01"

// Uncompiled has a question neither compiled nor split among workers, which takes a second
// where answering it takes a hundredth. It holds for the transaction, which is the text.
const Uncompiled = "SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0;"

// prelude goes in front of each of the questions below, in the same text and
// so in the same transaction: names mean PostgreSQL's own, the client's time limit
// does not count, and names come as the server has them, whatever the client's
// encoding has letters for.
const prelude = Uncompiled + ` SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = 0; SET LOCAL client_encoding = SQL_ASCII; `

// PrintQuery asks for what changes whenever a routine changes, or something that may
// call one, apart for what names in a text stand for; for how many there are; for
// the latest type; and for how search_path begins. Objects of the
// database's own have oids from 16384 on (PostgreSQL: FirstNormalObjectId), by which
// there are indexes.
const PrintQuery = prelude + `SELECT 'names', concat_ws(' '` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_proc WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_operator WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_type WHERE oid >= 16384 AND typtype <> 'c' AND typcategory <> 'A')` +
	`, (SELECT concat(count(*), '/', sum(hashtext(concat(oid, relname))::int8)) FROM pg_class WHERE oid >= 16384 AND relpersistence <> 't' AND relkind <> 't')` +
	`) UNION ALL SELECT 'print', concat_ws(' '` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_trigger WHERE oid >= 16384 AND NOT tgisinternal)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_rewrite WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_attrdef WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_constraint WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_policy WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_cast WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_attribute WHERE atttypid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_amop WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_amproc WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_transform WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_conversion WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_statistic_ext WHERE oid >= 16384)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_event_trigger)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_extension)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_inherits)` +
	`, (SELECT concat(count(*), '/', sum(xmin::text::int8)) FROM pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL)` +
	`) UNION ALL SELECT 'routines', count(*)::text FROM pg_proc WHERE oid >= 16384` +
	` UNION ALL SELECT 'bytes', coalesce(sum(length(prosrc)), 0)::text FROM pg_proc WHERE oid >= 16384` +
	` UNION ALL SELECT 'newest', max(oid)::text FROM pg_type` +
	` UNION ALL SELECT 'path', reset_val FROM pg_settings WHERE name = 'search_path'`

// trustedRoutine is whether Listed.Code trusts the routine p: an extension's, and those
// that make values of a range type (PostgreSQL: makeRangeConstructors), which come
// with the type, and whose names are the type's.
const trustedRoutine = `(EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')` +
	` OR l.lanname = 'internal' AND p.prosrc ~ '^(multi)?range_constructor[0-3]$')`

// outsideRoutine is whether the routine p, in C and volatile, may do what no rollback
// undoes: dblink asks another server. Those of the extensions that are listed do not.
var outsideRoutine = `(l.lanname = 'c' AND p.provolatile = 'v' AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid` +
	` WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'` +
	` AND x.extname IN (` + quotedNames(slices.Concat(Harmless, revocableExtensions)) + `)))`

// Harmless are extensions whose functions do what their declarations say.
var Harmless = []string{
	"bloom", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance",
	"fuzzystrmatch", "hstore", "intarray", "isn", "ltree", "pg_trgm", "pgcrypto", "postgis", "postgis_raster",
	"seg", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
}

// revocableExtensions are further extensions of whose volatile functions in C a
// rollback undoes everything.
var revocableExtensions = []string{"autoinc", "lo", "moddatetime", "plpgsql", "refint", "tablefunc", "tcn"}

// outsideOwn is whether PostgreSQL's own function may.
var outsideOwn = func() string {
	may, not := OutsidePattern()
	return `provolatile = 'v' AND proname ~ '` + may + `' AND proname !~ '` + not + `'`
}()

// RoutinesQuery lists the routines, each as ParseListed reads it.
var RoutinesQuery = prelude + `SELECT p.oid::text, concat_ws(E'\001', p.xmin, p.proname, l.lanname,` +
	` ` + trustedRoutine + `,` +
	` coalesce(p.proconfig::text, ''), p.prokind, ` + outsideRoutine + `)` +
	` FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384`

// BodiesQuery asks for the bodies of routines, by their oids, in pieces that are short
// enough for any buffer: each by oid/number.
func BodiesQuery(oids []string) string {
	return prelude + strings.Replace(bodiesQuery, "$1", strings.Join(oids, ","), 1)
}

const bodiesQuery = `SELECT concat(p.oid, '/', n), substr(p.src, n * 2000 + 1, 2000) FROM` +
	` (SELECT oid, CASE WHEN prosqlbody IS NULL THEN prosrc ELSE pg_get_function_sqlbody(oid) END AS src FROM pg_proc WHERE oid IN ($1)) p,` +
	` generate_series(0, (length(p.src) - 1) / 2000) n`

// CallersQuery lists what calls what: relations, types, operators and routines with
// the routines that depend on them, by name; relations with those that they lead to;
// and whatever has a call of one of PostgreSQL's own functions that leave something.
//
// What has no name in a statement counts for all of them: a cast, an operator class,
// and the operators that IN, ORDER BY, LIKE and the like stand for.
//
// No dependency is noted on what PostgreSQL itself came with, and there nothing is
// noted of what it is made of (PostgreSQL: recordMultipleDependencies), so that each
// column of the catalog that has a function in it is read as well.
var CallersQuery = prelude + `WITH RECURSIVE own AS MATERIALIZED (SELECT oid, proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (proname IN (` + quotedNames(Stateful()) + `) OR ` + outsideOwn + `))` +
	`, fn AS MATERIALIZED (SELECT * FROM own UNION SELECT p.oid, p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384` +
	` AND NOT (l.lanname IN ('c', 'internal') AND p.proname NOT IN (` + quotedNames(Stateful()) + `) AND ` + trustedRoutine + `))` +
	`, beyond AS MATERIALIZED (SELECT * FROM fn UNION SELECT p.oid, p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 AND ` + outsideRoutine +
	` AND p.oid NOT IN (SELECT unnest(ARRAY[fdwhandler, fdwvalidator]) FROM pg_foreign_data_wrapper UNION SELECT unnest(ARRAY[lanplcallfoid, laninline, lanvalidator]) FROM pg_language UNION SELECT amhandler FROM pg_am))` +
	`, dep AS MATERIALIZED (SELECT d.classid, d.objid, fn.proname FROM pg_depend d JOIN beyond fn ON fn.oid = d.refobjid` +
	` WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid >= 16384 AND d.deptype <> 'i')` +
	`, op AS MATERIALIZED (SELECT oid, CASE WHEN oprname IN ('=', '<>', '<', '>', '<=', '>=', '~~', '!~~', '~~*', '!~~*', '~', '!~') THEN E'\002' ELSE oprname::text END AS name, oprcode, oprrest, oprjoin, oprcom, oprnegate FROM pg_operator)` +
	`, pattern AS (SELECT concat(':(func|win|agg|opfunc)[a-z]* (', string_agg(oid::text, '|'), ') ') AS p FROM own)` +
	`, node AS MATERIALIZED (` +
	` SELECT c.relname AS name, concat(r.ev_action::text, r.ev_qual::text) AS tree FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid >= 16384` +
	` UNION ALL SELECT c.relname, a.adbin::text FROM pg_attrdef a JOIN pg_class c ON c.oid = a.adrelid WHERE a.oid >= 16384` +
	` UNION ALL SELECT coalesce(c.relname, t.typname), k.conbin::text FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid WHERE k.oid >= 16384 AND k.conbin IS NOT NULL` +
	` UNION ALL SELECT c.relname, concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid` +
	` UNION ALL SELECT c.relname, t.tgqual::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgqual IS NOT NULL` +
	` UNION ALL SELECT c.relname, concat(i.indexprs::text, i.indpred::text) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE i.indexrelid >= 16384 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)` +
	` UNION ALL SELECT c.relname, p.partexprs::text FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid WHERE p.partexprs IS NOT NULL` +
	` UNION ALL SELECT c.relname, s.stxexprs::text FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid WHERE s.stxexprs IS NOT NULL` +
	` UNION ALL SELECT typname, typdefaultbin::text FROM pg_type WHERE oid >= 16384 AND typdefaultbin IS NOT NULL` +
	` UNION ALL SELECT proname, proargdefaults::text FROM pg_proc WHERE oid >= 16384 AND proargdefaults IS NOT NULL` +
	`), suspect AS MATERIALIZED (SELECT n.name, n.tree FROM node n, pattern WHERE n.tree ~ pattern.p)` +
	`, edge (caller, called) AS MATERIALIZED (` +
	` SELECT s.name::text, own.proname::text FROM suspect s JOIN own ON s.tree ~ concat(':(func|win|agg|opfunc)[a-z]* ', own.oid, ' ')` +
	` UNION SELECT name, 'pg_notify' FROM node WHERE tree LIKE '%{NOTIFYSTMT%'` +
	// What depends on a routine.
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
	` UNION SELECT E'\002', dep.proname FROM dep WHERE dep.classid NOT IN ('pg_operator'::regclass, 'pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass,` +
	` 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass, 'pg_event_trigger'::regclass, 'pg_extension'::regclass)` +
	// What has a routine in a column.
	` UNION SELECT op.name, fn.proname FROM op, unnest(ARRAY[op.oprcode, op.oprrest, op.oprjoin]) f JOIN beyond fn ON fn.oid = f` +
	` UNION SELECT op.name, other.name FROM op, unnest(ARRAY[op.oprcom, op.oprnegate]) f JOIN op other ON other.oid = f WHERE op.oid >= 16384 OR other.oid >= 16384` +
	` UNION SELECT p.proname, fn.proname FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid, unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]) f JOIN beyond fn ON fn.oid = f` +
	` UNION SELECT t.typname, fn.proname FROM pg_type t, unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze, t.typsubscript]) f JOIN beyond fn ON fn.oid = f AND f >= 16384` +
	` UNION SELECT t.typname, fn.proname FROM pg_range r JOIN pg_type t ON t.oid IN (r.rngtypid, r.rngmultitypid) JOIN fn ON fn.oid IN (r.rngcanonical, r.rngsubdiff)` +
	` UNION SELECT p.proname, fn.proname FROM pg_proc p JOIN beyond fn ON fn.oid = p.prosupport` +
	` UNION SELECT E'\002', fn.proname FROM fn WHERE fn.oid IN (SELECT castfunc FROM pg_cast UNION SELECT amproc FROM pg_amproc` +
	` UNION SELECT oprcode FROM pg_amop a JOIN op ON op.oid = a.amopopr WHERE a.oid >= 16384 UNION SELECT unnest(ARRAY[trffromsql, trftosql]) FROM pg_transform` +
	` UNION SELECT conproc FROM pg_conversion UNION SELECT amhandler FROM pg_am UNION SELECT unnest(ARRAY[tmplinit, tmpllexize]) FROM pg_ts_template` +
	` UNION SELECT unnest(ARRAY[prsstart, prstoken, prsend, prsheadline, prslextype]) FROM pg_ts_parser UNION SELECT unnest(ARRAY[fdwhandler, fdwvalidator]) FROM pg_foreign_data_wrapper` +
	` UNION SELECT unnest(ARRAY[lanplcallfoid, laninline, lanvalidator]) FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))` +
	// What uses an operator.
	` UNION SELECT coalesce(c.relname, k.relname, kt.typname, t.relname, i.relname, n.proname, y.relname, E'\002'), o.name FROM pg_depend d JOIN op o ON o.oid = d.refobjid` +
	` LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid LEFT JOIN pg_class c ON c.oid = r.ev_class` +
	` LEFT JOIN pg_constraint q ON d.classid = 'pg_constraint'::regclass AND q.oid = d.objid LEFT JOIN pg_class k ON k.oid = q.conrelid LEFT JOIN pg_type kt ON kt.oid = q.contypid` +
	` LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid LEFT JOIN pg_class t ON t.oid = a.adrelid` +
	` LEFT JOIN pg_index x ON d.classid = 'pg_class'::regclass AND x.indexrelid = d.objid LEFT JOIN pg_class i ON i.oid = coalesce(x.indrelid, CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END)` +
	` LEFT JOIN pg_proc n ON d.classid = 'pg_proc'::regclass AND n.oid = d.objid` +
	` LEFT JOIN pg_policy l ON d.classid = 'pg_policy'::regclass AND l.oid = d.objid LEFT JOIN pg_class y ON y.oid = l.polrelid` +
	` WHERE d.refclassid = 'pg_operator'::regclass AND d.refobjid >= 16384 AND d.classid NOT IN ('pg_operator'::regclass, 'pg_extension'::regclass, 'pg_amop'::regclass)` +
	// What leads to a relation.
	` UNION SELECT c.relname, v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class JOIN pg_class v ON v.oid = d.refobjid` +
	` WHERE d.classid = 'pg_rewrite'::regclass AND d.objid >= 16384 AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class` +
	` UNION SELECT c.relname, p.proname FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid JOIN pg_foreign_server s ON s.oid = f.ftserver JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw JOIN pg_proc p ON p.oid = w.fdwhandler` +
	` UNION SELECT p.relname, c.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid` +
	// A partition checks that a row is its own by the key of the table that it is of.
	` UNION SELECT c.relname, p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relispartition` +
	` UNION SELECT p.relname, c.relname FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))` +
	// TRUNCATE … CASCADE leads to whatever refers to a table, by however many steps.
	` UNION SELECT 'truncate', c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgtype & 32 <> 0` +
	`)` + typesQuery +
	` SELECT row_number() OVER ()::text, concat(caller, E'\001', called) FROM (SELECT * FROM edge UNION SELECT * FROM typed) e`

// typesQuery goes on with types: part has those that are made of others, hot those
// that call something, they or what they are made of, and typed whatever has one of
// these in it. A parameter may be of a type by its oid alone.
const typesQuery = `, part (whole, part) AS MATERIALIZED (` +
	` SELECT oid, typbasetype FROM pg_type WHERE typbasetype >= 16384` +
	` UNION ALL SELECT oid, typelem FROM pg_type WHERE typelem >= 16384` +
	` UNION ALL SELECT c.reltype, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.atttypid >= 16384 AND c.reltype <> 0` +
	` UNION ALL SELECT rngtypid, rngsubtype FROM pg_range WHERE rngsubtype >= 16384` +
	` UNION ALL SELECT rngmultitypid, rngtypid FROM pg_range WHERE rngtypid >= 16384` +
	` UNION ALL SELECT k.contypid, d.refobjid FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_type'::regclass AND k.contypid NOT IN (0, d.refobjid)` +
	` UNION ALL SELECT d.objid, d.refobjid FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_type'::regclass` +
	`), hot (oid) AS (SELECT t.oid FROM pg_type t JOIN edge ON edge.caller = t.typname WHERE t.oid >= 16384 AND t.typtype <> 'c'` +
	` UNION SELECT part.whole FROM hot JOIN part ON part.part = hot.oid)` +
	`, typed (caller, called) AS (` +
	` SELECT w.typname::text, t.typname::text FROM hot JOIN part ON part.part = hot.oid JOIN pg_type w ON w.oid = part.whole JOIN pg_type t ON t.oid = hot.oid` +
	` UNION SELECT concat(E'\005', t.oid), t.typname FROM hot JOIN pg_type t ON t.oid = hot.oid` +
	` UNION SELECT c.relname, t.typname FROM hot JOIN pg_type t ON t.oid = hot.oid JOIN pg_attribute a ON a.atttypid = t.oid JOIN pg_class c ON c.oid = a.attrelid` +
	` UNION SELECT coalesce(c.relname, k.relname, f.relname, n.proname, o.name, y.relname, g.relname), t.typname FROM hot JOIN pg_type t ON t.oid = hot.oid` +
	` JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = hot.oid` +
	` LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid LEFT JOIN pg_class c ON c.oid = r.ev_class` +
	` LEFT JOIN pg_constraint q ON d.classid = 'pg_constraint'::regclass AND q.oid = d.objid LEFT JOIN pg_class k ON k.oid = q.conrelid` +
	` LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid LEFT JOIN pg_class f ON f.oid = a.adrelid` +
	` LEFT JOIN pg_proc n ON d.classid = 'pg_proc'::regclass AND n.oid = d.objid` +
	` LEFT JOIN op o ON d.classid = 'pg_operator'::regclass AND o.oid = d.objid` +
	` LEFT JOIN pg_policy l ON d.classid = 'pg_policy'::regclass AND l.oid = d.objid LEFT JOIN pg_trigger tg ON d.classid = 'pg_trigger'::regclass AND tg.oid = d.objid LEFT JOIN pg_class y ON y.oid = coalesce(l.polrelid, tg.tgrelid)` +
	` LEFT JOIN pg_index x ON d.classid = 'pg_class'::regclass AND x.indexrelid = d.objid LEFT JOIN pg_class g ON g.oid = coalesce(x.indrelid, CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END)` +
	` WHERE coalesce(c.relname, k.relname, f.relname, n.proname, o.name, y.relname, g.relname) IS NOT NULL)`

// quotedNames writes names of PostgreSQL's own as a list for SQL.
func quotedNames(names []string) string {
	return "'" + strings.Join(names, "','") + "'"
}
