// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// negotiateProtocolVersion is a type of message that only a login has.
const negotiateProtocolVersion = 'v'

// The codes inside Authentication messages ('R') that weir sends.
const (
	authOK           = 0
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

var errSASLInitial = errors.New("invalid SASLInitialResponse: its lengths do not add up")

// MaxSASL is the most bytes that a SASL message from a client may have after
// its length word. It is PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH; real ones
// have some 200.
const MaxSASL = 1 << 10 // 1 KiB

// AppendNegotiate appends NegotiateProtocolVersion: the version that both sides
// go on with, as the full number that PostgreSQL sends (the protocol's text
// speaks of a minor version), and the extensions that are not known.
func AppendNegotiate(dst []byte, version uint32, extensions []string) []byte {
	dst, start := Begin(dst, negotiateProtocolVersion)
	dst = binary.BigEndian.AppendUint32(dst, version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(extensions)))
	for _, name := range extensions {
		dst = AppendCString(dst, name)
	}
	return End(dst, start)
}

// AppendAuthOK appends AuthenticationOk: the client is who it says.
func AppendAuthOK(dst []byte) []byte { return appendAuth(dst, authOK, nil) }

// AppendSASL appends AuthenticationSASL: an offer of mechanisms, best first.
func AppendSASL(dst []byte, mechanisms []string) []byte {
	var list []byte
	for _, name := range mechanisms {
		list = AppendCString(list, name)
	}
	return appendAuth(dst, authSASL, append(list, 0))
}

// AppendSASLContinue appends AuthenticationSASLContinue with a challenge.
func AppendSASLContinue(dst []byte, challenge string) []byte {
	return appendAuth(dst, authSASLContinue, []byte(challenge))
}

// AppendSASLFinal appends AuthenticationSASLFinal with the outcome.
func AppendSASLFinal(dst []byte, outcome string) []byte {
	return appendAuth(dst, authSASLFinal, []byte(outcome))
}

func appendAuth(dst []byte, code uint32, data []byte) []byte {
	dst = AppendHeader(dst, Authentication, HeaderSize+4+len(data))
	dst = binary.BigEndian.AppendUint32(dst, code)
	return append(dst, data...)
}

// SASLLength returns how many bytes follow the four bytes of a SASL message's
// length word: 0 to MaxSASL. Its error is a protocol violation.
func SASLLength(word [4]byte) (int, error) {
	n := int64(binary.BigEndian.Uint32(word[:])) - 4
	if n < 0 || n > MaxSASL {
		return 0, fmt.Errorf("invalid length of a password message: %d bytes, at most %d are read", n+4, MaxSASL+4)
	}
	return int(n), nil
}

// ParseSASLInitial reads the body of a SASLInitialResponse: the mechanism that
// the client chose and its first data, which points into body and is nil if the
// client waits for an empty challenge first. Its error is a protocol violation.
func ParseSASLInitial(body []byte) (mechanism string, data []byte, err error) {
	name, rest, ok := CString(body)
	if !ok || len(rest) < 4 {
		return "", nil, errSASLInitial
	}
	n := int32(binary.BigEndian.Uint32(rest))
	data = rest[4:]
	if n == -1 && len(data) == 0 {
		return string(name), nil, nil
	}
	if n < 0 || int(n) != len(data) {
		return "", nil, errSASLInitial
	}
	return string(name), data, nil
}
