// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"
)

// applicationName is what pg_stat_activity shows where the URL names nothing.
const applicationName = "weir"

// keys are libpq's parameters that pgconn does not know and would send to
// PostgreSQL as settings (PostgreSQL documentation, "Parameter Key Words").
// Each is taken out of the settings; what is left really is a setting.
var keys = map[string]func(t *Target, key, value string) error{
	"fallback_application_name": (*Target).takeFallbackName,
	"gssdelegation":             ignore,
	"gssencmode":                refuseValues("require"),
	"gsslib":                    ignore,
	"hostaddr":                  refuse,
	"keepalives":                (*Target).takeKeepalive,
	"keepalives_count":          (*Target).takeKeepalive,
	"keepalives_idle":           (*Target).takeKeepalive,
	"keepalives_interval":       (*Target).takeKeepalive,
	"load_balance_hosts":        (*Target).takeBalance,
	"replication":               refuseValues("true", "on", "yes", "1", "database"),
	"requirepeer":               refuse,
	"scram_client_key":          refuse,
	"scram_server_key":          refuse,
	"ssl_max_protocol_version":  (*Target).takeTLSVersion,
	"ssl_min_protocol_version":  (*Target).takeTLSVersion,
	"sslcompression":            ignore, // TLS has none since CRIME
	"sslcrl":                    refuse,
	"sslcrldir":                 refuse,
	"sslkeylogfile":             refuse,
	"tcp_user_timeout":          (*Target).takeUserTimeout,
}

// takeKeys moves libpq's own parameters out of the settings and applies them.
func (t *Target) takeKeys() error {
	for key, value := range t.config.RuntimeParams {
		take, known := keys[key]
		if !known {
			continue
		}
		delete(t.config.RuntimeParams, key)
		if err := take(t, key, value); err != nil {
			return err
		}
	}
	if t.config.RuntimeParams["application_name"] == "" {
		t.config.RuntimeParams["application_name"] = applicationName
	}
	return nil
}

// ignore is for keys that change nothing here.
func ignore(*Target, string, string) error { return nil }

// refuse is for keys that ask for a guarantee weir cannot give: leaving them
// out in silence would be less safe than what the user wrote.
func refuse(_ *Target, key, value string) error {
	return fmt.Errorf("weir does not support %s=%q; remove it", key, value)
}

// refuseValues refuses the key only with one of values.
func refuseValues(values ...string) func(*Target, string, string) error {
	return func(t *Target, key, value string) error {
		if slices.Contains(values, value) {
			return refuse(t, key, value)
		}
		return nil
	}
}

func (t *Target) takeFallbackName(_, value string) error {
	if t.config.RuntimeParams["application_name"] == "" {
		t.config.RuntimeParams["application_name"] = value
	}
	return nil
}

func (t *Target) takeBalance(key, value string) error {
	switch value {
	case "disable", "":
	case "random":
		t.random = true
	default:
		return fmt.Errorf("%s=%q must be disable or random", key, value)
	}
	return nil
}

// takeKeepalive reads the seconds and counts of libpq's keepalives; 0 leaves
// weir's own.
func (t *Target) takeKeepalive(key, value string) error {
	n, err := number(key, value)
	if err != nil {
		return err
	}
	switch {
	case key == "keepalives":
		t.dialer.keepalive = keepaliveIf(n != 0, t.dialer.keepalive)
	case n <= 0:
	case key == "keepalives_count":
		t.dialer.keepalive.Count = n
	case key == "keepalives_idle":
		t.dialer.keepalive.Idle = time.Duration(n) * time.Second
	case key == "keepalives_interval":
		t.dialer.keepalive.Interval = time.Duration(n) * time.Second
	}
	return nil
}

func keepaliveIf(on bool, c net.KeepAliveConfig) net.KeepAliveConfig {
	c.Enable = on
	return c
}

// takeUserTimeout reads milliseconds; 0 is the system's default, as in libpq.
func (t *Target) takeUserTimeout(key, value string) error {
	n, err := number(key, value)
	t.dialer.userTimeout = time.Duration(n) * time.Millisecond
	return err
}

func (t *Target) takeTLSVersion(key, value string) error {
	versions := map[string]uint16{
		"":        0,
		"TLSv1":   tls.VersionTLS10,
		"TLSv1.1": tls.VersionTLS11,
		"TLSv1.2": tls.VersionTLS12,
		"TLSv1.3": tls.VersionTLS13,
	}
	version, known := versions[value]
	if !known {
		return fmt.Errorf("%s=%q must be one of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3", key, value)
	}
	for _, r := range t.routes {
		switch {
		case r.tls == nil:
		case key == "ssl_min_protocol_version":
			r.tls.MinVersion = version
		default:
			r.tls.MaxVersion = version
		}
	}
	return nil
}

func number(key, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("%s=%q is not a whole number", key, value)
	}
	return n, nil
}
