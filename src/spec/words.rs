//! Lists of words as one text with blanks between them: a table of them would be 16 bytes and a relocation for each.

/// The place of a word among these.
pub fn place(words: &str, wanted: &str) -> Option<usize> {
    words.split(' ').position(|word| word == wanted)
}

/// The word at a place among these, "" behind the last one.
pub fn at(words: &'static str, place: usize) -> &'static str {
    words.split(' ').nth(place).unwrap_or_default()
}

/// Whether it is one of these.
pub fn has(words: &str, wanted: &str) -> bool {
    place(words, wanted).is_some()
}
