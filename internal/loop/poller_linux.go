// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"encoding/binary"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents bounds the events taken from the kernel at once.
const maxEvents = 256

// interest is what every connection is registered for.
const interest = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// epollEvent has the kernel's layout on amd64, where the struct is packed, and
// elsewhere, through x/sys's own definition; data holds the id in both words.
type epollEvent = unix.EpollEvent

func setID(e *epollEvent, id uint64) { e.Fd, e.Pad = int32(uint32(id)), int32(uint32(id>>slotBits)) }

func getID(e *epollEvent) uint64 {
	return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<slotBits
}

// poller is an epoll instance and what wakes it. The events belong to the loop's
// goroutine; the other methods may be called by any.
//
// A loop that lingers waits in the kernel, with its thread, and an eventfd wakes
// it. Any other parks. Not both: whatever makes an epoll instance readable wakes a
// thread in Go's poller too, though the loop is awake.
type poller struct {
	fd     int
	wakeFD int      // -1 where it parks
	park   *parking // nil where its thread waits
	events [maxEvents]epollEvent
}

// newPoller makes a poller for a loop that lingers, or does not.
func newPoller(lingers bool) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &poller{fd: fd, wakeFD: -1}
	if lingers {
		err = p.wakeByEvent()
	} else {
		p.park, err = newParking(p)
	}
	if err != nil {
		_ = p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) wakeByEvent() (err error) {
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return p.add(p.wakeFD, wakeID)
}

func (p *poller) close() error {
	if p.park != nil {
		return p.park.close()
	}
	if p.wakeFD >= 0 {
		_ = unix.Close(p.wakeFD)
	}
	return os.NewSyscallError("close", unix.Close(p.fd))
}

func (p *poller) add(fd int, id uint64) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, id, interest)
}

// wantWrite adds or removes the interest in room to write.
func (p *poller) wantWrite(fd int, id uint64, on bool) error {
	events := uint32(interest)
	if on {
		events |= unix.EPOLLOUT
	}
	return p.control(unix.EPOLL_CTL_MOD, fd, id, events)
}

func (p *poller) control(op, fd int, id uint64, events uint32) error {
	e := epollEvent{Events: events}
	setID(&e, id)
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &e))
}

// remove ends the registration of fd. It cannot fail for a descriptor that is
// open and registered, and for others there is nothing to end.
func (p *poller) remove(fd int) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil)
}

// poll takes the events that are there, or come within d, rounded down to whole
// milliseconds, without telling Go's scheduler.
func (p *poller) poll(d time.Duration) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), maxEvents, uintptr(d.Milliseconds()), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// wait blocks until there is an event, or wake is called.
func (p *poller) wait() int {
	if p.park != nil {
		return p.park.wait()
	}
	n, err := unix.EpollWait(p.fd, p.events[:], -1)
	if err != nil { // EINTR
		return 0
	}
	return n
}

// event returns event i of the last poll or wait.
func (p *poller) event(i int) (id uint64, ready uint32) {
	e := &p.events[i]
	if e.Events&unix.EPOLLIN != 0 {
		ready |= readable
	}
	if e.Events&unix.EPOLLOUT != 0 {
		ready |= writable
	}
	if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		ready |= gone | readable | writable
	}
	return getID(e), ready
}

// wake makes wait return. Any goroutine may call it.
func (p *poller) wake() {
	if p.park != nil {
		p.park.wake()
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(p.wakeFD, one[:]) // EAGAIN: it is being woken already
}

// woken takes in the wake-up, so that the next one raises an event again.
func (p *poller) woken() {
	var n [8]byte
	_, _ = unix.Read(p.wakeFD, n[:])
}

// recv reads from a socket that never blocks, past Go's scheduler.
func recv(fd int, b []byte) (int, syscall.Errno) {
	if len(b) == 0 {
		return 0, syscall.EAGAIN
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// send writes to a socket that never blocks, past Go's scheduler.
func send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}
