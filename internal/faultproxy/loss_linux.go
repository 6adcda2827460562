// SPDX-License-Identifier: Apache-2.0

package faultproxy

import (
	"errors"
	"fmt"
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// random is the address from which a filter loads a random number of 32 bits
// (linux/filter.h: SKF_AD_OFF + SKF_AD_RANDOM).
const random = -0x1000 + 56

// lose has the kernel drop a share of the packets that come to a socket, before
// TCP sees and acknowledges them. No privilege is needed for a filter of one's
// own socket (socket(7), SO_ATTACH_FILTER). A socket that a listener accepts
// inherits its filter.
func lose(socket syscall.Conn, share float64) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = filter(int(fd), share) })
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("have packets dropped: %w", err)
	}
	return nil
}

func filter(fd int, share float64) error {
	if share <= 0 {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if errors.Is(err, unix.ENOENT) {
			return nil // it had none
		}
		return err
	}
	address := int32(random)
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(address)},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: uint32(min(share, 1) * math.MaxUint32), Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},              // dropped
		{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32}, // kept whole
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}
