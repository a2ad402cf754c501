#!/usr/bin/env bash
# Makes .venv with everything Codara and its tests need.
set -euo pipefail

find_python() {
    for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Codara needs Python 3.11 or newer; set PYTHON to one." >&2
    exit 1
}

python=$(find_python)
if [ ! -x .venv/bin/pip ]; then
    "$python" -m venv .venv >/dev/null 2>&1 || {
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        scripts/apt.sh "python$version-venv"
        "$python" -m venv --clear .venv
    }
fi
.venv/bin/pip install --quiet --disable-pip-version-check -e '.[test,demo]'
