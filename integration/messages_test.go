// SPDX-License-Identifier: Apache-2.0

package integration_test

import "github.com/jackc/pgx/v5/pgproto3"

// Short forms of the messages that scripts send.

type messages = []pgproto3.FrontendMessage

func query(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

func parse(name, sql string, oids ...uint32) *pgproto3.Parse {
	return &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: oids}
}

// bind gives values as text.
func bind(portal, statement string, values ...string) *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, v := range values {
		b.Parameters = append(b.Parameters, []byte(v))
	}
	return b
}

func describe(statement string) *pgproto3.Describe {
	return &pgproto3.Describe{ObjectType: 'S', Name: statement}
}

func describePortal(portal string) *pgproto3.Describe {
	return &pgproto3.Describe{ObjectType: 'P', Name: portal}
}

func forget(statement string) *pgproto3.Close {
	return &pgproto3.Close{ObjectType: 'S', Name: statement}
}

func forgetPortal(portal string) *pgproto3.Close {
	return &pgproto3.Close{ObjectType: 'P', Name: portal}
}

// execute asks for at most rows rows, 0 for all.
func execute(portal string, rows uint32) *pgproto3.Execute {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

func copyData(text string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(text)} }

func copyFail(why string) *pgproto3.CopyFail { return &pgproto3.CopyFail{Message: why} }

// call calls a function by its OID with arguments as text.
func call(oid uint32, arguments ...string) *pgproto3.FunctionCall {
	c := &pgproto3.FunctionCall{Function: oid}
	for _, a := range arguments {
		c.Arguments = append(c.Arguments, []byte(a))
	}
	return c
}

var (
	endGroup = &pgproto3.Sync{}
	flush    = &pgproto3.Flush{}
	copyDone = &pgproto3.CopyDone{}
)

// once is Bind and Execute of a statement with the unnamed portal.
func once(statement string, values ...string) messages {
	return messages{bind("", statement, values...), execute("", 0)}
}

// join puts groups together in one write.
func join(parts ...any) (all messages) {
	for _, p := range parts {
		switch p := p.(type) {
		case pgproto3.FrontendMessage:
			all = append(all, p)
		case messages:
			all = append(all, p...)
		}
	}
	return all
}

// raw is a message that pgproto3 does not know how to make, as it goes over the wire.
type raw []byte

func (raw) Frontend()                           {}
func (raw) Decode([]byte) error                 { return nil }
func (b raw) Encode(dst []byte) ([]byte, error) { return append(dst, b...), nil }

// inBinary binds values and asks for results in binary, format 1, or in text, 0.
func inBinary(statement string, a, b []byte, format int16) *pgproto3.Bind {
	return &pgproto3.Bind{
		PreparedStatement: statement, Parameters: [][]byte{a, b},
		ParameterFormatCodes: []int16{1}, ResultFormatCodes: []int16{format},
	}
}
