//! A main configuration around a rendered form, for `nginx -t -c`.

/// A whole configuration in which nginx judges `rendered`, apart from everything on the host.
///
/// `nginx -t` does more than read: it makes the folders for temporary files, *gives them to its
/// user*, and opens the pid file and every log. Run by root on a configuration that names none, it
/// takes the folders of the running nginx away from it. So all of them are named here: they come
/// into `folder`, which belongs to the caller and is removed after, and belong to `user`, the
/// account of the caller (else it could not remove them).
///
/// Never start nginx with it.
pub fn scratch_conf(rendered: &str, folder: &str, user: &str) -> String {
    format!(
        r"user {user};
pid {folder}/nginx.pid;
error_log stderr;
events {{
}}
http {{
  client_body_temp_path {folder}/client_body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  access_log off;
  # As Dokku sets it; long domains do not fit into the default.
  server_names_hash_bucket_size 512;

{rendered}
}}
"
    )
}
