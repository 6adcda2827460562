// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is a place to listen at, for [net.Listen].
type Address struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of the socket
}

// socketName is what libpq appends to the directory of a Unix socket, before
// the port (PostgreSQL, UNIXSOCK_PATH in pqcomm.h).
const socketName = ".s.PGSQL."

// Addresses returns Listen in the form that [net.Listen] takes. An absolute
// path is the socket itself if it is named as one, else the directory for
// .s.PGSQL.<port>, with the port of the first TCP address, or 6432.
func (c *Config) Addresses() []Address {
	list := make([]Address, len(c.Listen))
	for i, where := range c.Listen {
		switch {
		case !filepath.IsAbs(where):
			list[i] = Address{"tcp", where}
		case strings.HasPrefix(filepath.Base(where), socketName):
			list[i] = Address{"unix", where}
		default:
			list[i] = Address{"unix", filepath.Join(where, socketName+c.port())}
		}
	}
	return list
}

// port returns the port of the first TCP address.
func (c *Config) port() string {
	for _, where := range c.Listen {
		if _, port, err := net.SplitHostPort(where); err == nil && !filepath.IsAbs(where) {
			return port
		}
	}
	return "6432"
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.ContainsAny(host, " /") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// isLoopback reports whether only this machine can reach host.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
