# The first process of the network that stood-in hosts share. Everything in it ends with this one,
# and this one ends with the program that holds its standard input.
#
# $1: the network's own address. $2: the files that are seen below /etc. $3: the folder of all.
set -euo pipefail
# Anywhere else, it would do this to the machine itself.
(($$ == 1)) || { echo "not the first process of a namespace" >&2; exit 1; }

mount -t tmpfs tmpfs /run
# A copy of what may be read: a mount on a file goes when the machine puts another one in its place.
mkdir /run/etc
cp --archive /etc/. /run/etc 2>/dev/null || true
mount --bind /run/etc /etc
for file in "$2"/*; do
  seen=/etc/${file##*/}
  # It may be a link.
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
# Not `sleep`: bash takes leave of orphans.
read -r _ || true
# Whoever holds the other end may have been killed, and leave the folder to us.
kill -KILL -1 2>/dev/null || true
rm -rf "$3"
