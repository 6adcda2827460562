// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Failure is what a failed login means for those who wait for a connection.
type Failure uint8

const (
	// Down: PostgreSQL is not there, or not yet, or not any more. It may be at
	// any moment, without anyone changing a setting.
	Down Failure = iota
	// Full: PostgreSQL has no connection left for this role, this database or
	// at all (53300). The number of connections was too high, nothing else.
	Full
	// Rejected: PostgreSQL, or the check of its certificate, says no, and will
	// until someone changes a setting.
	Rejected
	// Local: weir's own machine has no file descriptor, port or memory left for
	// the connection. It says nothing of PostgreSQL.
	Local
)

// String is the word for logs and metric labels.
func (f Failure) String() string {
	switch f {
	case Down:
		return "down"
	case Full:
		return "full"
	case Rejected:
		return "rejected"
	case Local:
		return "local"
	}
	return "unknown"
}

// Classify says what err, from Target.Login or Target.Limits, means.
func Classify(err error) Failure {
	if e, ok := errors.AsType[*Error](err); ok {
		err = e.decisive().err
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classifyCode(sqlstate.Code(answer.Code))
	}
	if lack(err) != 0 {
		return Local
	}
	if unreachable(err) || unsuitable(err) != "" {
		return Down
	}
	return Rejected
}

// classifyCode reads the class of PostgreSQL's answer (documentation,
// appendix A): 08 the connection broke, 53 resources, 57 an operator or the
// start-up, 58 the system below PostgreSQL. These pass. 08P01 and 08004 are
// what poolers say about a user or database they do not have; 58P01 is a file
// that is not there, such as a library to be loaded at the start of a session.
func classifyCode(code sqlstate.Code) Failure {
	switch code {
	case sqlstate.TooManyConnections:
		return Full
	case sqlstate.ProtocolViolation, sqlstate.RejectedConnection, undefinedFile:
		return Rejected
	}
	for _, class := range []string{"08", "53", "57", "58"} {
		if strings.HasPrefix(string(code), class) {
			return Down
		}
	}
	return Rejected
}

const undefinedFile sqlstate.Code = "58P01"

// unreachable reports whether the network, not the other side's answer, ended
// the attempt.
func unreachable(err error) bool {
	if alert(err) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return true
	}
	for _, target := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// alert reports whether err is a TLS alert from the other side, which
// crypto/tls dresses up as a *net.OpError.
func alert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// unsuitable says why target_session_attrs does not want a server that works.
// Empty: it is not about that.
func unsuitable(err error) string {
	for _, wish := range []struct {
		err    error
		reason string
	}{
		{pgconn.ErrReadOnlyConnection, "it is read-only, and target_session_attrs asks for read-write"},
		{pgconn.ErrReadWriteConnection, "it is read-write, and target_session_attrs asks for read-only"},
		{pgconn.ErrPrimaryConnection, "it is a primary, and target_session_attrs asks for a standby"},
		{pgconn.ErrStandbyConnection, "it is a standby, and target_session_attrs asks for a primary"},
	} {
		if errors.Is(err, wish.err) {
			return wish.reason
		}
	}
	return ""
}

// final reports whether PostgreSQL's answer would be the same from the URL's
// other hosts, so that asking them is only a login storm. pgconn stops at the
// same three codes for the addresses of one host.
func final(err error) bool {
	for _, part := range split(err) {
		answer, ok := errors.AsType[*pgconn.PgError](part)
		if !ok {
			continue
		}
		switch sqlstate.Code(answer.Code) {
		case sqlstate.InvalidPassword, sqlstate.InvalidCatalogName, insufficientPrivilege:
			return true
		}
	}
	return false
}

// insufficientPrivilege: the role may not connect to the database.
const insufficientPrivilege sqlstate.Code = "42501"

// split takes apart what pgconn joins: one error for each address of a host.
func split(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		joined, ok := e.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		var parts []error
		for _, part := range joined.Unwrap() {
			parts = append(parts, split(part)...)
		}
		return parts
	}
	return []error{err}
}
