// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"errors"
	"net"
	"syscall"
)

// quiet reports whether nothing has arrived on a connection that expects nothing,
// not even its end. What ends at weir, in the same process, cannot be lost in any
// other way, so that asking PostgreSQL whether it is there would be in vain.
func quiet(conn net.Conn) bool {
	something, known := arrived(conn)
	return known && !something
}

// arrived reports whether something has arrived on a connection and was not read,
// or its end has. known is false where that cannot be asked.
func arrived(conn net.Conn) (something, known bool) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		conn = secure.NetConn()
	}
	if pipe, ok := conn.(interface{ Arrived() bool }); ok {
		return pipe.Arrived(), true
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false, false
	}
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		something = !errors.Is(err, syscall.EAGAIN)
	})
	return something, err == nil
}
