//! [`IdHasher`]: a hasher for the ids of records, scopes and steps, which are hashes already.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Mixes two words of a BLAKE3 hash with two secret words of its owner, such as a store.
///
/// Somebody who chooses keys or scopes can search for ids whose first bits agree. Without the secrets, that does
/// not tell them which ids share a bucket.
#[derive(Clone, Debug)]
pub(crate) struct IdHasher {
    secrets: [u64; 2],
}

#[derive(Debug)]
pub(crate) struct Mixed {
    secrets: [u64; 2],
    hash: u64,
}

impl IdHasher {
    pub(crate) fn random() -> Self {
        let state = RandomState::new();
        Self { secrets: [state.hash_one(0_u8), state.hash_one(1_u8)] }
    }
}

/// With secrets of its own.
impl Default for IdHasher {
    fn default() -> Self {
        Self::random()
    }
}

impl BuildHasher for IdHasher {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed { secrets: self.secrets, hash: 0 }
    }
}

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        let left = word(bytes, 0) ^ self.secrets[0];
        let right = word(bytes, 8) ^ self.secrets[1];
        let product = u128::from(left) * u128::from(right);
        self.hash = (product as u64) ^ ((product >> 64) as u64);
    }

    /// Ignores the array's length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> impl Iterator<Item = [u8; 32]> {
        (0..4096_u32).map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    #[test]
    fn ids_spread_over_the_bits_that_choose_a_bucket_and_a_shard() {
        let hasher = IdHasher::random();
        for shift in [0, 32, 48, 57] {
            let mut counts = [0_u32; 64];
            ids().for_each(|id| counts[(hasher.hash_one(id) >> shift) as usize % 64] += 1);
            assert!(counts.iter().all(|&count| count < 128), "{shift}: {counts:?}");
        }
    }

    #[test]
    fn every_store_hashes_differently() {
        let (one, other) = (IdHasher::random(), IdHasher::random());
        let same = ids().filter(|id| one.hash_one(id) == other.hash_one(id));
        assert_eq!(same.count(), 0);
    }
}
