#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Installs what weir needs beside Go, if it is missing:
#
#   setup.sh run    a PostgreSQL server, or npm, with which weir fetches one
#   setup.sh test   what the tests use
#
# On Debian and its relatives it installs through apt-get, as root or with
# sudo. Elsewhere it says in one sentence what to install.
set -euo pipefail

has() { command -v "$1" >/dev/null; }

# has_server looks where internal/pgserver looks.
has_server() {
	[ -n "${WEIR_POSTGRES_BIN:-}" ] && return
	has initdb && return
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return
	compgen -G '/opt/homebrew/opt/postgresql@*/bin/initdb' >/dev/null && return
	compgen -G '/usr/local/opt/postgresql@*/bin/initdb' >/dev/null && return
	compgen -G '/usr/local/pgsql/bin/initdb' >/dev/null
}

has_pgbouncer() { [ -n "${PGBOUNCER:-}" ] || has pgbouncer || [ -x /usr/sbin/pgbouncer ]; }

# Debian has what makes virtual environments in a package of its own.
has_python() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# missing prints Debian's names of the packages that are not there.
missing() {
	case $1 in
	run)
		has_server || has npm || echo postgresql
		;;
	test)
		has_server || echo postgresql
		has psql || echo postgresql-client
		has_pgbouncer || echo pgbouncer
		has redis-server || echo redis-server
		has node || echo nodejs
		has npm || echo npm
		has_python || echo python3 python3-venv
		has cc || echo gcc libc6-dev # for the race detector
		;;
	*)
		echo "usage: setup.sh run|test" >&2
		exit 2
		;;
	esac
}

# as_root runs a command as root, or fails without asking for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() { has apt-get && as_root true 2>/dev/null; }

# Debian starts what it installs: a PostgreSQL cluster that nobody asked for,
# and PgBouncer on the port that is weir's. The tests start their own.
no_cluster=/etc/postgresql-common/createcluster.d/weir.conf

forbid_cluster() {
	as_root mkdir -p "${no_cluster%/*}"
	echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
}

stop_services() {
	[ -d /run/systemd/system ] || return 0
	local service
	for service in pgbouncer redis-server; do
		case " $* " in *" $service "*) as_root systemctl disable --now "$service" ;; esac
	done
}

install_packages() {
	echo "installing $*"
	case " $* " in *" postgresql "*) forbid_cluster ;; esac
	local patient=(-o Acquire::Retries=5 -o DPkg::Lock::Timeout=300)
	as_root apt-get "${patient[@]}" update -qq
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get "${patient[@]}" install -y -qq --no-install-recommends "$@" >/dev/null
	as_root rm -f "$no_cluster"
	stop_services "$@"
}

names=$(missing "${1:-}")
[ -n "$names" ] || exit 0
read -ra packages <<<"${names//$'\n'/ }"
if ! can_install; then
	echo "setup: please install ${packages[*]} (these are Debian's names; Homebrew has postgresql@17, pgbouncer, redis, node and python), since this is neither root on a machine with apt-get nor a user whom sudo lets in without a password" >&2
	exit 1
fi
install_packages "${packages[@]}"
