// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"errors"
	"slices"

	"github.com/xdg-go/scram"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// The names of the mechanisms (RFC 7677).
const (
	plain = "SCRAM-SHA-256"
	plus  = "SCRAM-SHA-256-PLUS" // bound to the TLS connection it happens on
)

// authenticate has the client prove that it is who its login says. hello is
// written before the first message. On success AuthenticationOk is the last
// message written.
func (a *Acceptor) authenticate(c *turn, login *Login, hello []byte) error {
	secret, known := a.Users.Lookup(login.Database, login.User)
	if known && secret.trust {
		return c.send(wire.AppendAuthOK(hello))
	}
	// Computed for known users too, so that it tells nothing.
	keys := mock(login.User)
	if known && secret.keys.Iters > 0 {
		keys = secret.keys
	}
	err := prove(c, keys, hello)
	if errors.Is(err, errWrongProof) {
		return wrongPassword(login.User, known)
	}
	return err
}

// errWrongProof says that the exchange went by the rules and the proof does not
// fit the keys.
var errWrongProof = errors.New("wrong password")

func wrongPassword(user string, known bool) error {
	e := fatal(sqlstate.InvalidPassword, "password authentication failed for user \""+user+"\"")
	e.Err = errWrongProof
	if !known {
		e.Err = errors.New("no such user")
	}
	return e
}

// prove is the SCRAM exchange (RFC 5802; PostgreSQL's CheckSASLAuth and
// auth-scram.c): an offer, the client's first message, a challenge, the
// client's proof, and the server's own.
func prove(c *turn, keys scram.StoredCredentials, hello []byte) error {
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return keys, nil })
	if err != nil {
		return err
	}
	var binding scram.ChannelBinding
	if c.secure != nil {
		binding = c.secure.binding
	}
	exchange := server.NewConversationWithChannelBinding(binding)

	first, err := offer(c, binding.IsSupported(), hello)
	if err != nil {
		return err
	}
	challenge, err := exchange.Step(first)
	if err != nil {
		return stepError(challenge, err)
	}
	if exchange.AuthzID() != "" {
		return fatal(sqlstate.FeatureNotSupported, "client uses authorization identity, but it is not supported")
	}
	if err := c.send(wire.AppendSASLContinue(nil, challenge)); err != nil {
		return err
	}
	final, err := readSASL(c.stream)
	if err != nil {
		return err
	}
	verdict, err := exchange.Step(string(final))
	if err != nil {
		return stepError(verdict, err)
	}
	return c.send(wire.AppendAuthOK(wire.AppendSASLFinal(nil, verdict)))
}

// offer names the mechanisms and returns the client's first message.
func offer(c *turn, bind bool, hello []byte) (string, error) {
	mechanisms := []string{plain}
	if bind {
		mechanisms = []string{plus, plain}
	}
	if err := c.send(wire.AppendSASL(hello, mechanisms)); err != nil {
		return "", err
	}
	body, err := readSASL(c.stream)
	if err != nil {
		return "", err
	}
	chosen, first, err := wire.ParseSASLInitial(body)
	if err != nil {
		return "", violation(err)
	}
	if !slices.Contains(mechanisms, chosen) {
		return "", violation(errors.New("client selected an invalid SASL authentication mechanism"))
	}
	if first == nil { // it wants an empty challenge first (RFC 4422, section 5.1)
		if err := c.send(wire.AppendSASLContinue(nil, "")); err != nil {
			return "", err
		}
		if first, err = readSASL(c.stream); err != nil {
			return "", err
		}
	}
	return string(first), checkFirst(chosen, first)
}

// checkFirst refuses what the library's conversation would take and PostgreSQL
// does not: a first message whose channel binding contradicts the mechanism,
// and a zero byte in it, which ends a string there.
func checkFirst(chosen string, first []byte) error {
	binds := bytes.HasPrefix(first, []byte("p"))
	switch {
	case len(first) == 0:
		return violation(errors.New("malformed SCRAM message: the message is empty"))
	case bytes.IndexByte(first, 0) >= 0:
		return violation(errors.New("malformed SCRAM message: message length does not match input length"))
	case chosen == plus && !binds:
		return violation(errors.New("malformed SCRAM message: the client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data"))
	case chosen == plain && binds:
		return violation(errors.New("malformed SCRAM message: the client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data"))
	}
	return nil
}

// stepError is why the library's conversation ended, in PostgreSQL's words.
// verdict is the error in the form of RFC 5802, which PostgreSQL never sends.
func stepError(verdict string, err error) error {
	var e *sqlstate.Error
	switch verdict {
	case scram.ErrInvalidProof:
		return errWrongProof
	case scram.ErrServerDoesSupportChannelBinding:
		e = fatal(sqlstate.InvalidAuthorization, "SCRAM channel binding negotiation error")
		e.Detail = "The client supports SCRAM channel binding but thinks the server does not. However, this server does support channel binding."
	case scram.ErrChannelBindingsDontMatch:
		e = fatal(sqlstate.InvalidAuthorization, "SCRAM channel binding check failed")
	default:
		e = fatal(sqlstate.ProtocolViolation, "malformed SCRAM message")
	}
	e.Err = err
	return e
}
