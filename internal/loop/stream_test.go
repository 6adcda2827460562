// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/loop"
)

// swap is a transport that Stream.Adopt can exchange.
type swap struct{ net.Conn }

func (s *swap) Take() (loop.Medium, error) { return loop.Take(s.Conn) }
func (s *swap) Set(inner net.Conn)         { s.Conn = inner }

// certificate is a self-signed one.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

// session is a TLS session whose one side a loop has adopted after the
// handshake.
type session struct {
	loop.Stream

	peer *tls.Conn
	raw  *tap // below peer
	keys *log // the session's secrets
}

// tap is a transport that can keep what is written to it.
type tap struct {
	net.Conn

	keeping bool
	kept    []byte
}

func (t *tap) Write(p []byte) (int, error) {
	if !t.keeping {
		return t.Conn.Write(p)
	}
	t.kept = append(t.kept, p...)
	return len(p), nil
}

// newSession adopts the server's side, or the client's. version 0 is Go's
// choice.
func newSession(t testing.TB, l *loop.Loop, server bool, version uint16, h loop.Handler) *session {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := dial(t, "tcp")
	expire(t, ours)
	s := &session{raw: &tap{Conn: theirs}, keys: &log{}}
	transport := &swap{ours}
	serving := &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version}
	asking := &tls.Config{InsecureSkipVerify: true, KeyLogWriter: s.keys, MaxVersion: version}
	var secure *tls.Conn
	if server {
		secure, s.peer = tls.Server(transport, serving), tls.Client(s.raw, asking)
	} else {
		secure, s.peer = tls.Client(transport, asking), tls.Server(s.raw, serving)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.peer.Handshake(); err != nil {
			t.Errorf("the peer's handshake: %v", err)
		}
	})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	done.Wait()
	if err := s.Adopt(transport, secure, l, h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// kinds runs f with either side adopted, under TLS 1.2 and the newest.
func kinds(t *testing.T, f func(t *testing.T, server bool, version uint16)) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "newest": 0} {
		for side, server := range map[string]bool{"server": true, "client": false} {
			t.Run(side+" "+name, func(t *testing.T) {
				t.Parallel()
				f(t, server, version)
			})
		}
	}
}

// random returns n bytes that do not compress or repeat.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestTLSTransfersBothWays(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, server bool, version uint16) {
		l := start(t, 1).Loop(0)
		s := newSession(t, l, server, version, ignore)
		out, in := random(4<<20), random(4<<20)
		var peers sync.WaitGroup
		peers.Go(func() {
			if _, err := s.peer.Write(in); err != nil {
				t.Errorf("the peer's write: %v", err)
			}
		})
		peers.Go(func() {
			got := make([]byte, len(out))
			if _, err := io.ReadFull(s.peer, got); err != nil || !bytes.Equal(got, out) {
				t.Errorf("the peer's read: %v, equal %t", err, bytes.Equal(got, out))
			}
		})
		done := spawn(l, func(task *loop.Task) {
			s.Attach(task)
			defer s.Attach(nil)
			both(t, task, &s.Stream, out, len(in), func(got []byte) {
				if !bytes.Equal(got, in) {
					t.Error("read something else than the peer wrote")
				}
			})
		})
		wait(t, done)
		peers.Wait()
	})
}

// both writes out and reads size bytes, whichever is possible.
func both(t *testing.T, task *loop.Task, s *loop.Stream, out []byte, size int, check func([]byte)) {
	got := make([]byte, 0, size)
	for len(out) > 0 || len(got) < size || !s.Drained() {
		n, err := s.Write(out)
		if err != nil && !loop.IsAgain(err) {
			t.Errorf("write: %v", err)
			return
		}
		out = out[n:]
		if err := s.Flush(); err != nil && !loop.IsAgain(err) {
			t.Errorf("flush: %v", err)
			return
		}
		m := 0
		if len(got) < size {
			m, err = s.Read(got[len(got):min(size, len(got)+10_000)])
			if err != nil && !loop.IsAgain(err) {
				t.Errorf("read: %v", err)
				return
			}
			got = got[:len(got)+m]
		}
		// A flush alone may have been what was left to do: nothing tells of that.
		if n == 0 && m == 0 && (len(out) > 0 || len(got) < size || !s.Drained()) {
			task.Park()
		}
	}
	check(got)
}

// TestTLSReadOfNothingBreaksNothing reads again and again while a record comes
// byte by byte.
func TestTLSReadOfNothingBreaksNothing(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, server bool, version uint16) {
		l := start(t, 1).Loop(0)
		s := newSession(t, l, server, version, ignore)
		buf := make([]byte, 64)
		on(t, l, func() {
			for range 3 {
				if n, err := s.Read(buf); n != 0 || !loop.IsAgain(err) {
					t.Errorf("read of nothing: %d, %v", n, err)
				}
			}
		})
		s.raw.keeping = true
		write(t, s.peer, "one record")
		s.raw.keeping = false
		record := s.raw.kept
		for _, b := range record[:len(record)-1] {
			if _, err := s.raw.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
			if !eventually(s.Readable) {
				t.Fatal("no event")
			}
			on(t, l, func() {
				if n, err := s.Read(buf); n != 0 || !loop.IsAgain(err) {
					t.Errorf("read of a part: %d, %v", n, err)
				}
			})
		}
		done := spawn(l, func(task *loop.Task) {
			s.Attach(task)
			defer s.Attach(nil)
			if err := readFull(task, &s.Stream, buf[:10]); err != nil || string(buf[:10]) != "one record" {
				t.Errorf("read %q, %v", buf[:10], err)
			}
		})
		if _, err := s.raw.Write(record[len(record)-1:]); err != nil {
			t.Fatal(err)
		}
		wait(t, done)
	})
}

func TestTLSEndOfStream(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, server bool, version uint16) {
		l := start(t, 1).Loop(0)
		s := newSession(t, l, server, version, ignore)
		write(t, s.peer, "last words")
		if err := s.peer.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wait(t, spawn(l, func(task *loop.Task) {
			s.Attach(task)
			defer s.Attach(nil)
			buf := make([]byte, 11)
			err := readFull(task, &s.Stream, buf)
			if !errors.Is(err, io.EOF) || string(buf[:10]) != "last words" {
				t.Errorf("read %q, %v, want io.EOF after the last words", buf, err)
			}
			if err := writeFull(task, &s.Stream, []byte("farewell")); err != nil {
				t.Errorf("write after the peer's end: %v", err)
			}
			if err := s.CloseWrite(); err != nil {
				t.Error(err)
			}
		}))
		got, err := io.ReadAll(s.peer)
		if string(got) != "farewell" || err != nil {
			t.Errorf("the peer read %q, %v", got, err)
		}
	})
}

// TestTLSKeyUpdateWhileAWriteIsStalled has the peer ask for new keys while it
// reads nothing: the answer has to be written by a read, at a moment when the
// socket takes nothing.
func TestTLSKeyUpdateWhileAWriteIsStalled(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	s := newSession(t, l, true, 0, ignore)
	if s.peer.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("this machine prefers another cipher suite")
	}
	out := random(16 << 20)
	stalled, updated := make(chan struct{}), make(chan struct{})
	done := spawn(l, func(task *loop.Task) {
		s.Attach(task)
		defer s.Attach(nil)
		n, err := s.Write(out)
		if !loop.IsAgain(err) || s.Drained() {
			t.Errorf("write: %d, %v, drained %t; want a stall", n, err, s.Drained())
		}
		close(stalled)
		for !s.Readable() {
			task.Park()
		}
		if n, err := s.Read(make([]byte, 10)); n != 0 || !loop.IsAgain(err) {
			t.Errorf("read of a KeyUpdate: %d, %v", n, err)
		}
		close(updated)
		if err := writeFull(task, &s.Stream, out[n:]); err != nil {
			t.Error(err)
		}
		for !s.Drained() {
			if err := s.Flush(); loop.IsAgain(err) {
				task.Park()
			}
		}
	})
	wait(t, stalled)
	if _, err := s.raw.Write(keyUpdate(t, s.keys.String())); err != nil {
		t.Fatal(err)
	}
	wait(t, updated)
	got := make([]byte, len(out))
	if _, err := io.ReadFull(s.peer, got); err != nil || !bytes.Equal(got, out) {
		t.Errorf("the peer's read: %v, equal %t", err, bytes.Equal(got, out))
	}
	wait(t, done)
}

// keyUpdate returns the record of a KeyUpdate(update_requested) as the client's
// first record under its application keys (RFC 8446, sections 4.6.3, 5.2, 7.3).
// crypto/tls answers one, but cannot be made to send one.
func keyUpdate(t *testing.T, keyLog string) []byte {
	t.Helper()
	var secret []byte
	for line := range strings.Lines(keyLog) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, _ = hex.DecodeString(f[2])
		}
	}
	block, err := aes.NewCipher(expand(t, secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	inner := []byte{24, 0, 0, 1, 1, 22} // key_update, its length, update_requested; a handshake record
	header := []byte{23, 3, 3, 0, byte(len(inner) + seal.Overhead())}
	return seal.Seal(header, expand(t, secret, "iv", 12), inner, header)
}

// expand is HKDF-Expand-Label of TLS 1.3 with an empty context.
func expand(t *testing.T, secret []byte, label string, size int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(append(info, byte(len(label))), label...), 0)
	b, err := hkdf.Expand(sha256.New, secret, string(info), size)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
