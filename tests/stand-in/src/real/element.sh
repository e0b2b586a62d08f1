site=/etc/nginx/conf.d/default.conf
mkdir -p /tmp/element-web-config
cp /app/config*.json /tmp/element-web-config/
cat >"$site" <<CONF
server {
  listen $ELEMENT_WEB_PORT;
  root /app;
  index index.html;
  location /config { root /tmp/element-web-config; add_header Cache-Control no-cache; }
  location = /index.html { add_header Cache-Control no-cache; }
}
CONF
