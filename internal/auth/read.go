// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"io"

	"github.com/weir-pg/weir/internal/wire"
)

// Why a message that its client did not finish is refused.
var (
	errHalfStartup = errors.New("incomplete startup packet")
	errHalfSASL    = errors.New("incomplete password message")
)

// goodbye begins a Terminate. node-postgres sends one where its user ends a
// connection that has just been made; PostgreSQL hangs up without a word.
var goodbye = [4]byte{wire.Terminate}

// readStartup reads one packet of the form that has no type: its length, then
// its body of at least four bytes. The error is io.EOF if the client left
// instead of sending one.
func readStartup(r io.Reader) ([]byte, error) {
	var word [4]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return nil, unfinished(err, errHalfStartup)
	}
	if word == goodbye {
		_, _ = io.ReadFull(r, word[:1]) // closing with unread bytes would reset the connection
		return nil, io.EOF
	}
	n, err := wire.StartupLength(word)
	if err != nil {
		return nil, violation(err)
	}
	return readBody(r, n, errHalfStartup)
}

// readSASL reads one SASL message from the client and returns its body. The
// error is io.EOF if the client left instead of sending one.
func readSASL(r io.Reader) ([]byte, error) {
	var header [wire.HeaderSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, unfinished(err, errHalfSASL)
	}
	if header[0] != wire.Password {
		return nil, violation(fmt.Errorf("expected SASL response, got message type %d", header[0]))
	}
	n, err := wire.SASLLength([4]byte(header[1:]))
	if err != nil {
		return nil, violation(err)
	}
	return readBody(r, n, errHalfSASL)
}

// readBody reads the n bytes that a message still has; the caller has checked n.
func readBody(r io.Reader, n int, half error) ([]byte, error) {
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the message began with what came before
	}
	return body, unfinished(err, half)
}

// unfinished turns the end of the stream inside a message into a refusal with
// half's words; other errors stay as they are.
func unfinished(err, half error) error {
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	e := violation(half)
	e.Err = err
	return e
}
