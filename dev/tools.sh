# shellcheck shell=bash
# The scripts that install something into target/tools source it; it lets one of them run at a time. The
# umask lets the other users of the tests' hosts read what is there.
umask 022
tools=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/tools")
mkdir -p "$tools"
exec 8>"$tools/.lock"
# Child processes inherit the lock, so the next script starts only when all of them have ended.
flock --nonblock 8 || { echo "waiting for another script that installs something into $tools" >&2; flock 8; }
# For temporary directories of compilers and installers, which leave them behind when they are killed.
export TMPDIR="$tools/tmp"
trap 'rm -rf "$TMPDIR"' EXIT
rm -rf "$TMPDIR"
mkdir "$TMPDIR"
