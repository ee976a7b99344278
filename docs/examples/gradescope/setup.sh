#!/bin/sh
# Gradescope runs this once, as root, when it builds the assignment's image. Whatever fails here fails the build, which
# the lecturer sees, and no student.
set -eu
# shellcheck source=settings disable=SC1091
. "${AUTOGRADER_ROOT:-/autograder}/source/settings"
umask 022
export DEBIAN_FRONTEND=noninteractive

install() { apt-get install -y --no-install-recommends "$@"; }

apt-get update
# What isolab needs of the host; python-apt-common names Debian's mirror, from which the guests' packages come.
install python3 ca-certificates gpgv debian-archive-keyring python-apt-common
# Ubuntu 22.04 has 3.11 beside its own Python.
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	install python3-venv
else
	install python3.11 python3.11-venv
fi

# Root's alone: the hidden tests, what is compiled of them, the results.
mkdir -p "$PRIVATE" "$ROOT/results"
chmod 0700 "$ROOT/source" "$PRIVATE" "$ROOT/results"
chmod +x "$ISOLAB" "$ROOT/source/run_autograder"

# The reference solutions: installs QEMU, builds the images, boots each machine once and keeps it as a template. If a
# solution does not get all points here, no image is built.
cd "$ROOT/source"
"$ISOLAB" run "$LAB" --only "$MACHINES" --out "$PRIVATE/reference"
# Downloads are no longer needed, and would be part of the image.
"$ISOLAB" images prune
