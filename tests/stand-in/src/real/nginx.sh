# Serves $site, as a user who can write only to /tmp.
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
  include $site;
}
CONF
exec nginx -c /tmp/nginx.conf
