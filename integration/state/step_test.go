// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// step is one write of one client. Its text is SQL, or messages of the
// protocol, each with a backslash:
//
//	\parse s0 select $1::text \bind p s0 hello \execute p 2 \flush
//
// Names are "-" where they are empty. What a group begins it may leave open
// with \flush. \quit is the end of the session; the client's next step is in a
// new one. \hear waits for notifications.
type step struct {
	who  int
	form form
	text string
}

func (s step) String() string {
	text := s.text
	if quoted := strconv.Quote(text); strings.ContainsFunc(text, isOdd) || strings.TrimSpace(text) != text {
		text = quoted
	}
	form := s.form.String()
	if strings.HasPrefix(s.text, `\`) {
		form = ""
	}
	return fmt.Sprintf("%d %-8s %s", s.who, form, text)
}

// isOdd reports whether a character does not show in print as it is.
func isOdd(r rune) bool { return r < ' ' || r == utf8.RuneError }

// form is how SQL is sent.
type form int

const (
	simple   form = iota // as a Query
	extended             // as an unnamed statement, in a group
	prepared             // as a named statement, parsed when it is first used
)

func (f form) String() string { return [...]string{"simple", "extended", "prepared"}[f] }

const (
	quit = `\quit`
	hear = `\hear` // all notifications so far
)

// messages returns what a step sends, given what the client has prepared and
// whether a group of its own is open.
func (s step) messages(names map[string]string, open bool) ([]pgproto3.FrontendMessage, error) {
	if strings.HasPrefix(s.text, `\`) {
		list, err := protocol(s.text)
		if len(list) > 0 && open && asks(list[0]) {
			list = append([]pgproto3.FrontendMessage{&pgproto3.Sync{}}, list...)
		}
		return list, err
	}
	var list []pgproto3.FrontendMessage
	if open {
		list = append(list, &pgproto3.Sync{})
	}
	switch s.form {
	case extended:
		return append(list, group("", s.text, true)...), nil
	case prepared:
		name, known := names[s.text]
		if !known {
			name = "f" + strconv.Itoa(len(names))
		}
		return append(list, group(name, s.text, !known)...), nil
	default:
		return append(list, &pgproto3.Query{String: s.text}), nil
	}
}

// asks reports whether a message is a request of its own, which ends an open group.
func asks(m pgproto3.FrontendMessage) bool {
	switch m.(type) {
	case *pgproto3.Query, *pgproto3.FunctionCall:
		return true
	}
	return false
}

// group runs a statement in a group of its own.
func group(name, sql string, parse bool) (list []pgproto3.FrontendMessage) {
	if parse {
		list = append(list, &pgproto3.Parse{Name: name, Query: sql})
	}
	return append(list, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
}

// protocol reads a step that is written in messages.
func protocol(text string) (list []pgproto3.FrontendMessage, err error) {
	for part := range strings.SplitSeq(" "+text, ` \`) {
		if part == "" {
			continue
		}
		m, err := message(part)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		list = append(list, m)
	}
	switch list[len(list)-1].(type) {
	case *pgproto3.Sync, *pgproto3.Flush, *pgproto3.Query, *pgproto3.FunctionCall, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return list, nil
	}
	return nil, fmt.Errorf("%s: nothing makes PostgreSQL answer", text)
}

// message reads one message: its name and its arguments, of which the last is
// the rest of the text.
func message(text string) (pgproto3.FrontendMessage, error) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	arg := strings.Fields(rest)
	name := func(i int) string {
		if i >= len(arg) || arg[i] == "-" {
			return ""
		}
		return arg[i]
	}
	switch verb {
	case "function":
		oid, err := strconv.ParseUint(arg[0], 10, 32)
		f := &pgproto3.FunctionCall{Function: uint32(oid)}
		for _, v := range arg[1:] {
			f.Arguments = append(f.Arguments, []byte(v))
		}
		return f, err
	case "query":
		return &pgproto3.Query{String: rest}, nil
	case "parse":
		_, sql, _ := strings.Cut(rest, " ")
		return &pgproto3.Parse{Name: name(0), Query: sql}, nil
	case "bind":
		b := &pgproto3.Bind{DestinationPortal: name(0), PreparedStatement: name(1)}
		for _, v := range arg[2:] {
			b.Parameters = append(b.Parameters, []byte(v))
		}
		return b, nil
	case "describe":
		return &pgproto3.Describe{ObjectType: kind(arg[0]), Name: name(1)}, nil
	case "close":
		return &pgproto3.Close{ObjectType: kind(arg[0]), Name: name(1)}, nil
	case "execute":
		rows, err := strconv.ParseUint(arg[1], 10, 32)
		return &pgproto3.Execute{Portal: name(0), MaxRows: uint32(rows)}, err
	case "data":
		return &pgproto3.CopyData{Data: []byte(rest + "\n")}, nil
	case "done":
		return &pgproto3.CopyDone{}, nil
	case "fail":
		return &pgproto3.CopyFail{Message: rest}, nil
	case "flush":
		return &pgproto3.Flush{}, nil
	case "sync":
		return &pgproto3.Sync{}, nil
	}
	return nil, fmt.Errorf(`there is no \%s`, verb)
}

// kind is the letter of what Describe and Close name: statement or portal.
func kind(word string) byte {
	if word == "portal" {
		return 'P'
	}
	return 'S'
}
