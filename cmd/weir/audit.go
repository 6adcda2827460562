// SPDX-License-Identifier: Apache-2.0

//go:build audit

package main

import _ "github.com/weir-pg/weir/internal/audit" // for tests: what changes hands is compared with what weir believes of it
