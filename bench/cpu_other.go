// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"time"
)

// processorTime is not known here: other systems keep another process's
// processor time behind calls that need C.
func processorTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
