cat >/tmp/nginx.conf <<CONF
daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events { }
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server { listen ${PORT:-5000}; location / { return 200 "a website\n"; } }
}
CONF
exec nginx -c /tmp/nginx.conf
