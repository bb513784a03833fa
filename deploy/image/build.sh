#!/bin/sh
# Builds the image with docker, podman or buildah, whichever there is, and writes its bill of materials to dist/.
#
# usage: build.sh NAME [ARGUMENT…]   the arguments go to the builder; BUILDER chooses it
set -eu
cd "$(dirname "$0")/../.."
name=$1
shift
# Docker's command is often there without its engine.
works() { command -v "$1" && { [ "$1" != docker ] || docker info; }; }
for builder in ${BUILDER:-docker podman buildah}; do
  if works "$builder" >/dev/null 2>&1; then break; fi
  builder=
done
if [ -z "$builder" ]; then
  echo "${BUILDER:-docker, podman or buildah} is needed to build an image, and none runs here" >&2
  exit 1
fi

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' sidecar/__init__.py)
set -- --build-arg "VERSION=$version" --build-arg "SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-}" "$@"
# Docker before version 23 would build without BuildKit, which has the secrets.
export DOCKER_BUILDKIT=1
# The other format has no place for a health check.
case $builder in docker) ;; *) set -- --format docker "$@" ;; esac
"$builder" build --tag "$name" "$@" .

mkdir -p dist
inside=/usr/share/sidecar/sbom.cdx.json
if [ "$builder" = buildah ]; then
  container=$(buildah from --pull-never "$name")
  buildah run "$container" -- python3 -c "print(open('$inside').read(), end='')" >dist/sidecar.cdx.json
else
  container=$("$builder" create "$name")
  "$builder" cp "$container:$inside" dist/sidecar.cdx.json
fi
"$builder" rm "$container" >/dev/null
