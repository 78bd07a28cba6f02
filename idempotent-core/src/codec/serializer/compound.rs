//! [`Compound`]: an array or a map that is being written.

use rmp::encode;
use rmp_serde::encode::Error;
use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::header;
use super::output::Serializer;

/// What is being written.
pub(super) enum Kind {
    /// Its length is already written.
    Plain,
    /// The same, inside the map of a variant.
    Variant,
    UncountedArray,
    UncountedMap,
    /// A number of `serde_json`, whose only field is its text.
    JsonNumber,
}

/// An array or a map between its start and its end.
pub(crate) struct Compound<'a, 'o> {
    serializer: &'a mut Serializer<'o>,
    kind: Kind,
    /// Where it starts, unless its length is already written.
    start: usize,
    /// How many items were written, names and values each counted.
    items: usize,
}

/// The length of a header that stands in for one whose length is not known yet: that of an array
/// or a map with the most items. Until then, what is written is unfinished, never malformed.
const PLACEHOLDER: usize = 5;

impl<'a, 'o> Compound<'a, 'o> {
    pub(super) fn new(serializer: &'a mut Serializer<'o>, kind: Kind) -> Self {
        let start = serializer.out.len();
        Self { serializer, kind, start, items: 0 }
    }

    /// Starts an array or a map that learns its length at its end.
    pub(super) fn uncounted(serializer: &'a mut Serializer<'o>, kind: Kind) -> Result<Self, Error> {
        serializer.descend()?;
        let compound = Self::new(serializer, kind);
        let out = &mut *compound.serializer.out;
        match compound.kind {
            Kind::UncountedMap => encode::write_map_len(out, u32::MAX)?,
            _ => encode::write_array_len(out, u32::MAX)?,
        };
        Ok(compound)
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.items += 1;
        value.serialize(&mut *self.serializer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        if !matches!(self.kind, Kind::JsonNumber) {
            header::text(self.serializer.out, name)?;
        }
        value.serialize(&mut *self.serializer)
    }

    #[inline]
    fn finish(self) -> Result<(), Error> {
        self.serializer.ascend();
        if matches!(self.kind, Kind::Plain) { Ok(()) } else { self.finish_header() }
    }

    /// Ends what is more than a header and its items.
    fn finish_header(self) -> Result<(), Error> {
        let Self { serializer, kind, start, items } = self;
        match kind {
            Kind::Plain => {}
            Kind::Variant => serializer.ascend(),
            Kind::UncountedArray => {
                let mut counted = Vec::with_capacity(PLACEHOLDER);
                header::array(&mut counted, items)?;
                serializer.out.splice(start..start + PLACEHOLDER, counted);
            }
            Kind::UncountedMap => {
                let mut counted = Vec::with_capacity(PLACEHOLDER);
                header::map(&mut counted, items / 2)?;
                serializer.out.splice(start..start + PLACEHOLDER, counted);
            }
            Kind::JsonNumber => serializer.json_number(start)?,
        }
        Ok(())
    }
}

impl SerializeSeq for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeTuple for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeTupleStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeTupleVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
