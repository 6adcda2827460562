// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

// classified are statements with the kind and name they have. All but those of
// kind Unknown are statements that PostgreSQL's grammar accepts.
var classified = []struct {
	text string
	kind sqltext.Kind
	name string
}{
	{"", sqltext.Empty, ""},
	{" \t\r\n\f", sqltext.Empty, ""},
	{";", sqltext.Empty, ""},
	{" ; /* a */ ; -- b", sqltext.Empty, ""},
	{"-- only a comment", sqltext.Empty, ""},
	{"/* a /* nested */ comment */", sqltext.Empty, ""},

	{"SELECT 1", sqltext.Select, ""},
	{"sElEcT 1", sqltext.Select, ""},
	{";;SELECT 1", sqltext.Select, ""},
	{"SELECT", sqltext.Select, ""},
	{"select*from pg_class", sqltext.Select, ""},
	{"select'a'", sqltext.Select, ""},
	{"/* hint */ SELECT 1", sqltext.Select, ""},
	{"--x\nSELECT 1", sqltext.Select, ""},
	{"--x\rSELECT 1", sqltext.Select, ""},
	{"(SELECT 1)", sqltext.Select, ""},
	{"((SELECT 1) UNION (SELECT 2))", sqltext.Select, ""},
	{"VALUES (1), (2)", sqltext.Select, ""},
	{"TABLE pg_class", sqltext.Select, ""},
	{"WITH a AS (SELECT 1) SELECT * FROM a", sqltext.With, ""},
	{"(WITH a AS (SELECT 1) SELECT * FROM a)", sqltext.With, ""},
	{"INSERT INTO t VALUES (1)", sqltext.Insert, ""},
	{"UPDATE t SET a = 1", sqltext.Update, ""},
	{"DELETE FROM t", sqltext.Delete, ""},
	{"MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", sqltext.Merge, ""},
	{"FETCH ALL FROM c", sqltext.Ordinary, ""},
	{"VACUUM", sqltext.Ordinary, ""},
	{"ANALYZE t", sqltext.Ordinary, ""},

	{"BEGIN", sqltext.Begin, ""},
	{"begin work", sqltext.Begin, ""},
	{"BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", sqltext.Begin, ""},
	{"START TRANSACTION READ WRITE", sqltext.Begin, ""},
	{"START/**/TRANSACTION", sqltext.Begin, ""},
	{"COMMIT", sqltext.Commit, ""},
	{"COMMIT WORK AND NO CHAIN", sqltext.Commit, ""},
	{"COMMIT AND CHAIN", sqltext.Commit, ""},
	{"END", sqltext.Commit, ""},
	{"END TRANSACTION", sqltext.Commit, ""},
	{"COMMIT PREPARED 'x'", sqltext.CommitPrepared, ""},
	{"ROLLBACK", sqltext.Rollback, ""},
	{"ROLLBACK TRANSACTION", sqltext.Rollback, ""},
	{"ROLLBACK AND CHAIN", sqltext.Rollback, ""},
	{"ABORT WORK", sqltext.Rollback, ""},
	{"ROLLBACK PREPARED 'x'", sqltext.RollbackPrepared, ""},
	{"ROLLBACK TO a", sqltext.RollbackTo, "a"},
	{"ROLLBACK WORK TO SAVEPOINT A", sqltext.RollbackTo, "a"},
	{"ROLLBACK TRANSACTION TO savepoint", sqltext.RollbackTo, "savepoint"},
	{"SAVEPOINT s1", sqltext.Savepoint, "s1"},
	{`SAVEPOINT "S ""1"`, sqltext.Savepoint, `S "1`},
	{"RELEASE a", sqltext.Release, "a"},
	{"RELEASE SAVEPOINT a", sqltext.Release, "a"},
	{"RELEASE SAVEPOINT", sqltext.Release, "savepoint"},
	{"PREPARE TRANSACTION 'x'", sqltext.PrepareTransaction, ""},
	{"SET TRANSACTION READ ONLY", sqltext.SetTransaction, ""},
	{"SET LOCAL TRANSACTION READ ONLY", sqltext.SetTransaction, ""},
	{"SET TRANSACTION SNAPSHOT '00000003-0000001B-1'", sqltext.SetTransaction, ""},
	{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", sqltext.SetCharacteristics, ""},
	{"SET CONSTRAINTS ALL DEFERRED", sqltext.SetConstraints, ""},

	{"SET search_path = a, b", sqltext.Set, "search_path"},
	{"SET search_path=''", sqltext.Set, "search_path"},
	{"SET Search_Path TO DEFAULT", sqltext.Set, "search_path"},
	{"SET SESSION work_mem TO '1MB'", sqltext.Set, "work_mem"},
	{`SET "DateStyle" = iso`, sqltext.Set, "datestyle"},
	{"SET app.User_Id = '7'", sqltext.Set, "app.user_id"},
	{"SET app /* */ . user_id = '7'", sqltext.Set, "app.user_id"},
	{`SET "app"."tenant" TO x`, sqltext.Set, "app.tenant"},
	{"SET a.b.c = 1", sqltext.Set, "a.b.c"},
	{"SET session.id = 1", sqltext.Set, "session.id"},
	{"SET local.id = 1", sqltext.Set, "local.id"},
	{"SET LOCAL session.id = 1", sqltext.SetLocal, "session.id"},
	{"SET LOCAL statement_timeout = 5", sqltext.SetLocal, "statement_timeout"},
	{"SET TIME ZONE 'UTC'", sqltext.Set, "timezone"},
	{"SET TIME ZONE INTERVAL '+09:00' HOUR TO MINUTE", sqltext.Set, "timezone"},
	{"SET LOCAL TIME ZONE LOCAL", sqltext.SetLocal, "timezone"},
	{"SET SESSION TIME ZONE DEFAULT", sqltext.Set, "timezone"},
	{"SET TimeZone = 'UTC'", sqltext.Set, "timezone"},
	{"SET ROLE NONE", sqltext.Set, "role"},
	{"SET ROLE 'x'", sqltext.Set, "role"},
	{"SET role TO x", sqltext.Set, "role"},
	{"SET LOCAL ROLE x", sqltext.SetLocal, "role"},
	{"SET SESSION ROLE x", sqltext.Set, "role"},
	{"SET SESSION AUTHORIZATION x", sqltext.Set, "session_authorization"},
	{"SET SESSION SESSION AUTHORIZATION DEFAULT", sqltext.Set, "session_authorization"},
	{"SET LOCAL SESSION AUTHORIZATION x", sqltext.SetLocal, "session_authorization"},
	{"SET NAMES 'UTF8'", sqltext.Set, "client_encoding"},
	{"SET NAMES", sqltext.Set, "client_encoding"},
	{"SET SCHEMA 'a'", sqltext.Set, "search_path"},
	{"SET XML OPTION DOCUMENT", sqltext.Set, "xmloption"},
	{"SET x FROM CURRENT", sqltext.Set, "x"},
	{"RESET search_path", sqltext.Reset, "search_path"},
	{"RESET ROLE", sqltext.Reset, "role"},
	{"RESET app.x", sqltext.Reset, "app.x"},
	{"RESET TIME ZONE", sqltext.Reset, "timezone"},
	{"RESET SESSION AUTHORIZATION", sqltext.Reset, "session_authorization"},
	{"RESET TRANSACTION ISOLATION LEVEL", sqltext.Reset, "transaction_isolation"},
	{"RESET ALL", sqltext.ResetAll, ""},
	{"SHOW TRANSACTION ISOLATION LEVEL", sqltext.Show, "transaction_isolation"},
	{"SHOW TIME ZONE", sqltext.Show, "timezone"},
	{"SHOW Server_Version", sqltext.Show, "server_version"},
	{"SHOW ALL", sqltext.Show, "all"},

	{"DISCARD ALL", sqltext.DiscardAll, ""},
	{"DISCARD PLANS", sqltext.Discard, "plans"},
	{"DISCARD SEQUENCES", sqltext.Discard, "sequences"},
	{"DISCARD TEMP", sqltext.Discard, "temp"},
	{"DISCARD TEMPORARY", sqltext.Discard, "temp"},
	{"PREPARE p AS SELECT 1", sqltext.Prepare, "p"},
	{"PREPARE p (int, text) AS SELECT $1", sqltext.Prepare, "p"},
	{"PREPARE transaction AS SELECT 1", sqltext.Prepare, "transaction"},
	{"EXECUTE p", sqltext.Execute, "p"},
	{"EXECUTE p(1, 'x')", sqltext.Execute, "p"},
	{"DEALLOCATE _pg3_17", sqltext.Deallocate, "_pg3_17"},
	{"DEALLOCATE PREPARE p", sqltext.Deallocate, "p"},
	{"DEALLOCATE prepare", sqltext.Deallocate, "prepare"},
	{"DEALLOCATE PREPARE prepare", sqltext.Deallocate, "prepare"},
	{`DEALLOCATE "pdo_stmt_00000001"`, sqltext.Deallocate, "pdo_stmt_00000001"},
	{`DEALLOCATE "ALL"`, sqltext.Deallocate, "ALL"},
	{`DEALLOCATE "a""b"`, sqltext.Deallocate, `a"b`},
	{"DEALLOCATE Ünï", sqltext.Deallocate, "Ünï"},
	{"DEALLOCATE p;", sqltext.Deallocate, "p"},
	{"DEALLOCATE ALL", sqltext.DeallocateAll, ""},
	{"DEALLOCATE PREPARE ALL", sqltext.DeallocateAll, ""},
	{"deallocate all -- done", sqltext.DeallocateAll, ""},

	{"DECLARE c CURSOR FOR SELECT 1", sqltext.Declare, "c"},
	{"DECLARE c BINARY NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1", sqltext.Declare, "c"},
	{"DECLARE c INSENSITIVE SCROLL CURSOR WITH HOLD FOR SELECT 1", sqltext.DeclareWithHold, "c"},
	{"DECLARE c CURSOR WITH /* */ HOLD FOR SELECT 1", sqltext.DeclareWithHold, "c"},
	{"DECLARE c CURSOR FOR WITH hold AS (SELECT 1) TABLE hold", sqltext.Declare, "c"},
	{"CLOSE c", sqltext.Close, "c"},
	{"CLOSE ALL", sqltext.CloseAll, ""},
	{"LISTEN Jobs", sqltext.Listen, "jobs"},
	{`LISTEN "Jobs"`, sqltext.Listen, "Jobs"},
	{"UNLISTEN jobs", sqltext.Unlisten, "jobs"},
	{"UNLISTEN *", sqltext.UnlistenAll, ""},
	{"NOTIFY jobs", sqltext.Notify, "jobs"},
	{"NOTIFY jobs, 'x'", sqltext.Notify, "jobs"},

	{"LOAD 'auto_explain'", sqltext.Load, ""},
	{"LOCK TABLE t", sqltext.Lock, ""},
	{"COPY t FROM STDIN", sqltext.Copy, ""},
	{"CALL p(1)", sqltext.Call, ""},
	{"DO $$ BEGIN PERFORM 1; END $$", sqltext.Do, ""},
	{"EXPLAIN SELECT 1", sqltext.Explain, ""},
	{"EXPLAIN VERBOSE SELECT 1", sqltext.Explain, ""},
	{"EXPLAIN (COSTS off, FORMAT json) SELECT 1", sqltext.Explain, ""},
	{"EXPLAIN ((SELECT 1))", sqltext.Explain, ""},
	{"EXPLAIN ANALYZE SELECT 1", sqltext.ExplainAnalyze, ""},
	{"explain analyse verbose select 1", sqltext.ExplainAnalyze, ""},
	{"EXPLAIN (BUFFERS, ANALYZE) SELECT 1", sqltext.ExplainAnalyze, ""},

	{"CREATE TEMP TABLE t (a int)", sqltext.CreateTemp, ""},
	{"CREATE TEMPORARY SEQUENCE s", sqltext.CreateTemp, ""},
	{"CREATE LOCAL TEMP TABLE t (a int)", sqltext.CreateTemp, ""},
	{"CREATE GLOBAL TEMPORARY TABLE t (a int)", sqltext.CreateTemp, ""},
	{"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", sqltext.CreateTemp, ""},
	{"CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1", sqltext.CreateTemp, ""},
	{"CREATE TABLE temp (a int)", sqltext.DDL, ""},
	{"CREATE UNLOGGED TABLE t (a int)", sqltext.DDL, ""},
	{"CREATE FUNCTION f() RETURNS int RETURN 1", sqltext.CreateRoutine, ""},
	{"CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS ''", sqltext.CreateRoutine, ""},
	{`CREATE DATABASE "My DB" TEMPLATE template0`, sqltext.CreateDatabase, "My DB"},
	{"ALTER DATABASE a RENAME TO b", sqltext.AlterDatabase, "a"},
	{"DROP DATABASE IF EXISTS a WITH (FORCE)", sqltext.DropDatabase, "a"},
	{"DROP DATABASE if", sqltext.DropDatabase, "if"},
	{"DROP TABLE t", sqltext.DDL, ""},
	{"ALTER TABLE t ADD b int", sqltext.DDL, ""},
	{"TRUNCATE t", sqltext.DDL, ""},
	{"REINDEX TABLE t", sqltext.DDL, ""},
	{"GRANT EXECUTE ON FUNCTION f() TO PUBLIC", sqltext.DDL, ""},
	{"COMMENT ON TABLE t IS 'x'", sqltext.DDL, ""},

	{"SELEC 1", sqltext.Unknown, ""},
	{"selectx 1", sqltext.Unknown, ""},
	{"1", sqltext.Unknown, ""},
	{`"select" 1`, sqltext.Unknown, ""},
	{"'select'", sqltext.Unknown, ""},
	{"/* open", sqltext.Unknown, ""},
	{"(DELETE FROM t)", sqltext.Unknown, ""},
	{"()", sqltext.Unknown, ""},
	{"START", sqltext.Unknown, ""},
	{"SAVEPOINT", sqltext.Unknown, ""},
	{"SET", sqltext.Unknown, ""},
	{"SET a", sqltext.Unknown, ""},
	{"DEALLOCATE", sqltext.Unknown, ""},
	{"DEALLOCATE PREPARE all x", sqltext.Unknown, ""},
	{"DEALLOCATE a b", sqltext.Unknown, ""},
	{`DEALLOCATE U&"\0061"`, sqltext.Deallocate, "a"},
	{`DEALLOCATE U&"\00e9"`, sqltext.Unknown, ""},
	{`SET U&"\0061" = 1`, sqltext.Set, "a"},
	{"DISCARD", sqltext.Unknown, ""},
	{"DISCARD ALL TEMP", sqltext.Unknown, ""},
	{"DECLARE c FOR SELECT 1", sqltext.Unknown, ""},
	{"LISTEN *", sqltext.Unknown, ""},
	{"IDENTIFY_SYSTEM", sqltext.Unknown, ""},
}

func TestFirst(t *testing.T) {
	t.Parallel()
	for _, test := range classified {
		s := sqltext.First(test.text)
		if s.Kind != test.kind || s.Name != test.name {
			t.Errorf("First(%q) = %v %q, want %v %q", test.text, s.Kind, s.Name, test.kind, test.name)
		}
		if b := sqltext.First([]byte(test.text)); b != s {
			t.Errorf("First of %q as bytes = %+v, as a string %+v", test.text, b, s)
		}
	}
}

func TestKindsHaveDistinctNames(t *testing.T) {
	t.Parallel()
	seen := map[string]sqltext.Kind{}
	for k := sqltext.Unknown; k <= sqltext.DDL; k++ {
		if other, dup := seen[k.String()]; dup || k.String() == "" {
			t.Errorf("kind %d is called %q, as is kind %d", k, k, other)
		}
		seen[k.String()] = k
	}
}

func TestKindsIsASet(t *testing.T) {
	t.Parallel()
	set := sqltext.Of(sqltext.Unknown, sqltext.DDL)
	for k := sqltext.Unknown; k <= sqltext.DDL; k++ {
		if want := k == sqltext.Unknown || k == sqltext.DDL; set.Has(k) != want {
			t.Errorf("Has(%v) = %v, want %v", k, !want, want)
		}
	}
}
