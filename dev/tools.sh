# shellcheck shell=bash
# Sourced by those who put something into target/tools, one of them at a time. Hosts of the tests have
# other users, who read what is there whatever the umask is.
umask 022
tools=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/tools")
mkdir -p "$tools"
exec 8>"$tools/.lock"
# Who has to wait finds it done, and what it starts holds it on: nothing begins before all of that has ended.
flock --nonblock 8 || { echo "waiting for another that puts something into $tools" >&2; flock 8; }
# Scratch folders of compilers and installers, which leave them where they are when they are killed.
export TMPDIR="$tools/tmp"
trap 'rm -rf "$TMPDIR"' EXIT
rm -rf "$TMPDIR"
mkdir "$TMPDIR"
