// SPDX-License-Identifier: Apache-2.0

//go:build unix

package loop

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Detach takes the descriptor of a TCP or Unix connection away from Go's
// poller, so that a loop can register it with its own. The descriptor is a
// duplicate, closed on exec and still non-blocking (that flag belongs to the
// open file, which both share); conn is closed, which removes its
// registration but sends nothing to the peer. The caller owns the descriptor.
// After an error conn is untouched and still the caller's.
//
// Deadlines of conn end with it: they are timers of Go's poller, not options
// of the socket. No goroutine may be reading or writing conn.
func Detach(conn net.Conn) (fd int, err error) {
	file, ok := conn.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("a %T has no descriptor to detach", conn)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("detach the descriptor of %s: %w", conn.RemoteAddr(), err)
	}
	var failed error
	err = raw.Control(func(old uintptr) {
		fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return -1, fmt.Errorf("detach the descriptor of %s: %w", conn.RemoteAddr(), err)
	}
	// The duplicate keeps the connection open, so what Close reports about
	// the other descriptor changes nothing for the caller.
	_ = conn.Close()
	return fd, nil
}
