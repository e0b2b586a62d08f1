//! Random bytes and secrets, from the operating system's generator only.

use super::secret::Secret;
use crate::error::{Doing, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// New random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).doing(|| "cannot get random bytes from the system".to_owned())?;
    Ok(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// A new secret of 256 bits, in letters, digits, `-`, and `_`.
pub fn secret() -> Result<Secret> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes::<32>()?)))
}
