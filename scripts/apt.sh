#!/usr/bin/env bash
# Installs system packages where that is allowed; names them and fails where it is not.
set -euo pipefail

if ! command -v apt-get >/dev/null; then
    echo "missing: $* (install it with this system's package manager)" >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "missing: $* (sudo apt-get install $*)" >&2
    exit 1
fi
"${as_root[@]}" apt-get update -q
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "$@"
