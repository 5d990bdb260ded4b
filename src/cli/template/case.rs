//! Upper and lower case, letter by letter as Go has it. The standard library's tables take 25 KB for what can be said in one.

use alloc::string::String;

/// Three characters each: the first and the last of a run in upper case, and the first in lower case. Where the one is
/// right behind the other, the two take turns.
const RUNS: &str = "\
    AZaÀÖàØÞøĀĮāİİiĲĶĳĹŇĺŊŶŋŸŸÿŹŽźƁƁɓƂƄƃƆƆɔƇƇƈƉƊɖƋƋƌƎƎǝƏƏəƐƐɛƑƑƒƓƓɠƔƔɣƖƖɩƗƗɨƘƘƙƜƜɯƝƝɲƟƟɵƠƤơƦƦʀƧƧƨƩƩʃƬƬƭƮƮʈƯƯư\
    ƱƲʊƳƵƴƷƷʒƸƸƹƼƼƽǄǄǆǅǅǆǇǇǉǈǈǉǊǊǌǋǛǌǞǮǟǱǱǳǲǴǳǶǶƕǷǷƿǸȞǹȠȠƞȢȲȣȺȺⱥȻȻȼȽȽƚȾȾⱦɁɁɂɃɃƀɄɄʉɅɅʌɆɎɇͰͲͱͶͶͷͿͿϳΆΆάΈΊέΌΌόΎΏύ\
    ΑΡαΣΫσϏϏϗϘϮϙϴϴθϷϷϸϹϹϲϺϺϻϽϿͻЀЏѐАЯаѠҀѡҊҾҋӀӀӏӁӍӂӐԮӑԱՖաႠჅⴀჇჇⴧჍჍⴭᎠᏯꭰᏰᏵᏸ\u{1c89}\u{1c89}\u{1c8a}ᲐᲺაᲽᲿჽḀẔḁẞẞßẠỾạ\
    ἈἏἀἘἝἐἨἯἠἸἿἰὈὍὀὙὙὑὛὛὓὝὝὕὟὟὗὨὯὠᾈᾏᾀᾘᾟᾐᾨᾯᾠᾸᾹᾰᾺ\u{1fbb}ὰᾼᾼᾳῈ\u{1fcb}ὲῌῌῃῘῙῐῚ\u{1fdb}ὶῨῩῠῪ\u{1feb}ὺῬῬῥ\
    Ὸ\u{1ff9}ὸῺ\u{1ffb}ὼῼῼῳ\u{2126}\u{2126}ω\u{212a}\u{212a}k\u{212b}\u{212b}åℲℲⅎⅠⅯⅰↃↃↄⒶⓏⓐⰀⰯⰰⱠⱠⱡⱢⱢɫⱣⱣᵽⱤⱤɽⱧⱫⱨ\
    ⱭⱭɑⱮⱮɱⱯⱯɐⱰⱰɒⱲⱲⱳⱵⱵⱶⱾⱿȿⲀⳢⲁⳫⳭⳬⳲⳲⳳꙀꙬꙁꚀꚚꚁꜢꜮꜣꜲꝮꜳꝹꝻꝺꝽꝽᵹꝾꞆꝿꞋꞋꞌꞍꞍɥꞐꞒꞑꞖꞨꞗꞪꞪɦꞫꞫɜꞬꞬɡꞭꞭɬꞮꞮɪꞰꞰʞꞱꞱʇꞲꞲʝꞳꞳꭓꞴꟂꞵꟄꟄꞔꟅꟅʂꟆꟆᶎꟇꟉꟈ\
    \u{a7cb}\u{a7cb}ɤ\u{a7cc}\u{a7da}\u{a7cd}\u{a7dc}\u{a7dc}ƛꟵꟵꟶＡＺａ𐐀𐐧𐐨𐒰𐓓𐓘𐕰𐕺𐖗𐕼𐖊𐖣𐖌𐖒𐖳𐖔𐖕𐖻𐲀𐲲𐳀\
    \u{10d50}\u{10d65}\u{10d70}𑢠𑢿𑣀𖹀𖹟𖹠\u{16ea0}\u{16eb8}\u{16ebb}𞤀𞤡𞤢";
/// Small letters whose capital is another letter's too, each with that one. ß has none.
const OTHERS: &str = "ßßµΜıIſSǅǄǈǇǋǊǲǱ\u{345}ΙςΣϐΒϑΘϕΦϖΠϰΚϱΡϵΕᲀВᲁДᲂОᲃСᲄТᲅТᲆЪᲇѢᲈꙊẛṠ\u{1fbe}Ι";

/// The text in upper case, or in lower case.
pub fn convert(text: &str, to_upper: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        out.push(if to_upper { upper(char) } else { of_runs(char, false) });
    }
    out
}

/// The capital of a letter; anything else as it is.
pub fn upper(char: char) -> char {
    let mut others = OTHERS.chars();
    while let (Some(small), Some(capital)) = (others.next(), others.next()) {
        if small == char {
            return capital;
        }
    }
    of_runs(char, true)
}

fn of_runs(char: char, to_upper: bool) -> char {
    let mut runs = RUNS.chars();
    while let (Some(first), Some(last), Some(small)) = (runs.next(), runs.next(), runs.next()) {
        let (from, to) = if to_upper { (small, first) } else { (first, small) };
        let at = (char as u32).wrapping_sub(from as u32);
        let takes_turns = small as u32 == first as u32 + 1;
        if at <= last as u32 - first as u32 && !(takes_turns && at % 2 == 1) {
            return char::from_u32(to as u32 + at).unwrap_or(char);
        }
    }
    char
}

/// Whether words have it: a letter or a digit. Of what is not ASCII only the blocks of signs are told apart: a table of all
/// letters is 3 KB.
pub fn is_in_word(char: char) -> bool {
    match char {
        '\0'..='\x7f' => char.is_ascii_alphanumeric(),
        '\u{80}'..='\u{bf}' => matches!(char, 'ª' | 'µ' | 'º'),
        '×' | '÷' | '\u{3000}'..='\u{3004}' | '\u{3008}'..='\u{3020}' | '\u{ff00}'..='\u{ff0f}' => false,
        _ => !matches!(char, '\u{2000}'..='\u{2bff}' | '\u{e000}'..='\u{f8ff}' | '\u{1f000}'..='\u{1faff}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard library gives, if it is one character.
    fn one(mut chars: impl Iterator<Item = char>) -> Option<char> {
        chars.next().filter(|_| chars.next().is_none())
    }

    #[test]
    fn letters_are_in_words() {
        for char in
            ['À'..'\u{250}', '\u{370}'..'\u{375}', 'Ά'..'\u{3ff}', 'А'..'\u{482}', '一'..'\u{9fff}', '가'..'\u{d7a4}']
        {
            for char in char.filter(|char| !matches!(char, '\u{387}' | '\u{3f6}' | '\u{38b}' | '\u{38d}' | '\u{3a2}')) {
                assert_eq!(is_in_word(char), char.is_alphanumeric(), "{char:?}");
            }
        }
        for char in ('\0'..='\u{bf}').chain("—“”…€√→│☃、「」／😀 ".chars()) {
            assert_eq!(
                is_in_word(char),
                char.is_alphanumeric() && !matches!(char, '²' | '³' | '¹' | '¼'..='¾'),
                "{char:?}"
            );
        }
    }

    #[test]
    fn as_the_standard_library() {
        let has_two = |char: &char| one(char.to_lowercase()) != Some(*char) || one(char.to_uppercase()) != Some(*char);
        for letter in ('\0'..'\u{20000}').filter(has_two) {
            // Its neighbours, too: no run is too long.
            for char in [letter as u32 - 1, letter as u32, letter as u32 + 1].into_iter().filter_map(char::from_u32) {
                assert_eq!(of_runs(char, false), one(char.to_lowercase()).unwrap_or('i'), "{char:?}");
                match one(char.to_uppercase()) {
                    Some(wanted) => assert_eq!(upper(char), wanted, "{char:?}"),
                    // Go has no longer texts for a letter; it has the Greek ones whose iota stands beside.
                    None => assert!([0, 8, 9].contains(&(upper(char) as u32 - char as u32)), "{char:?}"),
                }
            }
        }
        assert_eq!((convert("aß-ﬁ ǆᾳ", true), convert("ÀΣK\u{130}", false)), ("Aß-ﬁ Ǆᾼ".into(), "àσki".into()));
    }
}
