// SPDX-License-Identifier: Apache-2.0

//go:build darwin || freebsd

package loop

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents bounds the events taken from the kernel at once.
const maxEvents = 256

// wakeIdent is the identifier of the user event that wakes a poller.
const wakeIdent = 1

// poller is a kqueue. The events belong to the loop's goroutine; the other
// methods may be called by any.
type poller struct {
	fd     int
	events [maxEvents]unix.Kevent_t
}

// newPoller makes a poller; a loop that lingers needs nothing else than another.
func newPoller(bool) (*poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &poller{fd: fd}
	err = p.change(unix.Kevent_t{Ident: wakeIdent, Filter: unix.EVFILT_USER, Flags: unix.EV_ADD | unix.EV_CLEAR})
	if err != nil {
		_ = p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) close() error { return os.NewSyscallError("close", unix.Close(p.fd)) }

func (p *poller) add(fd int, id uint64) error {
	e := unix.Kevent_t{Ident: ident(fd), Filter: unix.EVFILT_READ, Flags: unix.EV_ADD | unix.EV_CLEAR}
	setID(&e, id)
	return p.change(e)
}

// wantWrite adds or removes the interest in room to write.
func (p *poller) wantWrite(fd int, id uint64, on bool) error {
	e := unix.Kevent_t{Ident: ident(fd), Filter: unix.EVFILT_WRITE, Flags: unix.EV_DELETE}
	if on {
		e.Flags = unix.EV_ADD | unix.EV_CLEAR
	}
	setID(&e, id)
	return p.change(e)
}

// remove ends the registration of fd; for one that is not registered there is
// nothing to end.
func (p *poller) remove(fd int) {
	_ = p.change(unix.Kevent_t{Ident: ident(fd), Filter: unix.EVFILT_READ, Flags: unix.EV_DELETE})
	_ = p.change(unix.Kevent_t{Ident: ident(fd), Filter: unix.EVFILT_WRITE, Flags: unix.EV_DELETE})
}

func (p *poller) change(e unix.Kevent_t) error {
	_, err := unix.Kevent(p.fd, []unix.Kevent_t{e}, nil, nil)
	return os.NewSyscallError("kevent", err)
}

// poll takes the events that are there, or come within d.
func (p *poller) poll(d time.Duration) int {
	timeout := unix.NsecToTimespec(int64(d))
	return p.take(&timeout)
}

// wait blocks until there is an event.
func (p *poller) wait() int { return p.take(nil) }

func (p *poller) take(timeout *unix.Timespec) int {
	n, err := unix.Kevent(p.fd, nil, p.events[:], timeout)
	if err != nil { // EINTR
		return 0
	}
	return n
}

// event returns event i of the last poll or wait.
func (p *poller) event(i int) (id uint64, ready uint32) {
	e := &p.events[i]
	switch e.Filter {
	case unix.EVFILT_USER:
		return wakeID, 0
	case unix.EVFILT_WRITE:
		ready = writable
	default:
		ready = readable
	}
	if e.Flags&unix.EV_EOF != 0 {
		ready |= gone | readable | writable
	}
	return getID(e), ready
}

// wake makes wait return. Any goroutine may call it.
func (p *poller) wake() {
	_ = p.change(unix.Kevent_t{Ident: wakeIdent, Filter: unix.EVFILT_USER, Fflags: unix.NOTE_TRIGGER})
}

// woken has nothing to take in: EV_CLEAR has done it.
func (p *poller) woken() {}

// An id travels in udata, which the kernel hands back untouched; it is never
// used as a pointer.
func setID(e *unix.Kevent_t, id uint64) { *(*uint64)(unsafe.Pointer(&e.Udata)) = id }

func getID(e *unix.Kevent_t) uint64 { return *(*uint64)(unsafe.Pointer(&e.Udata)) }

func recv(fd int, b []byte) (int, syscall.Errno) {
	if len(b) == 0 {
		return 0, syscall.EAGAIN
	}
	n, err := unix.Read(fd, b)
	return max(n, 0), errnoOf(err)
}

func send(fd int, b []byte) (int, syscall.Errno) {
	n, err := unix.Write(fd, b)
	return max(n, 0), errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(syscall.Errno); ok { //nolint:errorlint // unix.Read and unix.Write return a bare Errno
		return e
	}
	return syscall.EIO
}

func ident(fd int) uint64 { return uint64(fd) }
