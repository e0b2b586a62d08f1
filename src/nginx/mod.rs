//! What is written for nginx, and how it is verified before nginx uses it.
//!
//! Text in, text out:
//! - [`template()`]: the sigil template of a homeserver's app;
//! - [`forms`]: the variants of a configuration with which that template is verified;
//! - [`scratch`]: a main configuration around a rendered template, for `nginx -t -c`;
//! - [`locations`]: the files in an app's `nginx.conf.d`, which hold under any template.
//!
//! On the machine, through [`host`](crate::host):
//! - [`verify`]: whether this host's sigil and nginx accept the template;
//! - [`install`]: installs such a file, and restores the old one if nginx rejects it;
//! - [`others`]: which files of others answer in an app's place;
//! - [`served`]: whether nginx serves what was written.

pub mod forms;
pub mod install;
pub mod locations;
pub mod others;
mod quote;
pub mod scratch;
pub mod served;
mod template;
mod test;
pub mod verify;

pub use template::{is_default, template};
