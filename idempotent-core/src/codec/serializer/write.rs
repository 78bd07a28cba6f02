//! What serde asks of a [`Serializer`]: a value of each kind.

use rmp::encode;
use rmp_serde::encode::Error;
use serde::Serialize;
use serde::ser::SerializeSeq as _;

use super::compound::{Compound, Kind};
use super::output::{JSON_NUMBER, Purpose, Serializer};
use super::{extension, header};

/// The name under which `serde_json` presents JSON text.
const JSON_TEXT: &str = "$serde_json::private::RawValue";
/// The name of rmp-serde's own extension types.
const EXTENSION: &str = "_ExtStruct";

impl<'a, 'o> serde::Serializer for &'a mut Serializer<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a, 'o>;
    type SerializeTuple = Compound<'a, 'o>;
    type SerializeTupleStruct = Compound<'a, 'o>;
    type SerializeTupleVariant = Compound<'a, 'o>;
    type SerializeMap = Compound<'a, 'o>;
    type SerializeStruct = Compound<'a, 'o>;
    type SerializeStructVariant = Compound<'a, 'o>;

    fn is_human_readable(&self) -> bool {
        true
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.push(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        Ok(encode::write_sint(self.out, value).map(drop)?)
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.serialize_bytes(&value.to_be_bytes())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        header::unsigned(self.out, value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.serialize_bytes(&value.to_be_bytes())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        Ok(encode::write_f32(self.out, value)?)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        header::text(self.out, value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        header::count(value.len())?;
        Ok(encode::write_bin(self.out, value)?)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(encode::write_array_len(self.out, 0).map(drop)?)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let start = self.out.len();
        value.serialize(&mut *self)?;
        match name {
            EXTENSION => extension::rewrite(self.out, start),
            _ => Ok(()),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.ascend();
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Compound<'a, 'o>, Error> {
        match length {
            Some(length) => {
                self.array(length)?;
                Ok(Compound::new(self, Kind::Plain))
            }
            None => Compound::uncounted(self, Kind::UncountedArray),
        }
    }

    fn collect_seq<I>(self, items: I) -> Result<(), Error>
    where
        I: IntoIterator<Item: Serialize>,
    {
        let mut items = items.into_iter();
        let (least, most) = items.size_hint();
        if most != Some(least) {
            let mut compound = Compound::uncounted(self, Kind::UncountedArray)?;
            items.try_for_each(|item| compound.serialize_element(&item))?;
            return compound.end();
        }
        self.array(least)?;
        for item in items {
            item.serialize(&mut *self)?;
        }
        self.ascend();
        Ok(())
    }

    fn serialize_tuple(self, length: usize) -> Result<Compound<'a, 'o>, Error> {
        self.array(length)?;
        Ok(Compound::new(self, Kind::Plain))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Compound<'a, 'o>, Error> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'a, 'o>, Error> {
        self.variant(variant)?;
        self.array(length)?;
        Ok(Compound::new(self, Kind::Variant))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Compound<'a, 'o>, Error> {
        match length {
            Some(length) => {
                self.map(length)?;
                Ok(Compound::new(self, Kind::Plain))
            }
            None => Compound::uncounted(self, Kind::UncountedMap),
        }
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Compound<'a, 'o>, Error> {
        if name == JSON_NUMBER {
            self.descend()?;
            return Ok(Compound::new(self, Kind::JsonNumber));
        }
        if name == JSON_TEXT && self.purpose == Purpose::Result {
            return Err(Error::Syntax(
                "a RawValue of serde_json is only read back from JSON: use a Value or a String"
                    .into(),
            ));
        }
        self.map(length)?;
        Ok(Compound::new(self, Kind::Plain))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'a, 'o>, Error> {
        self.variant(variant)?;
        self.map(length)?;
        Ok(Compound::new(self, Kind::Variant))
    }
}
