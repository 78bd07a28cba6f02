//! [`Known`]: which states were reached, found by their words.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// The numbers of the states, found by the states themselves, which somebody else keeps.
#[derive(Default)]
pub(super) struct Known {
    table: HashTable<u32>,
}

impl Known {
    /// Adds the number that a new state gets as the next one; tells whether it is new.
    pub(super) fn insert<P: Eq + AsRef<[u64]>>(&mut self, states: &[P], state: &P) -> bool {
        let Ok(number) = u32::try_from(states.len()) else { return false };
        let is_same = |at: &u32| states[*at as usize] == *state;
        match self.table.entry(hash(state), is_same, |at| hash(&states[*at as usize])) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(number);
                true
            }
        }
    }

    /// The number of a state.
    pub(super) fn find<P: Eq + AsRef<[u64]>>(&self, states: &[P], state: &P) -> Option<usize> {
        let found = self.table.find(hash(state), |at| states[*at as usize] == *state);
        found.map(|at| *at as usize)
    }
}

/// A multiplication for each word, both halves of the product folded into one. Nobody chooses states
/// to collide, so it needs no key.
fn hash(state: &impl AsRef<[u64]>) -> u64 {
    state.as_ref().iter().fold(0x9e37_79b9_7f4a_7c15, |hash, word| {
        let product = u128::from(hash ^ word) * 0xd6e8_feb8_6659_fd93;
        (product >> 64) as u64 ^ product as u64
    })
}
