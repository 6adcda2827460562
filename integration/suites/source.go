// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// sourceVariable names a folder with PostgreSQL's source, of the server's major
// version. Without it Debian's source package is fetched.
const sourceVariable = "WEIR_PG_SOURCE"

// postgresSource returns the folder of PostgreSQL's source and that of a build of its
// test programs, which it makes once: in the user's cache, or in dir.
func postgresSource(ctx context.Context, dir string) (source, build string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = dir
	}
	cache = filepath.Join(cache, "weir", "postgresql-source")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", "", err
	}
	if source = os.Getenv(sourceVariable); source == "" {
		source, err = debianSource(ctx, cache)
	} else {
		source, err = filepath.Abs(source)
	}
	if err != nil {
		return "", "", err
	}
	if _, err := os.Stat(filepath.Join(source, "src", "test", "regress", "parallel_schedule")); err != nil {
		return "", "", fmt.Errorf("%s=%q: expected a folder with PostgreSQL's source: %w", sourceVariable, source, err)
	}
	build = filepath.Join(cache, "build-"+filepath.Base(source))
	return source, build, buildPrograms(ctx, source, build)
}

// debianSource fetches the source package of the server that Debian has installed, or
// of the version nearest to it, without changing anything of the system's.
func debianSource(ctx context.Context, dir string) (string, error) {
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "postgresql-*.*[0-9]", "src", "test", "regress", "parallel_schedule")); len(found) > 0 {
		return filepath.Clean(filepath.Join(filepath.Dir(found[0]), "..", "..", "..")), nil
	}
	var out bytes.Buffer
	for _, step := range []string{
		`. /etc/os-release; k=[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]; printf 'deb-src %s http://deb.debian.org/debian %s main\ndeb-src %s http://deb.debian.org/debian-security %s-security main\n' $k $VERSION_CODENAME $k $VERSION_CODENAME > sources.list`,
		`apt() { apt-get -q -o APT::Sandbox::User=root -o Dir::Etc::SourceList=$PWD/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache "$@"; }
		 name=$(dpkg-query -f '${Package}\n' -W 'postgresql-[0-9]*' | grep -xE 'postgresql-[0-9]+' | sort -V | tail -1)
		 apt update && { apt source --download-only "$name=$(dpkg-query -f '${Version}' -W "$name")" || apt source --download-only "$name"; }`,
		`tar xf "$(ls postgresql-*.orig.tar.* | tail -1)"`,
	} {
		cmd := exec.CommandContext(ctx, "bash", "-euc", step)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("fetch PostgreSQL's source from Debian (or name a folder with %s): %w\n%s", sourceVariable, err, out.Bytes())
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "postgresql-*", "configure"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("the source package has no source: %w\n%s", err, out.Bytes())
	}
	return filepath.Dir(found[0]), nil
}

// buildPrograms builds pg_regress, isolationtester and the library that the tests
// load, unless that is done.
func buildPrograms(ctx context.Context, source, build string) error {
	done := filepath.Join(build, "done")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := os.MkdirAll(build, 0o755); err != nil {
		return err
	}
	if err := nameSessions(source, build); err != nil {
		return err
	}
	jobs := "-j" + strconv.Itoa(runtime.NumCPU())
	for _, args := range [][]string{
		{filepath.Join(source, "configure"), "--without-readline", "--without-zlib", "--without-icu", "--quiet"},
		{"make", "-s", jobs, "-C", "src/backend", "generated-headers"},
		{"make", "-s", jobs, "-C", "src/test/isolation", "all"},
		{"make", "-s", jobs, "-C", "src/test/regress", "all"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = build
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out[max(0, len(out)-4000):])
		}
	}
	return os.WriteFile(done, nil, 0o644)
}

// nameSessions puts an isolationtester into the build that tells sessions by their
// names when it asks who waits for whom: it takes process ids for those of PostgreSQL,
// and those that weir gives out are of clients. make takes the build's file before
// the source's.
func nameSessions(source, build string) error {
	const path = "src/test/isolation/isolationtester.c"
	text, err := os.ReadFile(filepath.Join(source, path))
	if err != nil {
		return err
	}
	for from, to := range map[string]string{
		`psprintf("%d", conns[i].backend_pid)`:                   `sessionname`,
		`SELECT pg_catalog.pg_isolation_test_session_is_blocked`: `SELECT ` + waitsFor,
	} {
		if !bytes.Contains(text, []byte(from)) {
			return fmt.Errorf("%s: there is no %s", path, from)
		}
		text = bytes.Replace(text, []byte(from), []byte(to), 1)
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(build, path)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(build, path), text, 0o644)
}

// waitsFor is what asks whether a session waits for others, by their names, which
// isolationtester adds to application_name.
const (
	waitsFor     = "weir.waits_for"
	makeWaitsFor = `CREATE SCHEMA weir; GRANT USAGE ON SCHEMA weir TO PUBLIC;
		CREATE FUNCTION ` + waitsFor + `(session text, others text[]) RETURNS boolean LANGUAGE sql AS $$
		SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.application_name LIKE 'isolation/%/' || session AND a.state = 'active'
			AND pg_catalog.pg_isolation_test_session_is_blocked(a.pid, ARRAY(SELECT b.pid FROM pg_catalog.pg_stat_activity b
				WHERE b.application_name LIKE 'isolation/%' AND substring(b.application_name FROM '[^/]*$') = ANY (others) AND b.pid <> a.pid)))$$`
)

// copyFile copies one file, for everybody to read.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
