// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// accounts are the users that may run PostgreSQL for root, the best first.
var accounts = []string{"postgres", "_postgres", "nobody"}

// account is the user of this machine that runs PostgreSQL. The nil account is
// the user that runs this process.
type account struct {
	name     string
	uid, gid uint32
}

// newAccount returns nil for an ordinary user. PostgreSQL refuses to run as
// root (src/backend/main/main.c, check_root), so root gets somebody else.
func newAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range accounts {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s has no numeric id: %w", name, err)
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("PostgreSQL refuses to run as root, and this machine has none of the users %s: run as an ordinary user",
		strings.Join(accounts, ", "))
}

// command prepares a program that runs as the account, in dir, in a process
// group of its own: Ctrl-C in a terminal reaches us alone, and we decide what
// ends when.
func (a *account) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// environment is ours without the variables that would change what PostgreSQL
// does (PGDATA, PGPORT and the like) and with messages in English.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") {
			env = append(env, kv)
		}
	}
	return env
}

// own gives path to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// reach checks that the account may enter dir. Only trying tells: a folder
// above it may be closed, as root's home folder is.
func (a *account) reach(dir string) error {
	if a == nil {
		return nil
	}
	if err := a.command(dir, "/bin/sh", "-c", ":").Run(); err != nil {
		return fmt.Errorf("user %s, who runs PostgreSQL for root, cannot enter %s: name a folder that is open to that user: %w",
			a.name, dir, err)
	}
	return nil
}

// temporary makes an empty folder that the account owns and can reach, with
// mode 0700. TMPDIR may be closed to the account; /tmp is the second choice.
func (a *account) temporary() (string, error) {
	var errs []error
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(parent, "weir-postgres-")
		if err == nil {
			err = errors.Join(a.own(dir), a.reach(dir))
		}
		if err == nil {
			return dir, nil
		}
		if dir != "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("no temporary folder for PostgreSQL: %w", errors.Join(errs...))
}
