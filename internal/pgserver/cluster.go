// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Files that weir keeps in a data folder. settingsFile marks the folder as
// weir's: a cluster without it is somebody else's and is left alone.
const (
	settingsFile = "weir.conf"
	passwordFile = "weir.password"
	logFile      = "weir.log"
)

// clusterMajor returns the major version of the cluster in data, "" if there
// is none yet.
func clusterMajor(data string) (string, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", checkEmpty(data)
	}
	if err != nil {
		return "", fmt.Errorf("read the version of the data in %s: %w", data, err)
	}
	if _, err := os.Stat(filepath.Join(data, settingsFile)); err != nil {
		return "", fmt.Errorf("%s holds a PostgreSQL cluster that weir did not make: name an empty folder, or start that server and give weir its URL", data)
	}
	return strings.TrimSpace(string(text)), nil
}

// checkEmpty refuses a folder that holds something else than a cluster.
func checkEmpty(data string) error {
	entries, err := os.ReadDir(data)
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty and holds no PostgreSQL cluster: name an empty folder, or one that does not exist", data)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// initialize makes the cluster. It takes half a second, which is why no
// template is kept. Nothing is flushed to disk: a crash of the machine in that
// half second loses nothing of value.
func (s *Server) initialize() error {
	secret := filepath.Join(s.temporary, "password")
	if err := s.write(secret, s.opts.Password); err != nil {
		return err
	}
	defer os.Remove(secret)
	cmd := s.account.command(s.temporary, filepath.Join(s.bin, "initdb"),
		"--pgdata", s.data, "--username", s.opts.User, "--pwfile", secret,
		"--auth-host", "scram-sha-256", "--auth-local", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create a PostgreSQL cluster in %s: %w: %s", s.data, err, tail(out))
	}
	if err := s.write(filepath.Join(s.data, passwordFile), s.opts.Password); err != nil {
		return err
	}
	return s.include()
}

// include makes postgresql.conf read settingsFile, last so that it wins. What
// ALTER SYSTEM sets wins over both.
func (s *Server) include() error {
	path := filepath.Join(s.data, "postgresql.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("settings of PostgreSQL: %w", err)
	}
	return s.write(path, string(text)+"\ninclude_if_exists = '"+settingsFile+"'\n")
}

// configure writes the settings and the rules for logging in.
func (s *Server) configure() error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.temporary,
		"password_encryption":     "scram-sha-256",
		"logging_collector":       "off",
	}
	if s.opts.Data == "" {
		settings["fsync"] = "off" // data that goes away need not survive a power cut
	}
	if s.opts.TLS {
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = certificateFile
		settings["ssl_key_file"] = keyFile
	}
	if s.primary != nil {
		settings["primary_conninfo"] = s.primary.URL()
		if err := s.write(filepath.Join(s.data, signalFile), ""); err != nil {
			return err
		}
	}
	maps.Copy(settings, s.opts.Settings)

	if err := s.write(filepath.Join(s.data, settingsFile), encode(settings)); err != nil {
		return err
	}
	return s.write(filepath.Join(s.data, "pg_hba.conf"), rules(s.opts.HBA))
}

// encode writes settings as postgresql.conf does, in the order of their names.
func encode(settings map[string]string) string {
	quote := strings.NewReplacer(`'`, `''`, `\`, `\\`)
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, quote.Replace(settings[name]))
	}
	return b.String()
}

// rules is pg_hba.conf: the caller's lines first, because the first line that
// matches decides.
func rules(first []string) string {
	lines := slices.Concat(first, []string{
		"local all         all              scram-sha-256",
		"host  all         all 127.0.0.1/32 scram-sha-256",
		"host  all         all ::1/128      scram-sha-256",
		"local replication all              scram-sha-256",
		"host  replication all 127.0.0.1/32 scram-sha-256",
	})
	return strings.Join(lines, "\n") + "\n"
}

// write makes a file that only the account reads, whole or not at all as far
// as PostgreSQL can see: it is not running, or it rereads on SIGHUP alone.
func (s *Server) write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write for PostgreSQL: %w", err)
	}
	return s.account.own(path)
}
