// SPDX-License-Identifier: Apache-2.0

// Package sqlstate is the error that weir itself gives to a client, and the
// codes it uses. An error that PostgreSQL sent is never rebuilt from this
// package: it reaches the client byte for byte.
package sqlstate

import "errors"

// Code is a five-character SQLSTATE (PostgreSQL documentation, appendix A).
type Code string

// The codes that weir sends, each with the occasion.
const (
	// Successful: a NOTICE.
	Successful Code = "00000"
	// ConnectionFailure: PostgreSQL cannot be reached, or was lost.
	ConnectionFailure Code = "08006"
	// ProtocolViolation: the client's bytes are not the PostgreSQL protocol.
	ProtocolViolation Code = "08P01"
	// RejectedConnection: weir refuses this client (no TLS where it is required).
	RejectedConnection Code = "08004"
	// TransactionUnknown: the upstream was lost while a COMMIT or a write was in flight.
	TransactionUnknown Code = "08007"
	// FeatureNotSupported: a protocol version or option that weir does not speak.
	FeatureNotSupported Code = "0A000"
	// InvalidParameterValue: a start-up setting with a value that it cannot have.
	InvalidParameterValue Code = "22023"
	// InFailedTransaction: a statement in a block whose upstream was lost.
	InFailedTransaction Code = "25P02"
	// IdleInTransaction: a client left its upstream waiting for longer than
	// pool.idle_transaction_timeout.
	IdleInTransaction Code = "25P03"
	// TransactionTimeout: a transaction took longer than pool.transaction_timeout.
	TransactionTimeout Code = "25P04"
	// InvalidStatementName: a prepared statement that this client does not have.
	InvalidStatementName Code = "26000"
	// InvalidAuthorization: no such way to log in.
	InvalidAuthorization Code = "28000"
	// InvalidPassword: wrong user or password.
	InvalidPassword Code = "28P01"
	// InvalidCatalogName: no such database.
	InvalidCatalogName Code = "3D000"
	// SyntaxError: start-up options that PostgreSQL could not read.
	SyntaxError Code = "42601"
	// UndefinedObject: a start-up setting that does not exist.
	UndefinedObject Code = "42704"
	// ReservedName: a prepared statement called like one of weir's own, by SQL.
	ReservedName Code = "42939"
	// OutOfMemory: a client's or weir's bound on remembered statements is reached.
	OutOfMemory Code = "53200"
	// TooManyConnections: no upstream connection became free in time, or max_clients is reached.
	// What it answers was never executed.
	TooManyConnections Code = "53300"
	// NotificationLimit: more notifications wait for a client than may
	// (configuration_limit_exceeded).
	NotificationLimit Code = "53400"
	// QueryCanceled: a request that was cancelled while it waited in the queue.
	QueryCanceled Code = "57014"
	// AdminShutdown: weir is stopping.
	AdminShutdown Code = "57P01"
	// CannotConnectNow: PostgreSQL is starting or stopping.
	CannotConnectNow Code = "57P03"
	// IdleSessionTimeout: a client asked nothing for pool.client_idle_timeout.
	IdleSessionTimeout Code = "57P05"
	// InternalError: a defect in weir.
	InternalError Code = "XX000"
)

// Marker is the Routine of those errors that a program does well to tell apart.
// PostgreSQL puts the name of one of its functions there, and drivers show it.
type Marker string

// The markers. With those that say so, nothing was executed.
const (
	// QueueTimeout: a wait for a connection ended at pool.acquire_timeout. Nothing
	// was executed.
	QueueTimeout Marker = "weir_query_wait_timeout"
	// QueueCanceled: a request was cancelled while it waited. It was not executed.
	QueueCanceled Marker = "weir_queue_canceled"
	// TooManyClients: max_clients is reached. Nothing was executed.
	TooManyClients Marker = "weir_too_many_clients"
	// UpstreamDown: PostgreSQL was not reached, or took no login, for as long as
	// the request waited. Nothing was executed.
	UpstreamDown Marker = "weir_upstream_down"
	// UpstreamLost: the connection to PostgreSQL broke. The SQLSTATE says what
	// became of what it carried.
	UpstreamLost Marker = "weir_upstream_lost"
	// TransactionLost: a statement in a block whose connection has been lost. The
	// block was rolled back.
	TransactionLost Marker = "weir_transaction_lost"
	// ShuttingDown: weir stops. What this answers was not executed.
	ShuttingDown Marker = "weir_shutdown"
)

// Reason is why weir refused a request, as statistics name it.
type Reason string

// MaxPinned: too many clients of the pool keep their connection already.
const MaxPinned Reason = "max_pinned"

// Severity is the first field of an ErrorResponse.
type Severity string

const (
	// SeverityError leaves the connection open. It is what an empty Severity means.
	SeverityError Severity = "ERROR"
	// SeverityNotice is not an error.
	SeverityNotice Severity = "NOTICE"
	// SeverityFatal says that the connection closes after this message.
	SeverityFatal Severity = "FATAL"
)

// Error is an error with everything an ErrorResponse can tell the user.
// The zero Severity is ERROR.
type Error struct {
	Severity Severity
	Code     Code
	Message  string
	Detail   string // what was full, who held it; may be empty
	Hint     string // what to do; may be empty
	Routine  Marker // what weir's own library recognises; may be empty
	Reason   Reason // how a refusal is counted, where the code does not say it; never sent
	Err      error  // the cause, for the operator's log; never sent
}

// Error returns the message with its code.
func (e *Error) Error() string {
	s := e.Message + " (SQLSTATE " + string(e.Code) + ")"
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// SQLState returns the code, under the method name that pgx's errors have.
func (e *Error) SQLState() string { return string(e.Code) }

// From returns the *Error in err's chain. An error without one is a defect in
// weir: it becomes XX000 to the client, with err kept for the operator.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: InternalError, Message: "internal error in weir; its log has the cause", Err: err}
}
