// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-pg/weir/internal/upstream"
)

// blackHole is an address that drops every SYN, as that of a machine that is gone:
// a listener whose queue is full and that accepts nobody.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
	for range 8 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this kernel does not drop what a full queue cannot take")
	return ""
}

func TestAHostThatDropsPacketsDoesNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	b := &backend{}
	hole, want := blackHole(t), fake(t, b.serve)
	quickly(t, time.Second, func() time.Duration {
		began := time.Now()
		got := login(t, list("read-write", hole, want), nil)
		took := time.Since(began)
		if got.Address != want {
			t.Errorf("address = %s, want %s", got.Address, want)
		}
		return took
	})
}

func TestAnAddressThatDropsPacketsDoesNotHoldUpTheNamesOthers(t *testing.T) {
	t.Parallel()
	b := &backend{}
	hole, want := blackHole(t), fake(t, b.serve)
	tgt := target(t, "postgres://bob:p@db.example:5432/shop?sslmode=disable")
	upstream.SetLookup(tgt, func(context.Context, string) ([]string, error) { return []string{hole, want}, nil })
	quickly(t, time.Second, func() time.Duration {
		began := time.Now()
		got, err := tgt.Login(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		got.Stream.Close()
		return took
	})
}
