// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// loginTimeout is client_login_timeout where a test waits for its end. Clients
// that mean well have to log in within it.
const loginTimeout = 5 * time.Second

func hastyLogin(c *weir.Config) { c.ClientLoginTimeout = loginTimeout }

// bystander is a client that runs queries until the test ends; an error that it
// sees fails the test.
func bystander(t *testing.T, g *gateway) {
	t.Helper()
	conn := g.connect(t)
	var over atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		for n := 0; !over.Load(); n++ {
			if got := ask(t, conn, "select "+strconv.Itoa(n)); got != strconv.Itoa(n) {
				t.Errorf("a bystander's query %d gave %s", n, got)
				return
			}
		}
	})
	t.Cleanup(func() {
		over.Store(true)
		wait.Wait()
	})
}

// packet is a start-up packet: a length and what follows.
func packet(length uint32, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, length), rest...)
}

// message is a message with a length that need not be its own.
func message(typ byte, length uint32, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{typ}, length), rest...)
}

func TestBadInputBeforeLoginEndsInAnErrorOrATimeout(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), hastyLogin)
	bystander(t, g)
	startup := []byte("\x00\x00\x00\x20\x00\x03\x00\x00user\x00postgres\x00\x00")
	for _, c := range []struct {
		name string
		sent []byte
		want string // the SQLSTATE of the answer
	}{
		{"nothing", nil, "08004"},
		{"half a length", []byte{0, 0}, "08004"},
		{"half a start-up packet", startup[:12], "08004"},
		{"a length of 2 GB", packet(1<<31, 0, 3, 0, 0), "08P01"},
		{"a length of 0", packet(0, 0, 3, 0, 0), "08P01"},
		{"a length below its own size", packet(7, 0, 3, 0), "08P01"},
		{"an unknown version", packet(8, 0, 9, 0, 0), "0A000"},
		{"no user", packet(9, 0, 3, 0, 0, 0), "28000"},
		{"a name without its end", packet(13, 0, 3, 0, 0, 'u', 's', 'e', 'r', 'x'), "08P01"},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "08P01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := g.dial(t)
			r.write(t, c.sent)
			if got := r.failure(t); got.Code != c.want || got.Severity != "FATAL" || got.Message == "" {
				t.Errorf("got %s %s %q, want FATAL %s", got.Severity, got.Code, got.Message, c.want)
			}
			if got := r.ends(t); got != "EOF" {
				t.Errorf("the connection ended with %s, want EOF", got)
			}
		})
	}
}

func TestPasswordMessageOfAMegabyteIsRefused(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), hastyLogin)
	r := g.dial(t)
	r.send(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres"}})
	if _, err := r.front.Receive(); err != nil {
		t.Fatal(err)
	}
	r.write(t, message('p', 4+1<<20, make([]byte, 1<<20)...))
	if got := r.failure(t); got.Code != "08P01" {
		t.Errorf("got %s %q, want 08P01", got.Code, got.Message)
	}
	r.ends(t)
}

func TestRandomBytesDoNotDisturbOthers(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), hastyLogin)
	bystander(t, g)
	for seed := range uint64(100) {
		source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
		noise := make([]byte, 1+seed*37%4000)
		_, _ = source.Read(noise) // never fails
		r := g.dial(t)
		r.write(t, noise)
		if err := closeWrite(r); err != nil {
			continue // weir has ended it already
		}
		r.ends(t)
	}
	until(t, "the logins to end", func() bool { return g.Status().Clients.Login == 0 })
}

func closeWrite(r *raw) error {
	return r.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func TestBadInputAfterLoginEndsInAnError(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	bystander(t, g)
	for _, c := range []struct {
		name string
		sent []byte
		want string // the transcript
	}{
		{"a length of 2 GB", message('Q', 1<<31), "E(08P01) EOF"},
		{"a length of 0", message('Q', 0), "E(08P01) EOF"},
		{"a length of 3", message('S', 3), "E(08P01) EOF"},
		{"a password", message('p', 8, 'x', 'y', 'z', 0), "E(08P01) EOF"},
		{"an unknown type", message('?', 4), "E(08P01) EOF"},
		{"the type 0", message(0, 4), "E(08P01) EOF"},
		{"a message of the other side", message('Z', 5, 'I'), "E(08P01) EOF"},
		{"a long message of an unknown type", message('~', 1<<20), "E(08P01) EOF"},
		{"Parse without its parts", message('P', 6, 'x', 'y'), "E(08P01) EOF"},
		{"Bind without its parts", message('B', 6, 'x', 'y'), "E(08P01) EOF"},
		{"Describe without its parts", message('D', 5, 'S'), "E(08P01) EOF"},
		{"Close without its parts", message('C', 4), "E(08P01) EOF"},
		{"Execute without its parts", message('E', 6, 'x', 'y'), "E(08P01) EOF"},
		{"Bind before Parse", append(message('B', 12, 0, 0, 0, 0, 0, 0, 0, 0), message('S', 4)...), "E(26000) Z(I)"},
		{"Execute before Bind", append(message('E', 9, 0, 0, 0, 0, 0), message('S', 4)...), "E(34000) Z(I)"},
		{"copy data outside a copy", append(message('d', 8, 'x', 'y', 'z', 0), message('S', 4)...), "Z(I)"},
		{"the end of a copy outside one", append(message('c', 4), message('S', 4)...), "Z(I)"},
		{"Sync alone", message('S', 4), "Z(I)"},
		{"Flush, then Sync", append(message('H', 4), message('S', 4)...), "Z(I)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := g.raw(t)
			r.write(t, c.sent)
			if got := r.transcript(t, 1); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRandomMessagesAfterLoginDoNotDisturbOthers(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	bystander(t, g)
	types := []byte("QPBEDCSHFdcfpX?")
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		var noise bytes.Buffer
		for range 1 + random.IntN(30) {
			body := make([]byte, random.IntN(40))
			for i := range body {
				body[i] = byte(random.IntN(4) * random.IntN(64))
			}
			noise.Write(message(types[random.IntN(len(types))], uint32(4+len(body)), body...))
		}
		r := g.raw(t)
		r.write(t, noise.Bytes())
		_ = closeWrite(r) // weir may have ended it already
		r.ends(t)
	}
	must(t, g.connect(t), "select 1")
}

// TestAMessageOutOfPlaceInACopyEndsTheClientAsPostgreSQLDoes has PostgreSQL end
// the connection itself, for which it says why (SocketBackend and ReadCommand in
// src/backend/tcop/postgres.c).
func TestAMessageOutOfPlaceInACopyEndsTheClientAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	g := table(t)
	for name, message := range map[string]pgproto3.FrontendMessage{
		"Query":   &pgproto3.Query{String: "select 1"},
		"Parse":   &pgproto3.Parse{Query: "select 1"},
		"Bind":    &pgproto3.Bind{},
		"Close":   &pgproto3.Close{ObjectType: 'S'},
		"Execute": &pgproto3.Execute{},
	} {
		var told [2]string
		for i, url := range []string{g.upstream, g.url()} {
			conn, err := pgconn.Connect(bounded(t), url)
			if err != nil {
				t.Fatal(err)
			}
			r := hijack(t, conn)
			r.query(t, "copy rows from stdin")
			r.send(t, &pgproto3.CopyData{Data: []byte("1\n")}, message)
			told[i] = r.transcript(t, 1)
		}
		if told[1] != told[0] || !strings.HasSuffix(told[0], "E(08P01) EOF") {
			t.Errorf("%s: told %q, and by PostgreSQL %q", name, told[1], told[0])
		}
	}
	if n := rows(t, g); n != "0" {
		t.Errorf("%s rows of copies that failed", n)
	}
}

func TestARefusedClientIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	r := g.raw(t, "application_name=shop")
	r.write(t, message('?', 4))
	r.transcript(t, 1)
	until(t, "the log to say so", func() bool {
		text := g.log.String()
		return strings.Contains(text, "client refused") && strings.Contains(text, "shop")
	})
}

func TestUnknownUserAndWrongPasswordGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	var said [2]string
	for i, user := range []string{"postgres", "nobody_of_that_name"} {
		cfg, err := pgx.ParseConfig(g.url())
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Password = user, "wrong"
		_, err = pgx.ConnectConfig(bounded(t), cfg)
		if code(err) != "28P01" {
			t.Errorf("user %s got %v, want 28P01", user, err)
			continue
		}
		said[i] = strings.ReplaceAll(err.Error(), user, "?")
	}
	if said[0][strings.LastIndex(said[0], ": "):] != said[1][strings.LastIndex(said[1], ": "):] {
		t.Errorf("the answers tell users apart: %q and %q", said[0], said[1])
	}
}
