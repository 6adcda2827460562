// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// lacks are what the system says where this machine, not PostgreSQL, has no room
// for a connection, each with what it means and what to do. PostgreSQL calls its
// own cases of it insufficient resources (errcode_for_file_access in elog.c).
var lacks = map[syscall.Errno]struct{ what, do string }{
	syscall.EMFILE: {
		"weir has no file descriptor left for a connection to PostgreSQL",
		"raise its limit on open files (ulimit -n, LimitNOFILE= of systemd) or lower max_clients",
	},
	syscall.ENFILE: {
		"weir's machine has no file descriptor left for a connection to PostgreSQL",
		"raise fs.file-max there",
	},
	syscall.EADDRNOTAVAIL: {
		"weir's machine has no address and port left for a connection to PostgreSQL",
		"widen net.ipv4.ip_local_port_range there, or connect over a Unix socket",
	},
	syscall.ENOBUFS: {"weir's machine has no memory left for a connection to PostgreSQL", "free some there"},
	syscall.ENOMEM:  {"weir's machine has no memory left for a connection to PostgreSQL", "free some there"},
}

// lack returns what this machine lacked when it tried to connect, 0 if nothing.
// The resolver keeps no error of the system's but its words.
func lack(err error) syscall.Errno {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if _, known := lacks[errno]; known {
			return errno
		}
		return 0
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
			if strings.Contains(dns.Err, errno.Error()) {
				return errno
			}
		}
	}
	return 0
}

// lacking is one sentence about a lack, with what to do.
func lacking(errno syscall.Errno, host string) string {
	l := lacks[errno]
	return fmt.Sprintf("%s at %s (%s): %s", l.what, host, errno, l.do)
}
