// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strings"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/upstream"
)

// identities knows who may log in. It is fixed after construction.
type identities struct {
	config    *config.Config
	users     map[string]auth.Secret            // [users.NAME]
	upstreams map[string]map[string]auth.Secret // by upstream: the user of its URL
}

// newIdentities derives the keys of all who may log in.
func newIdentities(cfg *config.Config) (*identities, error) {
	i := &identities{config: cfg, users: make(map[string]auth.Secret), upstreams: make(map[string]map[string]auth.Secret)}
	for _, u := range cfg.Users {
		secret, err := i.secretOf(u)
		if err != nil {
			return nil, err
		}
		i.users[u.Name] = secret
	}
	if len(cfg.Users) > 0 {
		return i, nil
	}
	if cfg.Upstream != "" {
		if err := i.addUpstream(cfg.Upstream); err != nil {
			return nil, err
		}
	}
	for _, d := range cfg.Databases {
		if d.Upstream != "" {
			if err := i.addUpstream(d.Upstream); err != nil {
				return nil, err
			}
		}
	}
	return i, nil
}

// secretOf is what a configured user has to know.
func (i *identities) secretOf(u config.User) (auth.Secret, error) {
	password := u.Password
	if password == "" && i.config.Upstream != "" {
		t, err := upstream.ParseTarget(i.config.Upstream)
		if err != nil {
			return auth.Secret{}, err
		}
		if t.User() == u.Name {
			password = t.Password()
		}
	}
	return secret("users."+u.Name, password)
}

// addUpstream lets the user of an upstream's URL in with the password there. A
// URL without one is only accepted where clients are local (config checks), and
// then whoever can connect may.
func (i *identities) addUpstream(dsn string) error {
	t, err := upstream.ParseTarget(dsn)
	if err != nil {
		return err
	}
	s := auth.Trust()
	if t.Password() != "" {
		if s, err = secret("the upstream's URL", t.Password()); err != nil {
			return err
		}
	}
	i.upstreams[dsn] = map[string]auth.Secret{t.User(): s}
	return nil
}

func secret(whose, password string) (auth.Secret, error) {
	make := auth.NewPassword
	if strings.HasPrefix(password, "SCRAM-SHA-256$") {
		make = auth.ParseVerifier
	}
	s, err := make(password)
	if err != nil {
		return s, fmt.Errorf("password of %s: %w", whose, err)
	}
	return s, nil
}

// Lookup is part of auth.Users.
func (i *identities) Lookup(database, user string) (auth.Secret, bool) {
	if len(i.config.Users) > 0 {
		s, ok := i.users[user]
		return s, ok
	}
	d, ok := i.config.DatabaseFor(database)
	if !ok {
		// Who has a right to know is told that there is no such database.
		d.Upstream = i.config.Upstream
	}
	s, ok := i.upstreams[d.Upstream][user]
	return s, ok
}
