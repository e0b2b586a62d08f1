//! What came of a read: a value, its absence, or an error.
//!
//! Owns the rule that none of the three passes for another: there is no default, and whoever
//! takes absence for a value says which one. Must not read anything itself.

use crate::error::{Error, Result};

/// The outcome of a read.
#[must_use]
#[derive(Debug)]
pub enum Reading<T> {
    /// What was read.
    Value(T),
    /// There is no such thing, and whoever was asked said so.
    Absent,
    /// The read failed, or its output is incomplete or malformed.
    Unknown(Error),
}

impl<T> Reading<T> {
    /// Converts the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        self.and_then(|value| Reading::Value(f(value)))
    }

    /// Parses the value, which may turn out to be absent or malformed.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Value(value) => f(value),
            Self::Absent => Reading::Absent,
            Self::Unknown(error) => Reading::Unknown(error),
        }
    }

    /// `None` is absent.
    ///
    /// # Errors
    /// It is unknown.
    pub fn option(self) -> Result<Option<T>> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Absent => Ok(None),
            Self::Unknown(error) => Err(error),
        }
    }

    /// The value, or the one that absence stands for here.
    ///
    /// # Errors
    /// It is unknown.
    pub fn or_absent(self, value: T) -> Result<T> {
        Ok(self.option()?.unwrap_or(value))
    }

    /// The value.
    ///
    /// # Errors
    /// It is unknown, or absent: then the error is the one given.
    pub fn required(self, absent: impl FnOnce() -> Error) -> Result<T> {
        self.option()?.ok_or_else(absent)
    }
}

impl<T> From<Result<Option<T>>> for Reading<T> {
    fn from(result: Result<Option<T>>) -> Self {
        match result {
            Ok(Some(value)) => Self::Value(value),
            Ok(None) => Self::Absent,
            Err(error) => Self::Unknown(error),
        }
    }
}

impl<T> From<Result<T>> for Reading<T> {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Unknown(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown() -> Reading<u8> {
        Reading::Unknown(Error::new("cut"))
    }

    /// What a reading is, in one word.
    fn kind<T>(reading: &Reading<T>) -> &'static str {
        match reading {
            Reading::Value(_) => "value",
            Reading::Absent => "absent",
            Reading::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn keeps_value_absent_and_unknown_apart() {
        for (make, is) in [
            ((|| Reading::Value(1)) as fn() -> Reading<u8>, "value"),
            (|| Reading::Absent, "absent"),
            (unknown, "unknown"),
        ] {
            assert_eq!(kind(&make().map(u64::from)), is);
            assert_eq!(kind(&Reading::<u8>::from(make().option())), is);
            assert_eq!(make().or_absent(9).ok(), [Some(1), Some(9), None][at(is)]);
            assert_eq!(make().option().ok(), [Some(Some(1)), Some(None), None][at(is)]);
            let required = make().required(|| Error::new("missing"));
            let required = required.map_err(|error| error.message().to_owned());
            assert_eq!(required, [Ok(1), Err("missing".into()), Err("cut".into())][at(is)]);
        }
        assert_eq!(kind(&Reading::Value(1).and_then(|_| unknown())), "unknown");
        assert_eq!(kind(&Reading::Value(1).and_then(|_| Reading::<u8>::Absent)), "absent");
        assert_eq!(kind(&Reading::from(Ok(1_u8))), "value");
        assert_eq!(kind(&Reading::<u8>::from(Err::<u8, _>(Error::new("cut")))), "unknown");
    }

    fn at(kind: &str) -> usize {
        ["value", "absent", "unknown"].iter().position(|one| *one == kind).unwrap()
    }
}
