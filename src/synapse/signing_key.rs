//! The signing key: with the server name, the identity of the server.
//!
//! Owns the format of its file: lines of `ed25519 <version> <base64 of a 32-byte seed>`, of which
//! the first one signs. Must never show a key.

use crate::{
    error::{Error, Result},
    host::{random, secret::Secret},
};
use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD_NO_PAD,
    },
};

/// Generates a new key, as the content of the file.
pub fn generate() -> Result<Secret> {
    // Four random letters, like Synapse's own tool: a key that replaces a lost one must have another
    // version.
    let version: String =
        random::bytes::<4>()?.map(|byte| char::from(b'a' + byte % 26)).iter().collect();
    let seed = STANDARD_NO_PAD.encode(random::bytes::<32>()?);
    Ok(Secret::new(format!("ed25519 a_{version} {seed}\n")))
}

/// Checks that Synapse can use the content of the file.
///
/// # Errors
/// It cannot; the error does not show the key.
pub fn check(text: &str) -> Result<()> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let bad = |why: &str| Err(Error::new(format!("the signing key cannot be used: {why}")));
    if lines.peek().is_none() {
        return bad("the file is empty");
    }
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [algorithm, version, seed] = words[..] else {
            return bad("a line does not have the form `ed25519 <version> <key>`");
        };
        if algorithm != "ed25519" {
            return bad("its algorithm is not ed25519");
        }
        if !version.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return bad("its version has characters other than letters, digits, and _");
        }
        if decode(seed).is_none_or(|seed| seed.len() != 32) {
            return bad("it is not 32 bytes in base64");
        }
    }
    Ok(())
}

/// The id of the key that signs, `ed25519:<version>`, from the content of the file.
pub fn id(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    let mut words = line.split_whitespace();
    Some(format!("{}:{}", words.next()?, words.next()?))
}

/// Decodes both base64 alphabets, with padding or without, like Synapse.
fn decode(text: &str) -> Option<Vec<u8>> {
    const ANY: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY);
    STANDARD.decode(text.replace('-', "+").replace('_', "/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generates_valid_keys() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, two);
        check(one.expose()).unwrap();
        let words: Vec<&str> = one.expose().split(' ').collect();
        assert_eq!((words[0], words[1].len(), words[2].len()), ("ed25519", 6, 44));
        assert_eq!(id(one.expose()), Some(format!("ed25519:{}", words[1])));
        assert_eq!((id(""), id("\n ed25519")), (None, None));
        assert!(one.expose().ends_with('\n') && !one.expose().contains('='));
    }

    #[test]
    fn checks_keys() {
        const SEED: &str = "QGKw6UuAvqDXBv4NbT3A5bB4Qwq1sVd8MNxOZlqYRyI";
        for good in [
            format!("ed25519 a_xxxx {SEED}\n"),
            format!("ed25519 a_xxxx {SEED}"),
            format!("ed25519 a_xxxx {SEED}=\n"),
            format!("ed25519 a_1 {SEED}\n\ned25519 a_2 {SEED}\n"),
            format!("ed25519 a_1 {}\n", "-_".repeat(21) + "A"),
        ] {
            assert!(check(&good).is_ok(), "{good}");
        }
        for (bad, why) in [
            (String::new(), "the file is empty"),
            ("\n \n".to_owned(), "the file is empty"),
            (SEED.to_owned(), "a line does not have the form `ed25519 <version> <key>`"),
            (
                format!("ed25519 a_1 {SEED}\n{SEED}"),
                "a line does not have the form `ed25519 <version> <key>`",
            ),
            (format!("rsa a_1 {SEED}"), "its algorithm is not ed25519"),
            (
                format!("ed25519 a-b:c {SEED}"),
                "its version has characters other than letters, digits, and _",
            ),
            (format!("ed25519 a_1 {}", &SEED[1..]), "it is not 32 bytes in base64"),
            (format!("ed25519 a_1 {SEED}AAAA"), "it is not 32 bytes in base64"),
            (format!("ed25519 a_1 *{}", &SEED[1..]), "it is not 32 bytes in base64"),
        ] {
            let error = check(&bad).unwrap_err();
            assert_eq!(error.lines(), [format!("the signing key cannot be used: {why}")], "{bad}");
        }
    }
}
