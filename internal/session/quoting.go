// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// quoting is what may make PostgreSQL read a text otherwise than sqltext does. The
// zero value is the ordinary case: then sqltext is right about every text.
type quoting uint8

const (
	// escapes: standard_conforming_strings is off, so that a backslash in a plain
	// string is an escape (PostgreSQL: scan.l, xqs).
	escapes quoting = 1 << iota
	// disguises: in the client's encoding the second byte of a character may look
	// like ASCII (PostgreSQL: PG_ENCODING_IS_CLIENT_ONLY).
	disguises
	// foreign: names are not the bytes that they are in the catalog, or are folded and
	// cut otherwise (PostgreSQL: scansup.c). The text itself is read like any other.
	foreign

	// anyhow is that nothing is known.
	anyhow = escapes | disguises | foreign
)

// The parameters that decide, as PostgreSQL reports them. They are reported
// whatever has changed them: SET, set_config, a role's or a database's default, a
// rollback.
const (
	conformingStrings = "standard_conforming_strings"
	clientEncoding    = "client_encoding"
)

// disguising are the encodings of disguises, as PostgreSQL reports their names
// whatever alias was given (PostgreSQL: pg_enc2name_tbl in encnames.c).
var disguising = map[string]bool{
	"SJIS": true, "SHIFT_JIS_2004": true, "BIG5": true, "GBK": true, "UHC": true, "JOHAB": true, "GB18030": true,
}

// quotingOf is how a session reads texts in which the two parameters have these
// values.
func quotingOf(conforming, encoding string) (r quoting) {
	if conforming != "on" {
		r |= escapes
	}
	if disguising[encoding] {
		r |= disguises
	}
	if encoding != "UTF8" {
		r |= foreign
	}
	return r
}

// rereads reports whether a change of the setting changes how texts are read.
func rereads(setting string) bool {
	return strings.EqualFold(setting, conformingStrings) || strings.EqualFold(setting, clientEncoding)
}

// hinges returns what decides how a text with these flags is read.
func hinges(flags sqltext.Flags) (r quoting) {
	if flags&sqltext.Backslash != 0 {
		r |= escapes
	}
	if flags&sqltext.NonASCII != 0 {
		r |= disguises
	}
	return r
}

// noteQuoting notes how the upstream reads texts from now on. PostgreSQL reports
// the parameters at the end of a group only, in front of its ReadyForQuery
// (PostgreSQL: ReportChangedGUCOptions).
func (u *Upstream) noteQuoting() {
	u.quoting = quotingOf(u.Params[conformingStrings], u.Params[clientEncoding]) | quotingOf("on", u.Params["server_encoding"])&foreign
}

// quoting is how PostgreSQL will read what the client sends next. Where something
// that may change it is still under way, nobody knows.
func (x *exchange) quoting() quoting {
	if x.up == nil {
		return x.s.quoting()
	}
	if x.rereads {
		return anyhow
	}
	if a := x.due.first(); a != nil && a.kind == ahead {
		return x.s.quoting() // what goes ahead brings the client's settings
	}
	return x.up.quoting
}

// quoting is how an upstream that the client has yet to get will read its texts: by
// the client's own settings, where it has such, else as any upstream of the pool
// began.
func (s *Session) quoting() quoting {
	return s.reads | quoting(s.pool.began.Load())&^s.decided
}

// decideQuoting notes what the client's own settings say of how its texts are read.
func (s *Session) decideQuoting() {
	s.reads, s.decided = 0, 0
	if v, ok := s.settings.get(conformingStrings); ok {
		s.decided |= escapes
		s.reads |= quotingOf(v, "UTF8")
	}
	if v, ok := s.settings.get(clientEncoding); ok {
		s.decided |= disguises
		s.reads |= quotingOf("on", v)
	}
}

// noteRereads notes that a statement which is about to run may change how later
// texts are read. The end of a transaction, or of a part of it, may take back what
// was set in it.
func (x *exchange) noteRereads(e *effect) {
	x.rereads = x.rereads || e.rereads
	if e.kinds&undoing != 0 {
		for name := range x.changes.reported {
			x.rereads = x.rereads || rereads(name)
		}
	}
}

// undoing are the kinds of statements that may give settings their former values.
const undoing = 1<<sqltext.Commit | 1<<sqltext.Rollback | 1<<sqltext.RollbackTo | 1<<sqltext.PrepareTransaction
