//! Users and groups of this host. Looks them up; changes nothing.

use crate::error::{Error, Result};

/// A user id and group id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user id.
    pub uid: u32,
    /// The id of its primary group.
    pub gid: u32,
}

impl Owner {
    /// Looks a user up by name.
    ///
    /// # Errors
    /// There is no such user.
    pub fn of(name: &str) -> Result<Self> {
        let user = users::get_user_by_name(name)
            .ok_or_else(|| Error::new(format!("this host has no user {name}")))?;
        Ok(Self { uid: user.uid(), gid: user.primary_group_id() })
    }
}
