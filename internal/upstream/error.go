// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Error is why no connection was made. Its text is for the operator and never
// contains the password; the *sqlstate.Error that it unwraps to is for the
// client.
type Error struct {
	Database string
	Role     string

	failures []failure // never empty
}

// failure is what one address of one host answered.
type failure struct {
	host string // host:port or the path of the socket, as configured
	err  error
}

// add records what a host answered. Where TLS came to nothing and the same
// host was then tried in plain text (or the reverse), the second try is the
// one that tells, except that an answer from PostgreSQL itself always stays.
func (e *Error) add(host string, err error) {
	e.failures = slices.DeleteFunc(e.failures, func(f failure) bool {
		_, answered := errors.AsType[*pgconn.PgError](f.err)
		return f.host == host && !answered
	})
	for _, part := range split(err) {
		e.failures = append(e.failures, failure{host, part})
	}
}

// replace records what a host answered in place of what it answered before. It
// reports whether the other hosts would answer the same.
func (e *Error) replace(host string, errs []error) (same bool) {
	e.failures = slices.DeleteFunc(e.failures, func(f failure) bool { return f.host == host })
	for _, err := range errs {
		e.add(host, err)
	}
	return slices.ContainsFunc(errs, final)
}

// decisive is the failure that says most: PostgreSQL's own answers first, what
// the network did last, because localhost is two addresses of which one often
// refuses.
func (e *Error) decisive() failure { return slices.MaxFunc(e.failures, compareWeight) }

func compareWeight(a, b failure) int { return a.weight() - b.weight() }

func (f failure) weight() int {
	if _, answered := errors.AsType[*pgconn.PgError](f.err); !answered {
		switch errno := lack(f.err); {
		case errno == syscall.EADDRNOTAVAIL:
			return 0 // it may be that this machine does not have that kind of address
		case errno != 0:
			return 2 // the host was not tried
		case unreachable(f.err):
			return 1
		}
		return 3
	}
	switch {
	case final(f.err):
		return 7
	case Classify(f.err) == Full:
		return 6
	case Classify(f.err) == Down:
		return 5
	}
	return 4
}

// Error is one sentence: what happened, where, for which database and role.
func (e *Error) Error() string {
	whom := fmt.Sprintf("for database %q as role %q", e.Database, e.Role)
	f := e.decisive()
	if answer, ok := errors.AsType[*pgconn.PgError](f.err); ok {
		return fmt.Sprintf("PostgreSQL at %s refused the connection %s: %s (SQLSTATE %s)", f.host, whom, answer.Message, answer.Code)
	}
	if errno := lack(f.err); errno != 0 {
		return fmt.Sprintf("%s, %s", lacking(errno, f.host), whom)
	}
	return fmt.Sprintf("%s, %s", e.unanswered(), whom)
}

// Unwrap returns what a client is told, a *sqlstate.Error around the cause.
// PostgreSQL's own refusal keeps its code and words; everything that passes
// is 08006.
func (e *Error) Unwrap() error {
	f := e.decisive()
	answer, ok := errors.AsType[*pgconn.PgError](f.err)
	if errno := lack(f.err); !ok && errno != 0 {
		return &sqlstate.Error{
			Code:    sqlstate.TooManyConnections,
			Message: "too many connections: " + lacking(errno, f.host),
			Detail:  "PostgreSQL was not asked. The request was not executed.",
			Routine: sqlstate.QueueTimeout,
			Err:     f.err,
		}
	}
	if !ok {
		return &sqlstate.Error{Code: sqlstate.ConnectionFailure, Message: e.unanswered(), Routine: sqlstate.UpstreamDown, Err: f.err}
	}
	if Classify(f.err) == Down {
		return &sqlstate.Error{
			Code:    sqlstate.ConnectionFailure,
			Message: fmt.Sprintf("PostgreSQL at %s takes no connections now: %s", f.host, answer.Message),
			Detail:  answer.Detail,
			Hint:    answer.Hint,
			Routine: sqlstate.UpstreamDown,
			Err:     f.err,
		}
	}
	detail := answer.Detail
	if detail == "" {
		detail = fmt.Sprintf("weir tried to log in to PostgreSQL at %s, database %q, as role %q.", f.host, e.Database, e.Role)
	}
	return &sqlstate.Error{
		Code:    sqlstate.Code(answer.Code),
		Message: answer.Message,
		Detail:  detail,
		Hint:    answer.Hint,
		Err:     f.err,
	}
}

// unanswered describes failures without an answer from PostgreSQL: every host
// with its reason, because each may need another remedy.
func (e *Error) unanswered() string {
	verb := "cannot log in to"
	if unreachable(e.decisive().err) {
		verb = "cannot reach"
	}
	hosts, reasons := e.reasons()
	if len(hosts) == 1 {
		return fmt.Sprintf("%s PostgreSQL at %s: %s", verb, hosts[0], reasons[hosts[0]])
	}
	list := make([]string, len(hosts))
	for i, host := range hosts {
		list[i] = fmt.Sprintf("%s (%s)", host, reasons[host])
	}
	return fmt.Sprintf("%s PostgreSQL at %s", verb, strings.Join(list, " or "))
}

// reasons lists the hosts in the order of the attempts, and what each one's
// addresses answered, the same answer once.
func (e *Error) reasons() (hosts []string, reasons map[string]string) {
	reasons = map[string]string{}
	for _, f := range e.failures {
		text := reason(f.err)
		known, seen := reasons[f.host]
		switch {
		case !seen:
			hosts = append(hosts, f.host)
			reasons[f.host] = text
		case !slices.Contains(strings.Split(known, "; "), text):
			reasons[f.host] = known + "; " + text
		}
	}
	return hosts, reasons
}

// reason is the shortest text that says why, without the layers that passed
// the error on.
func reason(err error) string {
	if text := unsuitable(err); text != "" {
		return text
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name does not resolve: " + dns.Err
	}
	if alert(err) {
		return "it ended TLS with the alert " + innermost(err).Error()
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it closed the connection during login"
	}
	return innermost(err).Error()
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
