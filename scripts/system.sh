#!/usr/bin/env bash
# Sees to the programs Codara needs of the system: bubblewrap, which holds the agents.
set -euo pipefail

command -v bwrap >/dev/null || scripts/apt.sh bubblewrap ||
    echo "Without bubblewrap no agent runs; its tests are skipped." >&2
