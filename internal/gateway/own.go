// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/upstream"
)

// Own returns the database and user as which the program connects.
func Own(cfg *config.Config) (database, user string, err error) {
	database, dsn, err := ownDatabase(cfg)
	if err != nil {
		return "", "", err
	}
	t, err := upstream.ParseTarget(dsn)
	if err != nil {
		return "", "", err
	}
	user = t.User()
	if len(cfg.Users) == 1 {
		user = cfg.Users[0].Name
	}
	return database, user, nil
}

// ownDatabase is the one that the upstream's URL names, or the only one there is.
func ownDatabase(cfg *config.Config) (name, dsn string, err error) {
	if cfg.Upstream != "" {
		t, err := upstream.ParseTarget(cfg.Upstream)
		if err != nil {
			return "", "", err
		}
		if d, ok := cfg.DatabaseFor(t.Database()); ok {
			return d.Name, d.Upstream, nil
		}
	}
	if len(cfg.Databases) == 1 && cfg.Databases[0].Name != "*" {
		d, _ := cfg.DatabaseFor(cfg.Databases[0].Name)
		return d.Name, d.Upstream, nil
	}
	return "", "", errors.New("connect to weir: the settings do not say which of several databases the program means: set Config.Upstream to the URL of one, or Database and User of the driver's settings")
}
