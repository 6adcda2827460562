// SPDX-License-Identifier: Apache-2.0

// Package sqltext tells what a statement is from its text, without parsing it:
// where one statement ends and the next begins, what kind each is, which name
// it is about, and whether it mentions anything that outlives a transaction.
//
// The rules are those of PostgreSQL's own lexer (src/backend/parser/scan.l) and
// grammar (gram.y), versions 14 to 18. PostgreSQL lexes and parses a whole query
// string before it runs any of it, so only texts that it accepts have to be read
// as it reads them. For a text that it refuses, nothing runs and any answer will
// do; what is certainly refused is mostly reported as [Unknown].
//
// Two things outside the text change how it reads, and a caller that knows them
// asks for them. With standard_conforming_strings off, a backslash in a plain
// string is an escape: [Backslash] says that the text has one. In the client
// encodings SJIS, SHIFT_JIS_2004, BIG5, GBK, UHC, JOHAB and GB18030 the second
// byte of a character may look like ASCII: [NonASCII] says that the text has
// bytes where that matters. In either case the answers are to be taken as
// [Unknown].
//
// All functions are safe for concurrent use. They allocate nothing, except for
// a name whose spelling differs from the name that is meant.
package sqltext
