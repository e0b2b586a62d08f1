//! A main configuration around a rendered template, for `nginx -t -c`.

/// A complete configuration with which nginx tests `rendered`, separate from everything else on the
/// host. Never start nginx with it.
///
/// `nginx -t` does not only read: it creates the directories for temporary files, *changes their
/// owner to its user*, and opens the pid file and every log. As root, with a configuration that
/// does not name them, it would take those directories from the running nginx. So all are named
/// here: they are in `directory`, which the caller removes afterwards, and belong to `user`, the
/// caller's account, because otherwise it could not remove them.
pub fn scratch_conf(rendered: &str, directory: &str, user: &str) -> String {
    format!(
        r"user {user};
pid {directory}/nginx.pid;
error_log stderr;
events {{
}}
http {{
  client_body_temp_path {directory}/client_body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  access_log off;
  # Dokku's value; the default is too small for long domains.
  server_names_hash_bucket_size 512;

{rendered}
}}
"
    )
}
