#!/usr/bin/env bash
# Installs the programs that some checks need and pip cannot bring: Prometheus with promtool (Debian package
# `prometheus`), and Redis (`redis-server`). Does nothing if they are present, or if it may not install. Tests that
# need them skip with a reason, except under CI, where they fail.
set -euo pipefail

if command -v promtool >/dev/null && command -v prometheus >/dev/null && command -v redis-server >/dev/null; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "install-tools: not root, or no apt-get: checks that need promtool, prometheus and redis-server will skip" >&2
  exit 0
fi

export DEBIAN_FRONTEND=noninteractive
# The packages would start services of their own, but the tests start theirs. The old file is restored afterwards.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends prometheus redis-server >/dev/null
