#!/usr/bin/env bash
# Installs what the tests of the shared inboxes start: redis-server, PostgreSQL, and a browser for the picture of
# bull-board. Does nothing where they are there already. For Debian and its relatives; elsewhere install the same with
# your own means, or set REDIS_URL and DATABASE_URL to servers that the tests may fill.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  missing+=(postgresql)
fi
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)

if [ ${#missing[@]} -eq 0 ]; then
  echo 'redis-server, PostgreSQL and a browser are there.'
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "Missing: ${missing[*]}. There is no apt-get here: install them with your own means." >&2
  exit 1
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
# The packages start servers of their own, which the tests do not use.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}" ||
  { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; }
echo "Installed: ${missing[*]}."
