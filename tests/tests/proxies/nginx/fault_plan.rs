//! Which order is to meet which fault, drawn from a seed.

use crate::fault::Fault;

/// Random numbers from a seed, by `SplitMix64`.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A fault for a tenth of all orders. `patience` is nginx's, in milliseconds: stalls are longer.
    pub(crate) fn fault(&mut self, patience: u64) -> Fault {
        match self.next() % 200 {
            0..12 => Fault::Stall(patience + 100 + self.next() % patience),
            12..16 => Fault::KillBefore,
            16..20 => Fault::KillAfter,
            _ => Fault::None,
        }
    }
}
