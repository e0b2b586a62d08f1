# Does what the entry point of PostgreSQL's image does: creates a cluster as its environment says,
# then runs the server as the user postgres. $1 is this script.
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /run/postgresql
  chown 999:999 /var/lib/postgresql "$data" /run/postgresql
  chmod 700 "$data"
  exec setpriv --reuid=999 --regid=999 --clear-groups sh -euc "$1" "$0" "$1"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  # Split into words, as the image does.
  # shellcheck disable=SC2086
  initdb --no-sync --username=postgres --pwfile=/tmp/password --pgdata="$data" ${POSTGRES_INITDB_ARGS:-}
  rm /tmp/password
  printf '\nhost all all all scram-sha-256\n' >>"$data/pg_hba.conf"
fi
# Without fsync: the machine itself does not lose power in a test.
exec postgres -D "$data" -c 'listen_addresses=*' -c fsync=off -c full_page_writes=off
