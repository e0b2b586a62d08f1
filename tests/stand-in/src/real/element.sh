mkdir -p /tmp/element-web-config
cp /app/config*.json /tmp/element-web-config/
cat >/etc/nginx/conf.d/default.conf <<CONF
server {
  listen $ELEMENT_WEB_PORT;
  root /app;
  index index.html;
  location /config { root /tmp/element-web-config; add_header Cache-Control no-cache; }
  location = /index.html { add_header Cache-Control no-cache; }
}
CONF
cat >/tmp/nginx.conf <<CONF
daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events { }
http {
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  include /etc/nginx/conf.d/default.conf;
}
CONF
exec nginx -c /tmp/nginx.conf
