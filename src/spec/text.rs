//! Texts in texts. The standard library looks for them in a way that is fast in long ones and takes 6 KB.

use alloc::string::String;

/// Where the wanted text begins.
pub fn find(text: &str, wanted: &str) -> Option<usize> {
    (0..text.len()).find(|at| text.as_bytes()[*at..].starts_with(wanted.as_bytes()))
}

/// What is before and after the first place where `between` is.
pub fn cut<'a>(text: &'a str, between: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, between)?;
    Some((&text[..at], &text[at + between.len()..]))
}

/// Appends a word to a list with `between` between its words.
pub fn add(list: &mut String, between: &str, word: &str) {
    list.extend([if list.is_empty() { "" } else { between }, word]);
}

/// All of them, with `between` between.
pub fn join(texts: &[String], between: &str) -> String {
    let mut joined = String::new();
    for (at, text) in texts.iter().enumerate() {
        joined.extend([if at == 0 { "" } else { between }, text]);
    }
    joined
}

/// Whether the one is somewhere in the other.
pub fn has(text: &str, wanted: &str) -> bool {
    find(text, wanted).is_some()
}

/// Whether they are the same but for the case of the letters A to Z.
pub fn is_alike(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
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
    fn joined_as_the_standard_library_does() {
        for texts in [&[][..], &[""], &["", "a", ""], &["a", "b c"]] {
            let texts: alloc::vec::Vec<String> = texts.iter().map(|text| (*text).into()).collect();
            assert_eq!(join(&texts, ", "), texts.join(", "));
        }
    }

    #[test]
    fn as_the_standard_library() {
        for text in ["", "a", "ab", "aab", "abab", "xéaéb", "é", "É", "A", "--a --b"] {
            for wanted in ["a", "ab", "é", "--", "abc", "b"] {
                assert_eq!(find(text, wanted), text.find(wanted));
                assert_eq!(is_alike(text, wanted), text.eq_ignore_ascii_case(wanted));
                assert_eq!(cut(text, wanted), text.split_once(wanted));
                assert_eq!(has(text, wanted), text.contains(wanted));
                assert_eq!(replace(text, wanted, "a-"), text.replace(wanted, "a-"));
            }
        }
    }
}
