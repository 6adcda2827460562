// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/sqlstate"
)

var (
	// ErrCommitUnknown is what a [CommitUnknownError] is, for errors.Is.
	ErrCommitUnknown = errors.New("whether the transaction was committed is not known")

	// ErrGaveUp says that a transaction was rolled back each time that Do ran
	// it, and that the limit of attempts or of time is reached.
	ErrGaveUp = errors.New("weir.Do gave up")

	errLostBeforeCommit = errors.New("the connection to PostgreSQL was lost before COMMIT was sent")
)

// CommitUnknownError says that the answer to a COMMIT did not come: the
// transaction has been committed, or not. Whoever runs it again must look at the
// data first, or be sure that running it twice does no harm.
type CommitUnknownError struct {
	Err error // what came instead of the answer
}

func (e *CommitUnknownError) Error() string {
	return ErrCommitUnknown.Error() + ", look at the data before you run it again: " + e.Err.Error()
}

// Unwrap returns what came instead of the answer.
func (e *CommitUnknownError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrCommitUnknown].
func (e *CommitUnknownError) Is(target error) bool { return target == ErrCommitUnknown }

// SQLState is 08007, transaction_resolution_unknown.
func (e *CommitUnknownError) SQLState() string { return string(sqlstate.TransactionUnknown) }

// PostgreSQL's codes that Do looks at, besides those in sqlstate.
const (
	serializationFailure       = "40001"
	deadlockDetected           = "40P01"
	statementCompletionUnknown = "40003"
	crashShutdown              = "57P02"
	connectionExceptions       = "08" // a class
)

// serverSaid returns PostgreSQL's or weir's error in err's chain; nil if there
// is none, or if a Do inside this one has said what is to be said of it.
func serverSaid(err error) *pgconn.PgError {
	if errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrGaveUp) {
		return nil
	}
	e, _ := errors.AsType[*pgconn.PgError](err)
	return e
}

// undone reports whether PostgreSQL has undone a transaction because of others
// that ran at the same time.
func undone(err error) bool {
	e := serverSaid(err)
	return e != nil && (e.Code == serializationFailure || e.Code == deadlockDetected)
}

// refused reports whether PostgreSQL or weir has said that it takes no
// connection now, or that the one of this transaction is lost. Before a COMMIT
// is sent all of these mean that nothing has happened.
func refused(err error) bool {
	e := serverSaid(err)
	if e == nil {
		return false
	}
	if IsQueueTimeout(e) || IsUpstreamDown(e) {
		return false // weir has waited already, for as long as it may
	}
	switch sqlstate.Code(e.Code) {
	case sqlstate.TooManyConnections, sqlstate.AdminShutdown, crashShutdown, sqlstate.CannotConnectNow, sqlstate.IdleSessionTimeout:
		return true
	case sqlstate.InFailedTransaction:
		return IsUpstreamLost(e)
	case sqlstate.RejectedConnection, sqlstate.ProtocolViolation, sqlstate.TransactionUnknown:
		return false
	}
	return strings.HasPrefix(e.Code, connectionExceptions)
}

// broken reports whether err comes from a connection that could not be made, or
// has ended, without a word from the server.
func broken(err error) bool {
	if serverSaid(err) != nil || errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrGaveUp) {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}

// timedOut reports whether a limit of the caller's own has ended a connection.
func timedOut(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// lostBefore reports whether the answer to a COMMIT is weir's, and says that the
// connection to PostgreSQL was lost before: the COMMIT was not sent.
func lostBefore(err error) bool {
	e := serverSaid(err)
	return e != nil && e.SeverityUnlocalized == "ERROR" && IsUpstreamLost(e) && e.Code != string(sqlstate.TransactionUnknown)
}

// rolledBack reports whether the answer to a COMMIT says for certain that
// nothing was committed. An ERROR does: once a commit is on its way nothing can
// fail any more but the whole server. A FATAL may come from something between,
// which ended the connection while PostgreSQL was at work. pgconn.SafeToRetry
// says nothing here: in pgx 5.12 a connection that ends after the COMMIT was sent
// is "conn closed", which passes for never sent (pgconn's NextResult closes the
// connection as it looks ahead, and then finds it closed).
func rolledBack(err error) bool {
	e := serverSaid(err)
	return e != nil && e.SeverityUnlocalized == "ERROR" &&
		!strings.HasPrefix(e.Code, connectionExceptions) && e.Code != statementCompletionUnknown
}
