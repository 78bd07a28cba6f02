//! Which characters of a key repeat others, or count on from them.

/// How many characters are a repetition.
const REPEATED: usize = 4;

/// How far back a repetition is looked for.
const FAR: usize = 256;

/// Marks characters in runs of at least three, such as `aaa`, `123` and `fed`, all but the first one, and
/// those that were there before in the same order.
pub(super) fn mark(characters: &[u8], marks: &mut [bool]) {
    for (at, three) in characters.windows(3).enumerate() {
        let step = |one, other| ordinal(other) - ordinal(one);
        let (first, second) = (step(three[0], three[1]), step(three[1], three[2]));
        if first == second && (-1..=1).contains(&first) {
            marks[at + 1] = true;
            marks[at + 2] = true;
        }
    }
    // Most keys repeat nothing: a bit for each hash of what was seen says so.
    let mut seen = [0_u64; 16];
    for (at, repeated) in characters.windows(REPEATED).enumerate() {
        let hash = repeated
            .iter()
            .fold(0_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let (word, bit) = ((hash >> 16) as usize % seen.len(), (hash >> 24) % 64);
        let is_new = seen[word] & (1 << bit) == 0;
        seen[word] |= 1 << bit;
        let before = &characters[at.saturating_sub(FAR)..at + REPEATED - 1];
        if !is_new && before.windows(REPEATED).any(|earlier| earlier == repeated) {
            marks[at..at + REPEATED].fill(true);
        }
    }
}

/// Characters in the order in which people and programs count, in either case.
fn ordinal(character: u8) -> i32 {
    i32::from(match character {
        b'a'..=b'z' => character - b'a' + b'9' + 1,
        b'A'..=b'Z' => character - b'A' + b'9' + 1,
        // Not next to the digits and letters.
        _ if !character.is_ascii_digit() => character | 0x80,
        _ => character,
    })
}
