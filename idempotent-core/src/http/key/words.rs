//! Which letters of a key belong to words, judging by the pairs of letters that English prefers.
//!
//! No list of words: names of products, people and months are as telling. A pair says how much more likely it
//! is in a word than among random letters. Random letters rarely look like words for long: that they do by
//! `n` bits happens once in `2ⁿ` times.

use std::ops::Range;

/// How much more likely a pair of letters is in a word than at random, in half bits: a row for each first
/// letter, a column for each second one. `i` is none, `a` four bits less, `p` three and a half more.
#[rustfmt::skip]
const PAIRS: [[u8; 26]; 26] = [
    *b"bikiadhaiafljlaialkmgfddga",
    *b"lfhflecalhbneekeajjflbaahc",
    *b"lahdlcaliakjebndaigliaaaea",
    *b"keehoffandbhdekdahjejdaafa",
    *b"jdjlghfadaajhlchemmjbgeida",
    *b"keffllcanaajdembakhikabaga",
    *b"jcedobhjlaaigjjdalkfjcaacc",
    *b"nbaeoaaamabgeemcaigjhaaaga",
    *b"hhkiihhaaacjiokhaikkahaeag",
    *b"mdghmhbdjggbefmfbekbnehbeb",
    *b"jcchpehbmeciahhfaelhhahaea",
    *b"lcdhndbanaclbdleabihhdaaka",
    *b"micfnbbalacfhbkmaaifiaaaca",
    *b"kbkllhmcjafebgieaclmgfaada",
    *b"fhjjcfgagagjknhjamjijgidaa",
    *b"mbeemcchjadlbcljamhkiaaaha",
    *b"edafdadaeaalggfaafjepeeaaa",
    *b"ldhhoegalafgiglfahkjgfbaha",
    *b"iajdmecjlafhfdijddknjbeaga",
    *b"lcgdneajnaagdckealjhhbcaia",
    *b"ijifiggaiaakjmfjalllaaabaa",
    *b"maeapccamaaaecjbacadaaaaca",
    *b"nacgmdbkmaegbklcbkjebbfaaa",
    *b"ifkglgaglaaghfhmbegnfcahfa",
    *b"hgiejfgfjaakjkjnaglkcfgcce",
    *b"kcaapcadmadegdidafeffacafh",
];

/// The least that a word says for itself, and all words of a key together, in half bits.
const WORD: i32 = 4;
const KEY: i32 = 28;

/// Marks the letters of words, all but the first letter of each, if there are enough of them that chance did
/// not put them there. `places` has the place among the marks of each byte of the key that counts.
pub(super) fn mark(key: &[u8], places: &[Option<u16>], marks: &mut [bool]) {
    let likely = || words(key).filter(|(_, score)| *score >= WORD);
    if likely().map(|(_, score)| score).sum::<i32>() < KEY {
        return;
    }
    for (range, _) in likely() {
        for place in places[range].iter().skip(1).flatten() {
            marks[usize::from(*place)] = true;
        }
    }
}

/// Runs of at least three letters with their scores. A capital begins a new one, as in `CreateInvoice`.
fn words(key: &[u8]) -> impl Iterator<Item = (Range<usize>, i32)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < key.len() {
            let start = at;
            let letters = |from: usize, is_one: fn(&u8) -> bool| {
                from + key[from..].iter().take_while(|byte| is_one(byte)).count()
            };
            at = letters(start, u8::is_ascii_uppercase);
            if at - start <= 1 {
                at = letters(at, u8::is_ascii_lowercase);
            }
            if at - start >= 3 {
                return Some((start..at, score(&key[start..at])));
            }
            at = at.max(start + 1);
        }
        None
    })
}

fn score(letters: &[u8]) -> i32 {
    let index = |letter: u8| usize::from(letter.to_ascii_lowercase() - b'a');
    let pairs = letters.windows(2).map(|pair| PAIRS[index(pair[0])][index(pair[1])]);
    pairs.map(|half_bits| i32::from(half_bits) - i32::from(b'i')).sum()
}
