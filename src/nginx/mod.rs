//! What is written for nginx: text in, text out. Nothing here touches the machine.
//!
//! - [`template()`]: the sigil template of a homeserver's app;
//! - [`forms`]: the forms under which that template is proved before Dokku may use it;
//! - [`scratch`]: a main configuration around a rendered form, for `nginx -t -c`;
//! - [`locations`]: the files in an app's `nginx.conf.d`, which hold under any template.

pub mod forms;
pub mod install;
pub mod locations;
pub mod proof;
mod quote;
pub mod scratch;
mod template;

pub use template::{is_default, template};
