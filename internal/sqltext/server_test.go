// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/testpg"
)

const syntaxError = "42601"

// connect opens a connection to the test server, to talk to it in messages.
func connect(t *testing.T) *pgproto3.Frontend {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, testpg.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Conn.Close() })
	return raw.Frontend
}

// answer sends what is buffered and reads up to ReadyForQuery. It returns the
// number of statements that were completed and the SQLSTATE of the error, if any.
func answer(t *testing.T, server *pgproto3.Frontend) (completed int, code string) {
	t.Helper()
	if err := server.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		message, err := server.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch m := message.(type) {
		case *pgproto3.CommandComplete:
			completed++
		case *pgproto3.ErrorResponse:
			code = m.Code
		case *pgproto3.ReadyForQuery:
			return completed, code
		}
	}
}

// run sends the text as one simple query and undoes it.
func run(t *testing.T, server *pgproto3.Frontend, text string) (completed int, code string) {
	t.Helper()
	server.SendQuery(&pgproto3.Query{String: text})
	completed, code = answer(t, server)
	server.SendQuery(&pgproto3.Query{String: "ROLLBACK; DISCARD TEMP"})
	answer(t, server)
	return completed, code
}

func TestServerCountsAlike(t *testing.T) {
	t.Parallel()
	server := connect(t)
	for _, test := range split {
		completed, code := run(t, server, test.text)
		if n := sqltext.Scan(test.text).Count; completed != n || code != "" {
			t.Errorf("%s: PostgreSQL completes %d statements (error %q) of %q, Scan counts %d",
				test.name, completed, code, test.text, n)
		}
	}
}

// TestServerCountsRandomTextsAlike makes texts out of whatever the lexer gives a
// meaning to. Most are refused; those that PostgreSQL runs must be read alike.
func TestServerCountsRandomTextsAlike(t *testing.T) {
	t.Parallel()
	pieces := strings.Split("'|'|''|''|E'|e'|\\|\\'|\\\\|N'|U&'|\"|\"x\"|$$|$$|$a$|$a$|$b|--|\n|\n|/*|*/|*/|;|;|"+
		";SELECT 1|;SELECT 'x'|;SELECT E'y'|; SELECT $$z$$| | |1|2|+|-|*|/|,|(|)|é|1e5| AS x|b'1'|x'f'|U&\"y\"|'a'\n'b'", "|")
	random := rand.New(rand.NewPCG(1, 2))
	server := connect(t)
	accepted, several := 0, 0
	for range 6000 {
		text := "SELECT "
		for range 1 + random.IntN(9) {
			text += pieces[random.IntN(len(pieces))]
		}
		server.SendQuery(&pgproto3.Query{String: text})
		completed, code := answer(t, server)
		if code != "" {
			continue
		}
		accepted++
		if completed > 1 {
			several++
		}
		if n := sqltext.Scan(text).Count; completed != n {
			t.Errorf("PostgreSQL completes %d statements of %q, Scan counts %d", completed, text, n)
		}
	}
	if accepted < 300 || several < 100 {
		t.Errorf("PostgreSQL runs only %d texts, %d of several statements: too few to tell", accepted, several)
	}
}

// TestServerAcceptsWhatIsKnown asks PostgreSQL to parse each statement of the
// table: it finds no mistake of grammar in those that have a kind.
func TestServerAcceptsWhatIsKnown(t *testing.T) {
	t.Parallel()
	server := connect(t)
	for _, test := range classified {
		if strings.Contains(test.text, "U&") || test.kind == sqltext.Merge {
			continue // U& is read by PostgreSQL only, MERGE not yet by version 14
		}
		server.SendParse(&pgproto3.Parse{Query: test.text})
		server.SendSync(&pgproto3.Sync{})
		_, code := answer(t, server)
		if refused := code == syntaxError; refused != (test.kind == sqltext.Unknown) {
			t.Errorf("%q is %v, but PostgreSQL's answer is %q", test.text, test.kind, code)
		}
	}
}
