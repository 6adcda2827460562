// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// check looks at what the settings mean together, and completes them.
func (l *loader) check() {
	l.checkPool()
	slices.SortFunc(l.Databases, func(a, b Database) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Users, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
	for _, d := range l.Databases {
		l.checkOverrides("databases", d.Name, d.pool, l.PoolFor(d.Name, ""))
	}
	for _, u := range l.Users {
		l.checkOverrides("users", u.Name, u.pool, l.PoolFor("", u.Name))
	}
	l.checkUpstreams()
	l.checkTLS()
	l.checkCache()
	l.checkShutdown()
}

// checkShutdown compares what a stop waits for with what it may take.
func (l *loader) checkShutdown() {
	key := "shutdown_spread"
	if l.ShutdownSpread > 0 && l.ShutdownPause+l.ShutdownSpread >= l.ShutdownTimeout && !l.bad[key] && !l.bad["shutdown_pause"] && !l.bad["shutdown_timeout"] {
		l.wrong(key, l.origins[key], l.ShutdownSpread.String(), fmt.Sprintf(
			"with shutdown_pause = %v, expected less than shutdown_timeout, which is %v and cuts what is left", l.ShutdownPause, l.ShutdownTimeout))
	}
}

// checkCache says that the cache that was asked for is not there. Without it
// every result is as it would be, only not as soon, so weir starts.
func (l *loader) checkCache() {
	asked := l.Pool.QueryCache
	for _, d := range l.Databases {
		asked = asked || l.PoolFor(d.Name, "").QueryCache
	}
	for _, u := range l.Users {
		asked = asked || l.PoolFor("", u.Name).QueryCache
	}
	const notice = "pool.query_cache (DATABASE_ENABLE_QUERY_CACHE) is on, but this version keeps no results: every query goes to PostgreSQL"
	if asked && !slices.Contains(l.Notices, notice) {
		l.Notices = append(l.Notices, notice)
	}
}

// checkPool compares minimum and reserve with the maximum. A minimum that
// nobody asked for gives way.
func (l *loader) checkPool() {
	if l.bad["pool.max"] {
		return
	}
	p := &l.Pool
	if _, asked := l.origins["pool.min"]; !asked {
		p.Min = min(p.Min, p.Max)
	}
	most := fmt.Sprintf("pool.max, which is %d (%s)", p.Max, l.origins["pool.max"])
	if p.Min > p.Max && !l.bad["pool.min"] {
		l.wrong("pool.min", l.origins["pool.min"], strconv.Itoa(p.Min), "expected at most "+most)
	}
	if p.Reserve >= p.Max && !l.bad["pool.reserve"] {
		l.wrong("pool.reserve", l.origins["pool.reserve"], strconv.Itoa(p.Reserve), "expected less than "+most)
	}
}

// checkOverrides does the same for the pool settings of a database or user,
// where effective is what they come to.
func (l *loader) checkOverrides(section, name string, o overrides, effective Pool) {
	var asked Pool
	o.apply(&asked)
	prefix := dotted([]string{section, name}) + ".pool."
	most := fmt.Sprintf("the maximum of this pool, which is %d", effective.Max)
	if o.has("pool.min") && asked.Min > effective.Max {
		l.wrong(prefix+"min", l.origins[prefix+"min"], strconv.Itoa(asked.Min), "expected at most "+most)
	}
	if o.has("pool.reserve") && asked.Reserve >= effective.Max {
		l.wrong(prefix+"reserve", l.origins[prefix+"reserve"], strconv.Itoa(asked.Reserve), "expected less than "+most)
	}
}

// isOwn reports whether an upstream's host and port are where weir listens. A
// host that begins with a slash is the directory of a Unix socket.
func (c *Config) isOwn(host string, port uint16) bool {
	number := strconv.Itoa(int(port))
	for _, a := range c.Addresses() {
		if a.Network == "unix" {
			if a.Address == strings.TrimSuffix(host, "/")+"/"+socketName+number {
				return true
			}
			continue
		}
		own, ownPort, err := net.SplitHostPort(a.Address)
		if err == nil && ownPort == number && sameHost(own, host) {
			return true
		}
	}
	return false
}

// sameHost reports whether a connection to host reaches a listener on own,
// without asking a name server.
func sameHost(own, host string) bool {
	if strings.HasPrefix(host, "/") {
		return false
	}
	ip := net.ParseIP(own)
	if own == "" || ip != nil && ip.IsUnspecified() {
		return isLoopback(host) || isLocal(host)
	}
	if strings.EqualFold(own, "localhost") || strings.EqualFold(host, "localhost") {
		return isLoopback(own) && isLoopback(host)
	}
	return strings.EqualFold(own, host) || ip != nil && ip.Equal(net.ParseIP(host))
}

// isLocal reports whether host is an address of this machine.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	if ip == nil {
		return false
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}

// open returns the first address that other machines can reach, or "".
func (c *Config) open() string {
	for _, a := range c.Addresses() {
		host, _, _ := net.SplitHostPort(a.Address)
		if a.Network == "tcp" && !isLoopback(host) {
			return a.Address
		}
	}
	return ""
}
