// SPDX-License-Identifier: Apache-2.0

// Package web is weir's HTTP side: health, readiness, status, metrics and a
// status page. It only reads, and knows the gateway as functions that it is
// given. It has no logins of its own: by default it listens on loopback only,
// and then answers only requests that name the local machine as their host.
package web
