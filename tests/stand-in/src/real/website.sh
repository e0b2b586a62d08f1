site=/tmp/site.conf
cat >"$site" <<CONF
server { listen ${PORT:-5000}; location / { return 200 "a website\n"; } }
CONF
