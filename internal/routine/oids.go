// SPDX-License-Identifier: Apache-2.0

package routine

// FirstNormal is the oid from which on a database's own objects are numbered
// (PostgreSQL: FirstNormalObjectId).
const FirstNormal = 16384

// MayKeep reports whether a function of that oid may leave something in the session. Of
// one that did not come with PostgreSQL nothing is known.
func MayKeep(oid uint32) bool { return oid >= FirstNormal || stateful[oid] }

// stateful has PostgreSQL's own functions that keep state in the session or run
// what a text asks for, by oid, which never changes (PostgreSQL: pg_proc.dat).
var stateful = func() map[uint32]bool {
	m := make(map[uint32]bool)
	for _, oids := range [...][]uint32{
		{1575, 2559, 1599, 2078},                         // currval, lastval, setseed, set_config
		{2880, 2881, 2882, 2883, 2886, 2887, 2888, 2889}, // session advisory locks
		{2172, 6006, 6007},                               // pg_backup_start, replication origins
		{3779, 3786, 4220, 4221, 4222, 4223, 4224},       // replication slots
		{2923, 2924, 2925, 2926, 2927, 2928, 2929, 2930}, // tables, queries and cursors to XML
		{2933, 2934, 2935, 2936, 2937, 2938},             // schemas and databases to XML
		{3684, 3685, 3689, 3690},                         // ts_rewrite, ts_stat
		{750, 2290, 2597, 3834, 4231, 6210, 6211, 6363},  // array_in and others that are given a type
	} {
		for _, oid := range oids {
			m[oid] = true
		}
	}
	return m
}()
