// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// crypto/tls answers a KeyUpdate but never sends one. So a client logs in with
// it, and its connection is carried on by the record layer here, with the keys
// that the handshake logged (RFC 8446, sections 4.6.3, 5 and 7).

// Types of records and of the one handshake message.
const (
	recordHandshake = 22
	recordData      = 23
	keyUpdate       = 24
)

// half is one direction of a TLS 1.3 connection with TLS_AES_128_GCM_SHA256.
type half struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// expand is HKDF-Expand-Label with an empty context.
func expand(t testing.TB, secret []byte, label string, size int) []byte {
	t.Helper()
	full := "tls13 " + label
	info := append([]byte{byte(size >> 8), byte(size), byte(len(full))}, full...)
	key, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), size)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newHalf(t testing.TB, secret []byte, seq uint64) *half {
	t.Helper()
	block, err := aes.NewCipher(expand(t, secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &half{secret: secret, aead: aead, iv: expand(t, secret, "iv", 12), seq: seq}
}

// next is the same direction after a KeyUpdate.
func (h *half) next(t testing.TB) *half {
	t.Helper()
	return newHalf(t, expand(t, h.secret, "traffic upd", sha256.Size), 0)
}

func (h *half) nonce() []byte {
	nonce := bytes.Clone(h.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^h.seq)
	h.seq++
	return nonce
}

// seal makes a record.
func (h *half) seal(kind byte, text []byte) []byte {
	inner := append(bytes.Clone(text), kind)
	header := []byte{recordData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+h.aead.Overhead()))
	return h.aead.Seal(header, h.nonce(), inner, header)
}

// wiretap counts the records of application data in each direction.
type wiretap struct {
	net.Conn
	mu       sync.Mutex
	in, out  bytes.Buffer // guarded by mu; what has not been counted yet
	got, put uint64       // guarded by mu
}

func (w *wiretap) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in.Write(p[:n])
	w.got += records(&w.in)
	return n, err
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.out.Write(p)
	w.put += records(&w.out)
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// records takes whole records out of b and counts those of application data.
// What comes before the handshake, eight bytes and one, is skipped.
func records(b *bytes.Buffer) (n uint64) {
	for {
		head := b.Bytes()
		switch {
		case len(head) >= 1 && (head[0] == 'S' || head[0] == 0):
			b.Next(min(8, len(head)))
			continue
		case len(head) < 5 || len(head) < 5+int(binary.BigEndian.Uint16(head[3:])):
			return n
		}
		if head[0] == recordData {
			n++
		}
		b.Next(5 + int(binary.BigEndian.Uint16(head[3:])))
	}
}

// handshakeRecords is how many of the records that look like application data
// belong to the handshake: all of the server's are one flight in one record
// each (EncryptedExtensions, Certificate, CertificateVerify, Finished), the
// client's is Finished.
const (
	handshakeRecordsIn  = 4
	handshakeRecordsOut = 1
)

// tapped is a client in TLS whose record layer is the test's.
type tapped struct {
	net.Conn
	read, write *half
	plain       bytes.Buffer // decrypted and not read yet
	updates     int          // KeyUpdates that the server sent
	t           testing.TB
}

// tap logs a client in and takes its connection over.
func tap(t testing.TB, g *gateway) *raw {
	t.Helper()
	cfg, err := pgconn.ParseConfig(g.url("sslmode=require"))
	if err != nil {
		t.Fatal(err)
	}
	var keys bytes.Buffer
	var wire *wiretap
	cfg.TLSConfig.KeyLogWriter = &keys
	cfg.TLSConfig.MinVersion = tls.VersionTLS13
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		wire = &wiretap{Conn: conn}
		return wire, err
	}
	conn, err := pgconn.ConnectConfig(bounded(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Conn.Close() })
	setDeadline(t, wire.Conn)
	if suite := h.Conn.(*tls.Conn).ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the handshake chose %s, which this test does not speak", tls.CipherSuiteName(suite))
	}
	c := &tapped{
		Conn:  wire.Conn,
		read:  newHalf(t, secretOf(t, keys.String(), "SERVER_TRAFFIC_SECRET_0"), wire.got-handshakeRecordsIn),
		write: newHalf(t, secretOf(t, keys.String(), "CLIENT_TRAFFIC_SECRET_0"), wire.put-handshakeRecordsOut),
		t:     t,
	}
	return &raw{Conn: c, front: pgproto3.NewFrontend(c, c)}
}

// secretOf finds a secret in a key log.
func secretOf(t testing.TB, keys, label string) []byte {
	t.Helper()
	for line := range strings.Lines(keys) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == label {
			secret, err := hex.DecodeString(fields[2])
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
	}
	t.Fatalf("no %s was logged", label)
	return nil
}

// Write sends application data.
func (c *tapped) Write(p []byte) (int, error) {
	return len(p), c.record(recordData, p)
}

func (c *tapped) record(kind byte, text []byte) error {
	_, err := c.Conn.Write(c.write.seal(kind, text))
	return err
}

// update sends KeyUpdate(update_requested).
func (c *tapped) update() error {
	err := c.record(recordHandshake, []byte{keyUpdate, 0, 0, 1, 1})
	c.write = c.write.next(c.t)
	return err
}

// Read reads application data and follows the server's KeyUpdates.
func (c *tapped) Read(p []byte) (int, error) {
	for c.plain.Len() == 0 {
		var header [5]byte
		if _, err := io.ReadFull(c.Conn, header[:]); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint16(header[3:]))
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return 0, err
		}
		text, err := c.read.aead.Open(body[:0], c.read.nonce(), body, header[:])
		if err != nil {
			return 0, err
		}
		kind := text[len(text)-1]
		text = text[:len(text)-1]
		if kind == recordHandshake && text[0] == keyUpdate {
			c.updates++
			c.read = c.read.next(c.t)
			continue
		}
		c.plain.Write(text)
	}
	return c.plain.Read(p)
}

func TestKeyUpdateBetweenQueries(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	r := tap(t, g)
	c := r.Conn.(*tapped)
	for n := range 3 {
		r.query(t, "select 1")
		if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if c.updates != n {
			t.Fatalf("%d updates came from weir, want %d", c.updates, n)
		}
		if err := c.update(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeyUpdateWhileAWriteIsStalled has a client that does not read ask for new
// keys: weir has to answer, while what it wrote before is stuck.
func TestKeyUpdateWhileAWriteIsStalled(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := tap(t, g)
	c := r.Conn.(*tapped)
	r.query(t, "select repeat('x', 1000) from generate_series(1, 20000)")
	until(t, "the result to be stuck", func() bool {
		return testpg.Exec(t, g.upstream, "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and datname = current_database()")[0][0] == "1"
	})
	for range 3 {
		if err := c.update(); err != nil {
			t.Fatal(err)
		}
	}
	r.query(t, "select 1")
	if got, want := r.transcript(t, 2), "T "+strings.Repeat("D ", 20000)+"C Z(I) T D C Z(I)"; got != want {
		t.Errorf("got %d bytes of transcript, want %d", len(got), len(want))
	}
	if c.updates == 0 {
		t.Error("weir did not change its keys")
	}
	g.balanced(t)
}
