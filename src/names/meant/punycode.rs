//! Punycode (RFC 3492): a label in Unicode as the DNS has it. Only encodes, and maps nothing.

const BASE: u32 = 36;
const THRESHOLD_LEAST: u32 = 1;
const THRESHOLD_MOST: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const FIRST_BIAS: u32 = 72;

/// Encodes a label in lower case, without `xn--`; `None` if it has a character that may have to be
/// mapped to others first, such as a combining or a full-width one.
pub(super) fn encode(label: &str) -> Option<String> {
    let letters: Vec<u32> = label.chars().map(plain).collect::<Option<_>>()?;
    let mut text: String = label.chars().filter(char::is_ascii).collect();
    let (length, basic) = (u32::try_from(letters.len()).ok()?, u32::try_from(text.len()).ok()?);
    if basic > 0 {
        text.push('-');
    }
    let (mut next, mut delta, mut bias, mut done) = (0x80, 0_u32, FIRST_BIAS, basic);
    while done < length {
        let least = letters.iter().copied().filter(|letter| *letter >= next).min()?;
        delta = delta.checked_add((least - next).checked_mul(done + 1)?)?;
        next = least;
        for letter in &letters {
            if *letter < next {
                delta = delta.checked_add(1)?;
            }
            if *letter == next {
                push(&mut text, delta, bias);
                bias = adapt(delta, done + 1, done == basic);
                (delta, done) = (0, done + 1);
            }
        }
        (delta, next) = (delta.checked_add(1)?, next + 1);
    }
    Some(text)
}

/// The number of a character that is its own mapping. Those between U+2000 and U+2BFF, and from
/// U+F900 on, are mostly other forms of letters.
fn plain(letter: char) -> Option<u32> {
    let number = u32::from(letter);
    let is_own = match letter {
        '-' => true,
        _ if letter.is_ascii() => letter.is_ascii_lowercase() || letter.is_ascii_digit(),
        _ => letter.is_alphabetic() && !letter.is_uppercase(),
    };
    let is_form = (0x2000..0x2c00).contains(&number) || (0xf900..0x10000).contains(&number);
    (is_own && !is_form && number < 0x1_d000).then_some(number)
}

fn push(text: &mut String, delta: u32, bias: u32) {
    let mut rest = delta;
    for at in (BASE..).step_by(BASE as usize) {
        let threshold = at.saturating_sub(bias).clamp(THRESHOLD_LEAST, THRESHOLD_MOST);
        if rest < threshold {
            break;
        }
        let span = BASE - threshold;
        text.extend(char::from_digit(threshold + (rest - threshold) % span, BASE).map(digit));
        rest = (rest - threshold) / span;
    }
    text.extend(char::from_digit(rest, BASE).map(digit));
}

/// Punycode counts from `a` to `z`, then from `0` to `9`; `char::from_digit` the other way round.
fn digit(digit: char) -> char {
    let value = digit.to_digit(BASE).unwrap_or_default();
    let moved = if value < 26 { value + 10 } else { value - 26 };
    char::from_digit(moved, BASE).unwrap_or(digit)
}

fn adapt(delta: u32, points: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut bias = 0;
    while delta > (BASE - THRESHOLD_LEAST) * THRESHOLD_MOST / 2 {
        delta /= BASE - THRESHOLD_LEAST;
        bias += BASE;
    }
    bias + (BASE - THRESHOLD_LEAST + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_other_programs_do() {
        for (label, wanted) in [
            ("münchen", Some("mnchen-3ya")),
            ("bücher", Some("bcher-kva")),
            ("straße", Some("strae-oqa")),
            ("правда", Some("80aafi6cg")),
            ("рф", Some("p1ai")),
            ("例え", Some("r8jz45g")),
            ("テスト", Some("zckzah")),
            ("ü1-ö", Some("1--gkav")),
            ("他们为什么不说中文", Some("ihqwcrb4cv8a8dqg056pqjye")),
            // From RFC 3492, 7.1.
            ("pročprostěnemluvíčesky", Some("proprostnemluvesky-uyb24dma41a")),
            // These have to be mapped to others.
            ("Ü", None),
            ("u\u{308}", None),
            ("\u{ff41}ü", None),
            ("ü²", None),
            ("ü_", None),
            ("ü e", None),
        ] {
            assert_eq!(encode(label).as_deref(), wanted, "{label}");
        }
    }
}
