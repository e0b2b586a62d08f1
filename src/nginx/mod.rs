//! What is written for nginx, and how it is judged before it counts.
//!
//! Text in, text out:
//! - [`template()`]: the sigil template of a homeserver's app;
//! - [`forms`]: the forms under which that template is proved before Dokku may use it;
//! - [`scratch`]: a main configuration around a rendered form, for `nginx -t -c`;
//! - [`locations`]: the files in an app's `nginx.conf.d`, which hold under any template.
//!
//! On the machine, through [`host`](crate::host):
//! - [`proof`]: whether this host's sigil and nginx accept the template;
//! - [`install`]: puts such a file in its place, and takes it back if nginx rejects it.

pub mod forms;
pub mod install;
pub mod locations;
pub mod proof;
mod quote;
pub mod scratch;
mod template;

pub use template::{is_default, template};
