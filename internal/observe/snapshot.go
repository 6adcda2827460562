// SPDX-License-Identifier: Apache-2.0

package observe

import "time"

// Snapshot is the state of a gateway at one moment. As JSON it is the answer of
// /api/v1/status, so a field may be added and none may change its meaning.
// Durations are seconds. Counts run since Started.
type Snapshot struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Taken    time.Time `json:"taken"`    // when this snapshot was made: rates are differences between two
	Draining bool      `json:"draining"` // stopping: no new logins, transactions finish

	Reload Reload `json:"reload"`

	Clients   Clients   `json:"clients"`
	Upstreams Upstreams `json:"upstreams"`

	Waiting     int     `json:"waiting"`             // requests in all queues
	OldestWait  float64 `json:"oldest_wait_seconds"` // 0 when nothing waits
	Utilisation float64 `json:"utilisation"`         // active upstreams / their limit; 0 without a limit

	Recent Rates `json:"recent"` // the last 10 s
	Minute Rates `json:"minute"` // the last minute

	Pools   []Pool   `json:"pools"` // in the order in which they were made
	Budgets []Budget `json:"budgets"`
	Servers []Server `json:"servers"`
	Loops   []Loop   `json:"loops"`
}

// Reload is the last attempt to take over new settings. The zero value: none yet.
type Reload struct {
	At    time.Time `json:"at,omitzero"`
	Error string    `json:"error,omitempty"` // why nothing was changed; empty after a success

	// Changed and Restart are the settings that changed, and those that will when
	// weir is started again.
	Changed []string `json:"changed,omitempty"`
	Restart []string `json:"restart,omitempty"`
}

// Clients counts client connections by state.
type Clients struct {
	Login       int    `json:"login"`       // connected, not yet logged in
	Idle        int    `json:"idle"`        // logged in, hold no upstream
	Active      int    `json:"active"`      // hold an upstream
	Waiting     int    `json:"waiting"`     // wait for an upstream
	Replicating int    `json:"replicating"` // replication connections; each has an upstream beside the pools
	Total       int    `json:"total"`
	Max         int    `json:"max"`     // max_clients
	Refused     uint64 `json:"refused"` // turned away because Max was reached

	// StatementBytes is the text of all prepared statements that clients have, each
	// counted once: what max_total_statement_bytes bounds.
	StatementBytes int64 `json:"statement_bytes"`
}

// Upstreams counts the connections to PostgreSQL of all pools by state.
type Upstreams struct {
	Idle       int `json:"idle"`
	Active     int `json:"active"` // held by a client
	Connecting int `json:"connecting"`
	Limit      int `json:"limit"` // most that may be open, see [Snapshot.Summarise]
}

// Pool is one pool: the connections of one user to one database.
type Pool struct {
	Database string `json:"database"`
	User     string `json:"user"`
	Mode     string `json:"mode"` // transaction or session

	Idle       int `json:"idle"`
	Active     int `json:"active"`
	Connecting int `json:"connecting"`
	Min        int `json:"min"`
	Max        int `json:"max"` // as it is now, after every limit

	Listening int `json:"listening"` // 1 where there is a connection that listens for clients
	Listeners int `json:"listeners"` // clients for which it listens
	Channels  int `json:"channels"`  // that it listens to

	Waiting     int     `json:"waiting"`
	OldestWait  float64 `json:"oldest_wait_seconds"`
	Utilisation float64 `json:"utilisation"` // Active / Max; filled in by [Snapshot.Summarise]

	Pinned    int     `json:"pinned"`             // clients that keep their connection between transactions
	OldestPin float64 `json:"oldest_pin_seconds"` // 0 when nobody is pinned
	Pins      []Pin   `json:"pins"`               // one for each, the oldest first

	LastError string `json:"last_error,omitempty"` // why the last connect failed; empty after a success

	Queries           uint64            `json:"queries"`
	Transactions      uint64            `json:"transactions"`
	Parses            uint64            `json:"parses"`
	Deferred          uint64            `json:"deferred_begins"`
	BytesIn           uint64            `json:"bytes_in"`
	BytesOut          uint64            `json:"bytes_out"`
	Notifications     uint64            `json:"notifications"`      // given to clients that listen
	NotificationsLost uint64            `json:"notifications_lost"` // not taken by clients that were disconnected for it
	Errors            map[string]uint64 `json:"errors"`             // by class of SQLSTATE
	Rejects           map[string]uint64 `json:"rejects"`            // by reason
	Retries           map[string]uint64 `json:"retries"`            // by reason

	Wait        Latency `json:"wait"`
	Query       Latency `json:"query"`
	Transaction Latency `json:"transaction"`
	Connect     Latency `json:"connect"`
}

// Pin is a client that keeps its connection between transactions, because its
// session holds there what cannot follow it to another.
type Pin struct {
	PID             uint32      `json:"pid"` // as weir gave it to the client
	ApplicationName string      `json:"application_name"`
	Age             float64     `json:"age_seconds"` // of the oldest reason
	Reasons         []PinReason `json:"reasons"`     // at least one
}

// PinReason is one thing that a client's session holds.
type PinReason struct {
	Reason string  `json:"reason"` // such as pg_advisory_lock
	Age    float64 `json:"age_seconds"`
}

// Latency is a distribution of durations since the start.
type Latency struct {
	Count uint64  `json:"count"`
	Sum   float64 `json:"sum_seconds"`
	P50   float64 `json:"p50_seconds"`
	P95   float64 `json:"p95_seconds"`
	P99   float64 `json:"p99_seconds"`

	// Histogram has the buckets behind the figures, for Prometheus. It is not part of the JSON.
	Histogram HistogramSnapshot `json:"-"`
}

// Scope is what a budget limits.
type Scope string

// The scopes of budgets, widest first.
const (
	ScopeServer   Scope = "server"
	ScopeDatabase Scope = "database"
	ScopeRole     Scope = "role"
)

// Budget is a limit on upstream connections that several pools share.
type Budget struct {
	Scope     Scope  `json:"scope"`
	Name      string `json:"name"`      // of the role or database; host:port of a server
	Limit     int    `json:"limit"`     // as configured or read from PostgreSQL; -1 for none
	Effective int    `json:"effective"` // what counts now: less than Limit after a 53300
	Source    string `json:"source"`    // what set Limit, such as rolconnlimit
	InUse     int    `json:"in_use"`
}

// Server is one PostgreSQL server as weir last saw it.
type Server struct {
	Name        string    `json:"name"`              // host:port, or the path of a socket
	Address     string    `json:"address,omitempty"` // where the last connect led to, if it has several
	Up          bool      `json:"up"`
	LastError   string    `json:"last_error,omitempty"`   // what made Up false
	LastErrorAt time.Time `json:"last_error_at,omitzero"` // when that was last tried
	HeldSince   time.Time `json:"held_since,omitzero"`    // since when requests that need a new connection wait

	Outages uint64  `json:"outages"`
	Probes  uint64  `json:"probes"`       // connects that were to find out whether an outage is over
	Down    float64 `json:"down_seconds"` // in all outages, this one included
}

// Loop is one event loop.
type Loop struct {
	Number int     `json:"number"`
	Busy   Latency `json:"busy"` // stints away from its poller; Sum is all its work
}

// Summarise fills in Upstreams, Waiting, OldestWait and every Utilisation from
// Pools and Budgets. The limit of all upstreams is the lesser of what the pools
// may open together and what the servers' budgets allow. Lists that are nil
// become empty, so that their JSON is [] and not null.
func (s *Snapshot) Summarise() {
	s.Upstreams, s.Waiting, s.OldestWait = Upstreams{}, 0, 0
	for i := range s.Pools {
		p := &s.Pools[i]
		p.Utilisation = ratio(p.Active, p.Max)
		p.Pins = notNil(p.Pins)
		s.Upstreams.Idle += p.Idle
		s.Upstreams.Active += p.Active
		s.Upstreams.Connecting += p.Connecting
		s.Upstreams.Limit += p.Max
		s.Waiting += p.Waiting
		s.OldestWait = max(s.OldestWait, p.OldestWait)
	}
	if allowed := s.serverBudget(); allowed > 0 {
		s.Upstreams.Limit = min(s.Upstreams.Limit, allowed)
	}
	s.Utilisation = ratio(s.Upstreams.Active, s.Upstreams.Limit)
	s.Pools, s.Budgets = notNil(s.Pools), notNil(s.Budgets)
	s.Servers, s.Loops = notNil(s.Servers), notNil(s.Loops)
}

// serverBudget returns what all servers' budgets allow now, 0 when there is none.
func (s *Snapshot) serverBudget() int {
	sum := 0
	for _, b := range s.Budgets {
		if b.Scope == ScopeServer {
			sum += b.Effective
		}
	}
	return sum
}

func ratio(part, whole int) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
