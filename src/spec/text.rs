//! Texts in texts. The standard library looks for them in a way that is fast in long ones and takes 6 KB.

use alloc::string::String;

/// What is before and after the first place where `between` is.
pub fn cut<'a>(text: &'a str, between: &str) -> Option<(&'a str, &'a str)> {
    let at = (0..text.len()).find(|at| text.as_bytes()[*at..].starts_with(between.as_bytes()))?;
    Some((&text[..at], &text[at + between.len()..]))
}

/// Whether the one is somewhere in the other.
pub fn has(text: &str, wanted: &str) -> bool {
    cut(text, wanted).is_some()
}

/// The text with `new` wherever `old` is.
pub fn replace(mut text: &str, old: &str, new: &str) -> String {
    let mut replaced = String::new();
    while let Some((before, after)) = cut(text, old) {
        replaced.extend([before, new]);
        text = after;
    }
    replaced + text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library() {
        for text in ["", "a", "ab", "aab", "abab", "xéaéb", "é", "--a --b"] {
            for wanted in ["a", "ab", "é", "--", "abc", "b"] {
                assert_eq!(cut(text, wanted), text.split_once(wanted));
                assert_eq!(has(text, wanted), text.contains(wanted));
                assert_eq!(replace(text, wanted, "a-"), text.replace(wanted, "a-"));
            }
        }
    }
}
