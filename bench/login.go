// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"
)

// patience bounds one login and one query.
const patience = 30 * time.Second

// login logs clients in with SCRAM-SHA-256. It remembers the salted password:
// its 4096 hashes take a client longer than all that the server does, and
// would be what is measured. It is safe for concurrent use.
type login struct {
	user, database string
	scram          *scram.Client
}

// client is a connection that has logged in. Idle, it holds no buffer.
type client struct{ conn net.Conn }

func newLogin(db *pgconn.Config) (*login, error) {
	s, err := scram.SHA256.NewClient(db.User, db.Password, "")
	if err != nil {
		return nil, fmt.Errorf("user and password for SCRAM: %w", err)
	}
	return &login{user: db.User, database: db.Database, scram: s}, nil
}

// open connects to addr and logs in. The caller closes the client.
func (l *login) open(ctx context.Context, addr string) (_ *client, err error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	front := pgproto3.NewFrontend(conn, conn)
	front.Send(&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters:      map[string]string{"user": l.user, "database": l.database, "application_name": "bench"},
	})
	if err := l.prove(front); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if _, err := untilReady(front); err != nil {
		return nil, err
	}
	return &client{conn: conn}, nil
}

// openMany opens n clients at once. It returns those that it opened, also
// beside an error.
func (l *login) openMany(ctx context.Context, addr string, n int) ([]*client, error) {
	var (
		mu      sync.Mutex // guards clients and errs
		clients []*client
		errs    []error
		group   sync.WaitGroup
	)
	for range n {
		group.Go(func() {
			c, err := l.open(ctx, addr)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			clients = append(clients, c)
		})
	}
	group.Wait()
	return clients, errors.Join(errs...)
}

// prove goes through the SCRAM exchange, up to AuthenticationOk.
func (l *login) prove(front *pgproto3.Frontend) error {
	talk := l.scram.NewConversation()
	for {
		if err := front.Flush(); err != nil {
			return err
		}
		message, err := front.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.AuthenticationSASL:
			first, err := talk.Step("")
			if err != nil {
				return err
			}
			front.Send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte(first)})
		case *pgproto3.AuthenticationSASLContinue:
			proof, err := talk.Step(string(m.Data))
			if err != nil {
				return err
			}
			front.Send(&pgproto3.SASLResponse{Data: []byte(proof)})
		case *pgproto3.AuthenticationSASLFinal:
			if _, err := talk.Step(string(m.Data)); err != nil {
				return err
			}
		case *pgproto3.AuthenticationOk:
			if !talk.Valid() {
				return errors.New("logged in without SCRAM-SHA-256, so this is no fair comparison")
			}
			return nil
		case *pgproto3.ErrorResponse:
			return refusal(m)
		default:
			return fmt.Errorf("unexpected %T", m)
		}
	}
}

// query asks for one row and checks the answer.
func (c *client) query() error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	front := pgproto3.NewFrontend(c.conn, c.conn)
	front.Send(&pgproto3.Query{String: "select 1"})
	if err := front.Flush(); err != nil {
		return err
	}
	rows, err := untilReady(front)
	if err == nil && rows != 1 {
		err = fmt.Errorf("select 1 returned %d rows", rows)
	}
	return err
}

// untilReady receives up to ReadyForQuery and counts the rows on the way. An
// ErrorResponse on the way is the error.
func untilReady(front *pgproto3.Frontend) (rows int, err error) {
	for {
		message, broken := front.Receive()
		if broken != nil {
			return rows, errors.Join(err, broken)
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			rows++
		case *pgproto3.ErrorResponse:
			err = refusal(m)
		case *pgproto3.ReadyForQuery:
			return rows, err
		}
	}
}

// refusal is what the server said, as an error.
func refusal(m *pgproto3.ErrorResponse) error {
	return fmt.Errorf("%s: %s (SQLSTATE %s)", m.Severity, m.Message, m.Code)
}

// close says goodbye and closes; a peer that has gone already is no trouble.
func (c *client) close() {
	terminate, err := (&pgproto3.Terminate{}).Encode(nil)
	if err == nil {
		_, _ = c.conn.Write(terminate)
	}
	_ = c.conn.Close()
}
