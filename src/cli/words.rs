//! Names for containers that were given none.

use alloc::format;
use alloc::string::String;

const ADJECTIVES: &str = "airy amber ample autumn balmy breezy bright brisk calm candid cedar chatty cheery copper coral cosy crisp dapper \
    dawn dewy early easy evening fair fleet fresh frosty gilded glad golden green hardy hazel humble ivory jaunty \
    lively lucid lunar mellow merry misty nimble noble opal patient placid plucky polite quick quiet ready rosy \
    ruddy rustic sandy silver snowy solar spry steady sturdy sunny tidy velvet warm woody";

const NOUNS: &str = "archer baker barker bowyer brewer brooks butler carter chandler clarke collier cooper cutler dyer farmer fielder \
    fisher fletcher forester fowler fuller gardener glover granger harper hayward hunter joiner keeler marsh mason \
    meadows mercer miller naylor packer palmer parker piper plowman porter potter reeve rivers roper saddler sawyer \
    shepherd skinner slater spicer stoker tanner thatcher tiller turner tyler waller warden weaver webster wheeler \
    woods";

/// `adjective_noun`, chosen by the first four random bytes (missing ones count as zero).
pub fn name(random: &[u8]) -> String {
    let pick = |words: &'static str, at: usize| {
        let [high, low] = [at, at + 1].map(|index| usize::from(random.get(index).copied().unwrap_or(0)));
        words.split(' ').nth((high << 8 | low) % words.split(' ').count()).unwrap_or_default()
    };
    format!("{}_{}", pick(ADJECTIVES, 0), pick(NOUNS, 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn lists_and_names() {
        for list in [ADJECTIVES, NOUNS] {
            let list: Vec<&str> = list.split(' ').collect();
            assert!(list.len() >= 60 && list.is_sorted_by(|a, b| a < b), "sorted, each word once");
            assert!(list.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
        }
        assert_eq!(name(&[]), "airy_archer");
        assert_eq!(name(&[0, 1, 0, 2, 9]), "amber_barker");
    }
}
