# The first process of the network that stood-in hosts share. Everything in it ends with this one,
# and this one ends with the program that holds its standard input.
#
# $1: the network's own address. $2: the files that are seen below /etc.
set -euo pipefail

mount -t tmpfs tmpfs /run
for file in "$2"/*; do
  # It may be a link, and what it leads to may be gone by now.
  seen=$(realpath -m "/etc/${file##*/}")
  mkdir -p "${seen%/*}"
  [[ -e $seen ]] || : >"$seen"
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
