// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound says that this machine has no PostgreSQL server of the version
// that was asked for.
var ErrNotFound = errors.New("no PostgreSQL server was found: install one (Debian: apt-get install postgresql; macOS: brew install postgresql) or name the folder of its binaries in WEIR_POSTGRES_BIN")

// programs are the binaries that a server needs.
var programs = []string{"postgres", "initdb", "pg_ctl"}

// places are where Debian and Homebrew (on ARM and on Intel) keep server
// binaries, which are not on PATH there.
var places = []string{
	"/usr/lib/postgresql/*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/usr/local/pgsql/bin",
}

// Find returns the folder of the newest PostgreSQL server's binaries. It looks
// in bin, else in WEIR_POSTGRES_BIN: a folder that is named is the only one
// looked at. Else it takes the first of PATH, what pg_config says, and the
// usual places, newest first. The error is ErrNotFound, or says what is wrong
// with the named folder.
func Find(bin string) (string, error) {
	dir, _, err := find(bin, "")
	return dir, err
}

// Program returns the path of one of PostgreSQL's programs, such as pgbench: beside
// the server that Find finds, else on PATH, where it may be of another version, or
// a script that chooses one.
func Program(name string) (string, error) {
	if dir, err := Find(""); err == nil {
		// The server may be a link; the programs are beside what it leads to.
		if server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			dir = filepath.Dir(server)
		}
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// find is Find for one major version; "" is any. It also returns the version
// found, such as "15.18".
func find(bin, major string) (dir, version string, err error) {
	if bin = cmp.Or(bin, os.Getenv("WEIR_POSTGRES_BIN")); bin != "" {
		return named(bin, major)
	}
	for _, dir := range candidates() {
		version, err := inspect(dir)
		if err == nil && (major == "" || majorOf(version) == major) {
			return dir, version, nil
		}
	}
	return "", "", ErrNotFound
}

// named checks the folder that the user chose.
func named(bin, major string) (dir, version string, err error) {
	dir, err = filepath.Abs(bin)
	if err != nil {
		return "", "", fmt.Errorf("folder of PostgreSQL binaries %s: %w", bin, err)
	}
	version, err = inspect(dir)
	if err != nil {
		return "", "", err
	}
	if major != "" && majorOf(version) != major {
		return "", "", fmt.Errorf("%s holds PostgreSQL %s, but %s is needed: name another folder", dir, version, major)
	}
	return dir, version, nil
}

// candidates lists folders that may hold a server, the preferred first.
func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range places {
		// A pattern cannot be malformed here, the only error Glob has.
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(number(b), number(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

var (
	digits  = regexp.MustCompile(`\d+`)
	leading = regexp.MustCompile(`^\d+`)
)

// number is the last number in a path, 0 if there is none: 17 of
// /usr/lib/postgresql/17/bin.
func number(path string) int {
	all := digits.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(all[len(all)-1])
	if err != nil {
		return 0
	}
	return n
}

// inspect returns the version of the server in dir, an error if a program is
// missing.
func inspect(dir string) (string, error) {
	for _, program := range programs {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return "", fmt.Errorf("%s holds no PostgreSQL server: it has no program %s", dir, program)
		}
	}
	// The answer reads "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s/postgres for its version: %w", dir, err)
	}
	words := strings.Fields(string(out))
	if len(words) < 3 || majorOf(words[2]) == "" {
		return "", fmt.Errorf("%s/postgres --version answers %q, not a version", dir, out)
	}
	return words[2], nil
}

// majorOf returns "15" of "15.18", of "15beta1" and of "15", "" of what does
// not begin with a digit.
func majorOf(version string) string { return leading.FindString(version) }
