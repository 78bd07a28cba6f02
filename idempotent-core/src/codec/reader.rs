//! [`Reader`]: walks through MessagePack, item by item.

use rmp::Marker;

/// MessagePack that has not been read yet.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// One item: a scalar, or the start of an array or a map, whose items follow.
pub(super) enum Item<'a> {
    Array(usize),
    Map(usize),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    /// A tag, and bytes.
    Extension(&'a [u8]),
    /// In both widths.
    Float(f64),
    /// Integers, booleans and nil: the first byte, and the rest. The encoder has one form for each
    /// value.
    Scalar(u8, &'a [u8]),
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Reads a length of one, two or four bytes.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.take(bytes)?;
        Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
    }

    /// Reads the next item. `None` if the input ends before it, or within it.
    pub(super) fn next(&mut self) -> Option<Item<'a>> {
        let [byte] = self.array()?;
        Some(match Marker::from_u8(byte) {
            Marker::FixArray(length) => Item::Array(usize::from(length)),
            Marker::Array16 => Item::Array(self.length(2)?),
            Marker::Array32 => Item::Array(self.length(4)?),
            Marker::FixMap(length) => Item::Map(usize::from(length)),
            Marker::Map16 => Item::Map(self.length(2)?),
            Marker::Map32 => Item::Map(self.length(4)?),
            Marker::FixStr(length) => Item::Text(self.take(usize::from(length))?),
            Marker::Str8 => Item::Text(self.blob(1)?),
            Marker::Str16 => Item::Text(self.blob(2)?),
            Marker::Str32 => Item::Text(self.blob(4)?),
            Marker::Bin8 => Item::Binary(self.blob(1)?),
            Marker::Bin16 => Item::Binary(self.blob(2)?),
            Marker::Bin32 => Item::Binary(self.blob(4)?),
            Marker::F32 => Item::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Item::Float(f64::from_be_bytes(self.array()?)),
            Marker::Ext8 => Item::Extension(self.extension(1)?),
            Marker::Ext16 => Item::Extension(self.extension(2)?),
            Marker::Ext32 => Item::Extension(self.extension(4)?),
            marker => Item::Scalar(byte, self.take(rest_of(marker))?),
        })
    }

    fn blob(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.length(length_bytes)?;
        self.take(length)
    }

    fn extension(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.length(length_bytes)?;
        self.take(length + 1)
    }
}

/// How many bytes follow the first one.
fn rest_of(marker: Marker) -> usize {
    match marker {
        Marker::U8 | Marker::I8 => 1,
        Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
        Marker::FixExt2 => 3,
        Marker::U32 | Marker::I32 => 4,
        Marker::FixExt4 => 5,
        Marker::U64 | Marker::I64 => 8,
        Marker::FixExt8 => 9,
        Marker::FixExt16 => 17,
        _ => 0,
    }
}
