# The first process of the network that stand-in hosts share. All processes in the network end with
# it, and it ends when its standard input is closed.
#
# $1: the network's own address. $2: a directory with files for /etc. $3: the directory of the world.
set -euo pipefail
# In any other process, the following commands would change the machine itself.
(($$ == 1)) || { echo "not the first process of a namespace" >&2; exit 1; }

mount -t tmpfs tmpfs /run
# A copy of /etc: a bind mount on a file would disappear when the machine replaces the file.
mkdir /run/etc
cp --archive /etc/. /run/etc 2>/dev/null || true
mount --bind /run/etc /etc
for file in "$2"/*; do
  seen=/etc/${file##*/}
  # The target may be a symbolic link.
  rm -f "$seen"
  : >"$seen"
  mount --bind "$file" "$seen"
done
mount --bind "$2/ca-certificates.crt" /etc/ssl/certs/ca-certificates.crt

ip link set lo up
ip link add internet type bridge
ip address add "$1/24" dev internet
ip link set internet up
echo 1 >/proc/sys/net/ipv4/ip_forward

echo ready
# Not `sleep`: bash as the first process reaps orphans.
read -r _ || true
# The parent may have been killed without removing the directory.
kill -KILL -1 2>/dev/null || true
rm -rf "$3"
