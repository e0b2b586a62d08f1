//! Users and groups of this host.

use crate::error::{Error, Result};

/// A user's number and that of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// Its primary group's number.
    pub gid: u32,
}

impl Owner {
    /// Looks a user up by name.
    ///
    /// # Errors
    /// There is no such user.
    pub fn of(name: &str) -> Result<Self> {
        let user = users::get_user_by_name(name)
            .ok_or_else(|| Error::new(format!("there is no user {name} on this host")))?;
        Ok(Self { uid: user.uid(), gid: user.primary_group_id() })
    }
}
