// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"log/slog"
	"os"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/gateway"
)

// Config is every setting of a gateway. It starts as [DefaultConfig],
// [ConfigFromEnv] or the zero value:
//
//	weir.Open(ctx, weir.Config{Upstream: "postgres://app:secret@db/app"})
//
// Where neither of the two functions made it, each field that is zero has its
// default, so such a Config cannot turn off what is on by default, nor choose a
// zero that means never. The fields are those of weir.toml.
type Config = config.Config

// PoolSettings are the settings of the connections that one database and user
// share; [Config] has them as Pool.
type PoolSettings = config.Pool

// Database is a name that clients may connect to, see [Config].
type Database = config.Database

// User is who may log in to weir, see [Config].
type User = config.User

// Mistakes is everything that is wrong with a [Config], all at once.
type Mistakes = config.Mistakes

// DefaultConfig returns the settings of a gateway of which nothing is said. Its
// Upstream has to be set.
func DefaultConfig() Config { return *config.Default() }

// ConfigFromEnv returns the settings that the weir command would have in this
// environment without any flag: DATABASE_URL and the DATABASE_POOL_ variables,
// the WEIR_ ones, and those of weir.toml if WEIR_CONFIG names one. The error is
// [Mistakes].
func ConfigFromEnv() (Config, error) {
	c, err := config.Load(config.Source{Environ: os.Environ(), Place: config.Inside})
	if err != nil {
		return Config{}, err
	}
	return *c, nil
}

// Option is something that a gateway needs besides its settings.
type Option func(*options)

// options are all of them.
type options struct {
	gateway.Options
	started func(*Gateway) error
}

func optionsOf(list []Option) options {
	o := options{Options: gateway.Options{Logger: slog.New(slog.DiscardHandler), Version: "dev"}}
	for _, set := range list {
		set(&o)
	}
	return o
}

// WithLogger has the gateway log to logger. Without it, it logs nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) { o.Logger = logger }
}

// WithVersion is the version that the status shows, "dev" without it.
func WithVersion(version string) Option {
	return func(o *options) { o.Version = version }
}

// OwnProcess says that the program is for this gateway alone. It then sets
// GOMAXPROCS so that its loops need not share processors with the rest, and has
// them wait for events in a cheaper way.
func OwnProcess() Option {
	return func(o *options) { o.OwnProcess = true }
}

// WhenListening has [Gateway.ListenAndServe] call f once clients can connect, so
// that Addr and HTTPAddr are known. An error of f ends the gateway.
func WhenListening(f func(*Gateway) error) Option {
	return func(o *options) { o.started = f }
}
