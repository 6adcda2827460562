// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// parking lets a loop wait without its thread, which serves other goroutines
// meanwhile: an epoll instance is a file that can be polled, so Go's own poller has
// the loop's goroutine go on once there are events. From within the process a
// deadline that has passed wakes it, without a system call.
type parking struct {
	file  *os.File // the epoll instance
	raw   syscall.RawConn
	look  func(uintptr) bool // polls; kept, so that wait allocates nothing
	found int                // what look has found
}

// newParking takes over p's descriptor, unless it returns nil. It fails where Go's
// poller does not watch the instance.
func newParking(p *poller) (*parking, error) {
	// os.NewFile has Go's poller watch only what does not block.
	if err := unix.SetNonblock(p.fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	k := &parking{file: os.NewFile(uintptr(p.fd), "epoll")}
	k.look = func(uintptr) bool {
		k.found = p.poll(0)
		return k.found > 0
	}
	k.raw, _ = k.file.SyscallConn() // fails for no file that is open
	return k, k.file.SetReadDeadline(time.Time{})
}

func (k *parking) close() error { return k.file.Close() }

// wait parks the goroutine until there is an event, or wake is called. It may
// return at once, without a look, after a wake that found the loop awake.
func (k *parking) wait() int {
	k.found = 0
	if err := k.raw.Read(k.look); err != nil { // wake's deadline, which has done its work
		_ = k.file.SetReadDeadline(time.Time{})
	}
	return k.found
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (k *parking) wake() { _ = k.file.SetReadDeadline(past) }
