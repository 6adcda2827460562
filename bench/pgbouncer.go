// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-pg/weir/internal/pgserver"
)

// pgbouncer is the binary that PGBOUNCER names, else the one on PATH, set up
// as its manual proposes for transaction pooling. It logs no connections, so
// that writing lines does not slow its logins.
func (r *rig) pgbouncer() (*contender, error) {
	binary, err := exec.LookPath(cmp.Or(os.Getenv("PGBOUNCER"), "pgbouncer"))
	if err != nil {
		return nil, fmt.Errorf("PgBouncer not found (%w): install it, name the binary in PGBOUNCER, or leave it out of -peers", err)
	}
	out, err := exec.Command(binary, "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w: %s", filepath.Base(binary), err, out)
	}
	version, prepares, err := parsePgBouncerVersion(string(out))
	if err != nil {
		return nil, err
	}
	c := &contender{
		name:    "PgBouncer",
		key:     pgbouncer,
		version: version,
		command: func(pool int) string {
			return "pgbouncer -q pgbouncer.ini  # " + strings.Join(poolSettings(pool, prepares), ", ")
		},
		start: func(ctx context.Context, pool int) (*peer, error) {
			return r.startPgBouncer(ctx, binary, poolSettings(pool, prepares))
		},
	}
	if !prepares {
		c.lacks = map[string]string{
			"prepared": "PgBouncer " + version + " has no prepared statements in transaction mode (1.21 and later have)",
		}
	}
	return c, nil
}

// poolSettings are the lines of pgbouncer.ini that matter to speed.
func poolSettings(pool int, prepares bool) []string {
	lines := []string{
		"pool_mode = transaction",
		fmt.Sprintf("default_pool_size = %d", pool),
		"max_client_conn = 12000",
		"auth_type = scram-sha-256",
		"log_connections = 0",
		"log_disconnections = 0",
	}
	if prepares {
		lines = append(lines, "max_prepared_statements = 200")
	}
	return lines
}

func (r *rig) startPgBouncer(ctx context.Context, binary string, settings []string) (*peer, error) {
	port, err := pgserver.FreePort()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	users := r.file("userlist.txt")
	ini := fmt.Sprintf("[databases]\n%s = host=%s port=%d\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_file = %s\n%s\n",
		r.db.Database, r.db.Host, r.db.Port, port, users, strings.Join(settings, "\n"))
	path := r.file("pgbouncer.ini")
	if err := writeFor(account, path, ini); err != nil {
		return nil, err
	}
	if err := writeFor(account, users, fmt.Sprintf("%q %q\n", r.db.User, r.db.Password)); err != nil {
		return nil, err
	}
	args := []string{"-q"}
	if account != nil {
		args = append(args, "-u", account.Username)
	}
	// SIGINT, because SIGTERM waits for clients since 1.23.
	return r.begin(ctx, "PgBouncer", exec.Command(binary, append(args, path)...), port, syscall.SIGINT)
}

// unprivileged is an account to run what refuses to run as root; nil if this
// program is not root.
func unprivileged() (*user.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return u, nil
		}
	}
	return nil, errors.New("PgBouncer refuses to run as root, and there is neither a user postgres nor nobody: run this as an ordinary user")
}

// writeFor writes a file that only account can read; nil is this program's own.
func writeFor(account *user.User, path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil || account == nil {
		return err
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, -1)
}

var bouncerVersion = regexp.MustCompile(`(?m)^PgBouncer (\d+)\.(\d+)\S*`)

// parsePgBouncerVersion reads `pgbouncer --version`. prepares: this version
// keeps prepared statements in transaction mode (1.21 and later).
func parsePgBouncerVersion(out string) (version string, prepares bool, err error) {
	m := bouncerVersion.FindStringSubmatch(out)
	if m == nil {
		return "", false, fmt.Errorf("`pgbouncer --version` printed %q, where a line such as PgBouncer 1.25.2 was expected", out)
	}
	major, majorErr := strconv.Atoi(m[1])
	minor, minorErr := strconv.Atoi(m[2])
	if err := errors.Join(majorErr, minorErr); err != nil {
		return "", false, err
	}
	return strings.TrimPrefix(m[0], "PgBouncer "), major > 1 || major == 1 && minor >= 21, nil
}
