#!/usr/bin/env bash
# Lets one app call the proxy, and nobody else: internal routes admit nobody by themselves.
#   deploy/cloud-foundry/network-policy.sh MY_APP [SCRAPER]
set -euo pipefail
app=${1:?name of the app that calls}
scraper=${2:-}

cf add-network-policy "$app" service-key-proxy --protocol tcp --port 8080
if [ -n "$scraper" ]; then
  # The admin port: metrics, and the log level.
  cf add-network-policy "$scraper" service-key-proxy --protocol tcp --port 9090
fi
cf network-policies --source "$app"
