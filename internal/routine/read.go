// SPDX-License-Identifier: Apache-2.0

package routine

import (
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// Code is a piece of code that was read.
type Code struct {
	Effect
	// Names are the identifiers in it, each once: what it may call, read or write.
	Names []string
}

// Read reads a body in the language, by its name in lower case. Languages other than
// SQL and PL/pgSQL have variables that outlive a call, and put SQL together: nothing
// is known of them.
func Read(language, body string) Code {
	if language != "sql" && language != "plpgsql" {
		return Code{Effect: Effect{Leaves: Keeps | Unknowable}}
	}
	list, ok := sqltext.Elements(body)
	r := reader{list: list, procedural: language == "plpgsql", seen: make(map[string]bool)}
	if !ok {
		r.code.Leaves |= Unknowable
	}
	given := false
	for i := range list {
		switch list[i].Name {
		case hidden:
			given = true
		case trigger:
			list[i].Name = hidden
		}
	}
	for i := range list {
		r.element(i)
	}
	if !r.procedural && SelectsInto(list) {
		r.code.Leaves |= Creates | Defines
	}
	if r.seen["update"] && (given || r.seen["pg_settings"]) {
		r.code.Leaves |= Sets // UPDATE pg_settings is a spelling of SET
	}
	for _, name := range Operators(body) {
		if r.seen[name] = true; name == Any {
			r.code.Leaves |= Anything
		}
		r.code.Names = append(r.code.Names, name)
	}
	return r.code
}

// reader reads the elements of one body.
type reader struct {
	list       []sqltext.Element
	procedural bool // EXECUTE runs a text
	code       Code
	seen       map[string]bool
}

// word returns the keyword at i, "" where there is none.
func (r *reader) word(i int) string {
	if i < 0 || i >= len(r.list) || r.list[i].Quoted {
		return ""
	}
	return r.list[i].Name
}

// punct returns the byte of punctuation at i, 0 where there is none.
func (r *reader) punct(i int) byte {
	if i < 0 || i >= len(r.list) {
		return 0
	}
	return r.list[i].Byte
}

// text returns the string at i.
func (r *reader) text(i int) (value string, ok bool) {
	if i < 0 || i >= len(r.list) || !r.list[i].String {
		return "", false
	}
	return r.list[i].Value, r.list[i].Known && r.list[i].Value != hidden
}

// element takes in the element at i.
func (r *reader) element(i int) {
	e := r.list[i]
	if e.Name == "" {
		return
	}
	if !r.seen[e.Name] {
		r.seen[e.Name] = true
		r.code.Names = append(r.code.Names, e.Name)
	}
	if e.Name == hidden {
		r.hidden(i)
	}
	if leaves, ok := functions[e.Name]; ok {
		r.code.Leaves |= leaves
	}
	if r.punct(i+1) == '(' && actsOutside(e.Name) {
		r.code.Leaves |= Outside
	}
	switch {
	case strings.HasPrefix(e.Name, "pg_temp"):
		r.code.Leaves |= Objects
	case e.Name == "set_config" && r.punct(i+1) == '(':
		r.setConfig(i + 2)
	case runsText[e.Name] && r.punct(i+1) == '(':
		r.runs(i + 2)
	}
	if !e.Quoted {
		r.keyword(i, e.Name)
	}
}

// functions are PostgreSQL's and its extensions' that leave something in the
// session, however they are called, and those, and views, that show what it runs.
var functions = map[string]Leaves{
	"pg_advisory_lock": Objects, "pg_advisory_lock_shared": Objects,
	"pg_try_advisory_lock": Objects, "pg_try_advisory_lock_shared": Objects,
	"pg_advisory_unlock": Objects, "pg_advisory_unlock_shared": Objects, "pg_advisory_unlock_all": Objects,
	"currval": Sequences, "lastval": Sequences, "pg_notify": Notifies, "triggered_change_notification": Notifies,
	"setseed": Keeps, "set_limit": Keeps, "isn_weak": Keeps, "dblink_connect": Keeps, "dblink_connect_u": Keeps, "dblink_disconnect": Keeps,
	"pg_start_backup": Keeps, "pg_backup_start": Keeps, "pg_stop_backup": Keeps, "pg_backup_stop": Keeps,
	"pg_replication_origin_session_setup": Keeps, "pg_replication_origin_session_reset": Keeps,
	"pg_create_physical_replication_slot": Keeps, "pg_create_logical_replication_slot": Keeps,
	"pg_copy_physical_replication_slot": Keeps, "pg_copy_logical_replication_slot": Keeps,
	"current_query": Texts, "dblink_current_query": Texts,
	"pg_stat_activity": Texts, "pg_stat_get_activity": Texts, "pg_stat_get_backend_activity": Texts,
	"pg_prepared_statements": Texts, "pg_prepared_statement": Texts, "pg_cursors": Texts, "pg_cursor": Texts,
	"table_to_xml": Anything, "table_to_xmlschema": Anything, "table_to_xml_and_xmlschema": Anything,
	"schema_to_xml": Anything, "schema_to_xmlschema": Anything, "schema_to_xml_and_xmlschema": Anything,
	"database_to_xml": Anything, "database_to_xmlschema": Anything, "database_to_xml_and_xmlschema": Anything,
}

// runsText are the functions that run a query which they are given as a text.
var runsText = map[string]bool{
	"query_to_xml": true, "query_to_xmlschema": true, "query_to_xml_and_xmlschema": true,
	"cursor_to_xml": true, "cursor_to_xmlschema": true, "ts_stat": true, "ts_rewrite": true,
	"crosstab": true, "crosstab2": true, "crosstab3": true, "crosstab4": true, "crosstabn": true, "connectby": true, "xpath_table": true,
}

// indirect are functions of PostgreSQL's and its extensions' that run whatever is called by
// a type or a relation which they are given by its oid or its name: they make values of
// the type, compute what an index has, or read a table. They are all of one name.
var indirect = []string{
	"array_in", "array_recv", "record_in", "record_recv", "domain_in", "domain_recv",
	"range_in", "range_recv", "multirange_in", "multirange_recv",
	"pg_input_is_valid", "pg_input_error_info", "pg_restore_attribute_stats",
	"brin_summarize_new_values", "brin_summarize_range",
	"bt_index_check", "bt_index_parent_check", "gin_index_check", "gin_index_parent_check",
	"check_primary_key", "check_foreign_key",
}

// Maintains reports whether a word begins a statement that computes what indexes have,
// of tables that it need not name.
func Maintains(word string) bool {
	return word == "analyze" || word == "analyse" || word == "vacuum" || word == "reindex" || word == "cluster"
}

// firing are the second words of COMMENT ON, SECURITY LABEL, REFRESH MATERIALIZED VIEW,
// IMPORT FOREIGN SCHEMA and REASSIGN OWNED.
var firing = map[string]bool{"on": true, "label": true, "materialized": true, "foreign": true, "owned": true}

// keyword takes in a word without quotes.
func (r *reader) keyword(i int, word string) {
	if Maintains(word) && r.begins(i) {
		r.code.Leaves |= Anything
	}
	switch word {
	case "set":
		r.set(i)
	case "reset":
		if name, _ := r.setting(i + 1); name != "" {
			r.sets(name)
			r.resets("", name)
		}
	case "deallocate", "prepare":
		r.code.Leaves |= Objects | Sets
		if word == "deallocate" && r.word(i+1) == "prepare" {
			i++
		}
		r.statement(i + 1)
	case "discard", "listen", "unlisten":
		r.code.Leaves |= Objects | Sets
	case "hold":
		if r.word(i-1) == "with" {
			r.code.Leaves |= Objects
		}
	case "temp", "temporary":
		switch r.word(i - 1) {
		case "create", "replace", "into", "local", "global":
			r.code.Leaves |= Objects
		}
	case "create":
		r.code.Leaves |= Creates | Defines
		if j := i + 1; r.word(j) == "function" || r.word(j) == "procedure" {
			r.bodies(j)
		} else if j += 2; r.word(j-1) == "replace" && (r.word(j) == "function" || r.word(j) == "procedure") {
			r.bodies(j)
		}
	case "do":
		if next := i + 1; next < len(r.list) && (r.list[next].String || r.word(next) == "language") {
			r.bodies(next)
		}
	case "alter", "drop", "grant", "revoke", "reindex":
		r.code.Leaves |= Defines
	case "comment", "security", "refresh", "import", "reassign":
		if firing[r.word(i+1)] {
			r.code.Leaves |= Defines
		}
	case "load":
		if i+1 < len(r.list) && r.list[i+1].String {
			r.code.Leaves |= Loads
		}
	case "notify":
		r.code.Leaves |= Notifies
	case "copy":
		r.code.Leaves |= Outside // to a file or a program
	case "execute":
		r.execute(i)
	}
}

// begins reports whether a statement may begin at i.
func (r *reader) begins(i int) bool {
	switch r.word(i - 1) {
	case "begin", "then", "else", "loop", "atomic":
		return true
	}
	c := r.punct(i - 1)
	return i == 0 || c == ';' || c == '>'
}

// bodies takes in the bodies that are in a statement, from i on: of a DO block, or of
// routines that may be called as soon as they are made. Of one that cannot be seen
// nothing is known.
func (r *reader) bodies(i int) {
	language, found, ok := Bodies(r.list[i:])
	if !ok {
		r.code.Leaves |= Unknowable | Anything
		return
	}
	for _, body := range found {
		r.take(Read(language, body))
	}
}

// Bodies returns the language and the bodies in a statement, DO or CREATE FUNCTION,
// up to its semicolon: every string in it. It is not ok where one cannot be told.
func Bodies(list []sqltext.Element) (language string, bodies []string, ok bool) {
	language = "plpgsql"
	for i, e := range list {
		switch {
		case e.Byte == ';':
			return language, bodies, true
		case i > 0 && list[i-1].Name == "language" && !list[i-1].Quoted:
			if language = e.Name; e.String {
				language = e.Value
			}
		case e.String && e.Known && e.Value != hidden:
			bodies = append(bodies, e.Value)
		case e.String:
			return "", nil, false
		}
	}
	return language, bodies, true
}

// sets notes a setting by its name.
func (r *reader) sets(name string) {
	r.code.Leaves |= Sets
	if name = strings.ToLower(name); !slices.Contains(r.code.Settings, name) {
		r.code.Settings = append(r.code.Settings, name)
	}
}

// resets notes a setting that gets its default; span is ForTransaction or "".
func (r *reader) resets(span, name string) {
	r.code.Resets = union(r.code.Resets, []string{span + strings.ToLower(name)})
}

// setConfig reads a call of set_config from its first argument.
func (r *reader) setConfig(i int) {
	name, ok := r.text(i)
	if !ok || r.punct(i+1) != ',' {
		r.code.Leaves |= Sets | Computed
		if !ok {
			name = ""
		}
		r.mayBeSeed(name)
		return
	}
	span := ""
	if r.seeds(name); !r.localCall(i + 2) {
		r.sets(name)
	} else {
		r.code.Leaves |= Locals
		span = ForTransaction
	}
	switch _, written := r.text(i + 2); {
	case r.word(i+2) == "null" && r.punct(i+3) == ',':
		r.resets(span, name)
	case !written || r.punct(i+3) != ',':
		r.code.Nulls = union(r.code.Nulls, []string{span + strings.ToLower(name)})
	}
}

// localCall reports whether what follows the first argument is another one and the
// word true: then the setting is the transaction's.
func (r *reader) localCall(i int) bool {
	for depth := 0; i < len(r.list); i++ {
		switch c := r.punct(i); {
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			return false
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			return r.word(i+1) == "true" && r.punct(i+2) == ')'
		}
	}
	return false
}

// set reads on after SET, where it is a statement and not a part of UPDATE, ALTER or
// a foreign key.
func (r *reader) set(i int) {
	for j := i - 1; j >= 0 && r.punct(j) != ';'; j-- {
		switch r.word(j) {
		case "update", "alter", "delete":
			return
		}
		if r.begins(j + 1) {
			break
		}
	}
	switch i++; r.word(i) {
	case "local":
		r.code.Leaves |= Locals
		if name, ok := r.setting(i + 1); !ok {
			r.mayBeSeed(name)
		} else {
			r.seeds(name)
			r.defaults(i+2, ForTransaction, name)
		}
		return
	case "transaction", "constraints":
		return
	case "session":
		if r.word(i+1) == "characteristics" {
			r.code.Leaves |= Sets
			return
		}
		if r.punct(i+1) != '.' {
			i++
		}
	}
	name, ok := r.setting(i)
	if !ok {
		r.code.Leaves |= Sets | Computed
		r.mayBeSeed(name)
		return
	}
	r.seeds(name)
	r.sets(name)
	r.defaults(i+1, "", name)
}

// defaults notes that a SET gives a setting its default, by a word up to its end from
// i on: DEFAULT, LOCAL of a time zone, or none after NAMES.
func (r *reader) defaults(i int, span, name string) {
	written := false
	for ; i < len(r.list) && r.punct(i) != ';'; i++ {
		if w := r.word(i); w == "default" || w == "local" {
			r.resets(span, name)
		}
		written = written || r.list[i].String
	}
	if name == "client_encoding" && !written {
		r.resets(span, name)
	}
}

// seeds notes that a setting is set which begins the series of random() anew, for
// the transaction or for longer (PostgreSQL: assign_random_seed).
func (r *reader) seeds(name string) {
	if strings.EqualFold(name, "seed") {
		r.code.Leaves |= Keeps
	}
}

// mayBeSeed notes that a setting is set of whose name only the beginning is known.
func (r *reader) mayBeSeed(begins string) {
	if !strings.Contains(begins, ".") {
		r.code.Leaves |= Keeps
	}
}

// setting reads the name of a setting, of one part or several.
func (r *reader) setting(i int) (name string, ok bool) {
	if i >= len(r.list) || r.list[i].Name == "" {
		return "", false
	}
	name, ok = r.list[i].Name, r.list[i].Name != hidden
	for ; r.punct(i+1) == '.'; i += 2 {
		if i+2 >= len(r.list) || r.list[i+2].Name == "" {
			return name, false
		}
		name += "." + r.list[i+2].Name
		ok = ok && r.list[i+2].Name != hidden
	}
	switch name {
	case "time":
		return "timezone", ok
	case "names":
		return "client_encoding", ok
	case "authorization":
		return "session_authorization", ok
	case "schema":
		return "search_path", ok
	}
	return name, ok
}

// runs reads the argument of a function that runs it.
func (r *reader) runs(i int) {
	text, ok := r.text(i)
	if !ok || r.punct(i+1) != ',' && r.punct(i+1) != ')' {
		r.code.Leaves |= Unknowable
		return
	}
	r.include(text)
}

// include takes in a text of SQL that the code runs.
func (r *reader) include(text string) {
	r.take(Read("sql", text))
}

// take takes in code that this code runs.
func (r *reader) take(inner Code) {
	r.code.Effect = r.code.With(inner.Effect)
	for _, name := range inner.Names {
		if !r.seen[name] {
			r.seen[name] = true
			r.code.Names = append(r.code.Names, name)
		}
	}
}

// hidden takes in a name that the code is given: of a relation whose like may call
// anything, or of a function.
func (r *reader) hidden(i int) {
	r.code.Leaves |= Anything
	if r.punct(i+1) != '(' {
		return
	}
	for i > 1 && r.punct(i-1) == '.' {
		i -= 2
	}
	switch r.word(i - 1) {
	case "into", "table", "on", "exists", "only", "view", "as", "index", "references":
	default:
		r.code.Leaves |= Unknowable
	}
}

// ShowsText reports whether something of PostgreSQL's own that goes by that name may
// show the text of the statement that uses it.
func ShowsText(name string) bool {
	return functions[name]&(Texts|Anything) != 0 || runsText[name]
}

// Stateful returns the names of PostgreSQL's functions of which a call leaves
// something behind, or may do so.
func Stateful() []string {
	names := append([]string{"set_config"}, indirect...)
	for name := range functions {
		names = append(names, name)
	}
	for name := range runsText {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Trusted is the code of a function in C that an extension has brought.
func Trusted(name string) (code Code) {
	code.Leaves = functions[name]
	if runsText[name] {
		code.Leaves |= Unknowable
	}
	return code
}
