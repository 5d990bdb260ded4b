//! Mistyped words, and the known ones that they probably mean.

use alloc::string::String;
use alloc::vec::Vec;

/// Longest word that is compared with others for "did you mean".
const NEAREST_CHARS_MAX: usize = 40;

/// The end of a sentence about a mistyped word: the known one that it most probably means, if there is one. At most two
/// edits away, one for a short word. It is shown between two texts.
pub fn did_you_mean(word: &str, among: &[&str], [before, after]: [&str; 2]) -> String {
    nearest(word, among).map_or(String::new(), |near| ["; did you mean ", before, near, after, "?"].concat())
}

fn nearest<'a>(word: &str, among: &[&'a str]) -> Option<&'a str> {
    let word = chars(word);
    let limit = match word.len() {
        0 | 1 => 0,
        2 | 3 => 1,
        _ => 2,
    };
    let mut best = None;
    for known in among {
        // Typing errors spare the first letter; another one is another word (pull is not kill).
        if known.chars().next() == word.first().copied() {
            let far = distance(&word, &chars(known));
            if far <= limit && best.is_none_or(|best| (far, *known) < best) {
                best = Some((far, *known));
            }
        }
    }
    best.map(|(_, known)| known)
}

fn chars(word: &str) -> Vec<char> {
    word.chars().take(NEAREST_CHARS_MAX).collect()
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(word: &[char], known: &[char]) -> usize {
    // The three last rows of the table, by turns.
    let mut rows = [[0; NEAREST_CHARS_MAX + 1]; 3];
    for i in 0..=word.len() {
        let (row, above, before) = (i % 3, (i + 2) % 3, (i + 1) % 3);
        for j in 0..=known.len() {
            let mut edits = i + j;
            if i > 0 && j > 0 {
                let other = usize::from(word[i - 1] != known[j - 1]);
                edits = (rows[above][j - 1] + other).min(rows[above][j] + 1).min(rows[row][j - 1] + 1);
                if i > 1 && j > 1 && word[i - 1] == known[j - 2] && word[i - 2] == known[j - 1] {
                    edits = edits.min(rows[before][j - 2] + 1);
                }
            }
            rows[row][j] = edits;
        }
    }
    rows[word.len() % 3][known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors() {
        let verbs = ["ps", "run", "rm", "inspect"];
        assert_eq!(nearest("rnu", &verbs), Some("run"));
        assert_eq!(nearest("insepct", &verbs), Some("inspect"));
        assert_eq!(nearest("x", &verbs), None);
        assert_eq!(did_you_mean("inspec", &verbs, ["'", "'"]), "; did you mean 'inspect'?");
    }
}
