#!/usr/bin/env bash
# Behind PgBouncer in transaction mode a client gets the notices that another one listens for
#
# Versions: PgBouncer 1.18 and PostgreSQL 15 of Debian 12, psycopg 3.2.13 (PyPI, Python 3.11).
#
# It is well known that LISTEN does not work in transaction mode. What happens instead is not "nothing": the LISTEN succeeds and
# stays with the *server's* connection. A notice that comes while any client has that connection is handed to that client, in
# the middle of the answer to its own statement, although it never said LISTEN. The one that did gets none while it is idle.
#
# Why it matters: drivers differ in what they do with a message that nobody asked for; some report the statement as failed,
# although it was committed. So one client that says LISTEN through the pooler disturbs all others, at random. Listen by a
# direct connection, and expect foreign notices in every client behind such a pooler.
set -euo pipefail
folder=$(mktemp -d)
end() {
  for process in "${bouncer:-}" "${postgres:-}"; do [ -z "$process" ] || kill -TERM "$process" || true; done
  sleep 1
  [ -z "${postgres:-}" ] || kill -QUIT "$postgres" 2>/dev/null || true
  rm -rf "$folder"
}
trap end EXIT
cd "$folder"
command -v pgbouncer >/dev/null || { echo 'pgbouncer is missing'; exit 2; }
programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check 'psycopg[binary]==3.2.13'
# Neither runs as root.
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid nobody --regid nogroup --clear-groups)
mkdir run && chmod 755 . && chmod 777 run
"${as[@]}" "$programs/initdb" --pgdata run/data --username own --auth trust >/dev/null
"${as[@]}" "$programs/postgres" -D run/data -k "$folder/run" -c listen_addresses= -c fsync=off >run/postgres.log 2>&1 &
postgres=$!
cat >run/pgbouncer.ini <<X
[databases]
* = host=$folder/run user=own
[pgbouncer]
unix_socket_dir = $folder/run
listen_addr =
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 1
X
"${as[@]}" pgbouncer run/pgbouncer.ini >run/pgbouncer.log 2>&1 &
bouncer=$!
cat >look.py <<'PY'
import sys
import time

import psycopg

where = sys.argv[1]


def connect(port):
    for left in range(100, 0, -1):
        try:
            return psycopg.connect(host=where, port=port, user="own", dbname="postgres", autocommit=True)
        except psycopg.OperationalError:
            if left == 1:
                raise
            time.sleep(0.1)


direct, listener, other = connect(5432), connect(6432), connect(6432)
got = {"listener": 0, "other": 0}
listener.add_notify_handler(lambda notice: got.update(listener=got["listener"] + 1))
other.add_notify_handler(lambda notice: got.update(other=got["other"] + 1))
listener.execute("LISTEN own")
for _ in range(20):
    # While the other has a transaction open, the connection to the server is its own.
    other.execute("BEGIN")
    direct.execute("NOTIFY own")
    other.execute("SELECT pg_sleep(0.02)")
    other.execute("COMMIT")
print(f"of 20 notices the client that listens got {got['listener']}, the one that never did {got['other']}")
same = got["listener"] == 0 and got["other"] > 0
print("as described" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
python/bin/python look.py "$folder/run"
