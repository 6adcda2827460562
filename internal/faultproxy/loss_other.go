// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package faultproxy

import (
	"errors"
	"syscall"
)

// lose is for Linux alone.
func lose(_ syscall.Conn, share float64) error {
	if share <= 0 {
		return nil
	}
	return errors.ErrUnsupported
}
