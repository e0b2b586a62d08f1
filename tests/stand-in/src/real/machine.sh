# The first process of one stand-in host. All processes of the host end with it, and it ends when its
# standard input is closed.
#
# $1: its public address. $2: the network of its containers, without the last two numbers.
# $3: its directory. $4: the address of the network. $5: the tools, and $6: the engine, both of which
# may be in a directory that only root can read.
set -euo pipefail
# In any other process, the following commands would change the machine itself.
(($$ == 1)) || { echo "not the first process of a namespace" >&2; exit 1; }

mount -t tmpfs tmpfs /run
mkdir /run/tools
mount --bind "$5" /run/tools
mount --bind "$3/etc/passwd" /etc/passwd
mount --bind "$3/etc/group" /etc/group
# The engine is set-uid root: only dokku may run it, and only in this mount namespace.
install --mode=4750 --group=dokku "$6" /run/engine
mount --bind "$3/nginx/nginx.conf" /etc/nginx/nginx.conf
mount --bind "$3/log" /var/log/nginx

ip link set lo up
ip address add "$1/24" dev eth0
ip link set eth0 up
ip route add default via "$4"
ip link add docker0 type bridge
ip address add "$2.0.1/16" dev docker0
ip link set docker0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
nginx

echo ready
read -r _ || true
