#!/bin/sh
# Whether a real Keycloak can run here: it needs Java 17 or newer, and Maven to fetch it. Installed when we may, named when we may not.
# Exit status 0: it can. 3: it cannot, which is no failure on somebody's own machine. 1: it cannot, and this is CI.
set -u

java_version() { # the major version, 0 without Java
  java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | grep . || echo 0
}

missing() {
  found=
  [ "$(java_version)" -ge 17 ] || found='Java 17'
  command -v mvn >/dev/null 2>&1 || found="${found:+$found and }Maven"
  echo "$found"
}

if [ -n "$(missing)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo 'Installing Java and Maven, for Keycloak…'
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jre-headless maven >/dev/null
fi
lacking=$(missing)
[ -z "$lacking" ] && exit 0
echo "The tests against a real Keycloak did not run: they need $lacking. Install it (Debian: apt-get install default-jre-headless maven) and run again." >&2
[ "${CI:-}" = true ] && exit 1
exit 3
