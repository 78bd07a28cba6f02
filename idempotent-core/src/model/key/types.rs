//! The types that implement [`Key`].

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::decimal::Decimal;
use super::{Key, KeyParts};

impl Key for str {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self);
    }
}

impl Key for String {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self);
    }
}

impl Key for [u8] {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self);
    }
}

impl<const N: usize> Key for [u8; N] {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self);
    }
}

impl Key for Vec<u8> {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self);
    }
}

impl Key for char {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.encode_utf8(&mut [0; 4]));
    }
}

impl Key for bool {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(if *self { "true" } else { "false" });
    }
}

impl Key for fmt::Arguments<'_> {
    fn write(&self, parts: &mut KeyParts) {
        parts.push_display(self);
    }
}

macro_rules! displayed {
    ($($integer:ty)*) => {$(
        impl Key for $integer {
            fn write(&self, parts: &mut KeyParts) {
                parts.push_display(self);
            }
        }
    )*};
}

displayed!(u128 i128 std::num::NonZeroU128);

macro_rules! decimal {
    ($($make:ident($integer:ty as $widest:ty))*) => {$(
        impl Key for $integer {
            fn write(&self, parts: &mut KeyParts) {
                parts.push(Decimal::$make(*self as $widest).as_bytes());
            }
        }
    )*};
}

decimal!(unsigned(u8 as u64) unsigned(u16 as u64) unsigned(u32 as u64) unsigned(u64 as u64) unsigned(usize as u64));

decimal!(signed(i8 as i64) signed(i16 as i64) signed(i32 as i64) signed(i64 as i64) signed(isize as i64));

macro_rules! non_zero {
    ($($integer:ty)*) => {$(
        impl Key for $integer {
            fn write(&self, parts: &mut KeyParts) {
                self.get().write(parts);
            }
        }
    )*};
}

non_zero!(std::num::NonZeroU32 std::num::NonZeroU64);

#[cfg(feature = "uuid")]
impl Key for uuid::Uuid {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}

impl<K: Key> Key for Option<K> {
    const CHOSEN_BY_CLIENT: bool = K::CHOSEN_BY_CLIENT;
    const CHOSEN_BY_CLIENT_AS_SCOPE: bool = K::CHOSEN_BY_CLIENT_AS_SCOPE;

    fn write(&self, parts: &mut KeyParts) {
        match self {
            Some(key) => key.write(parts),
            None => parts.push_missing(),
        }
    }

    fn is_guessable(&self) -> bool {
        self.as_ref().is_some_and(K::is_guessable)
    }
}

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        impl<K: Key + ?Sized> Key for $pointer {
            const CHOSEN_BY_CLIENT: bool = K::CHOSEN_BY_CLIENT;
            const CHOSEN_BY_CLIENT_AS_SCOPE: bool = K::CHOSEN_BY_CLIENT_AS_SCOPE;

            fn write(&self, parts: &mut KeyParts) {
                (**self).write(parts);
            }

            fn is_guessable(&self) -> bool {
                (**self).is_guessable()
            }
        }
    )*};
}

pointers!(&K &mut K Box<K> Rc<K> Arc<K>);

impl<K: Key + ToOwned + ?Sized> Key for Cow<'_, K> {
    const CHOSEN_BY_CLIENT: bool = K::CHOSEN_BY_CLIENT;
    const CHOSEN_BY_CLIENT_AS_SCOPE: bool = K::CHOSEN_BY_CLIENT_AS_SCOPE;

    fn write(&self, parts: &mut KeyParts) {
        (**self).write(parts);
    }

    fn is_guessable(&self) -> bool {
        (**self).is_guessable()
    }
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*)?) => {$(
        impl<$first: Key, $($rest: Key),*> Key for ($first, $($rest,)*) {
            const CHOSEN_BY_CLIENT: bool = $first::CHOSEN_BY_CLIENT $(|| $rest::CHOSEN_BY_CLIENT)*;
            const CHOSEN_BY_CLIENT_AS_SCOPE: bool =
                $first::CHOSEN_BY_CLIENT_AS_SCOPE $(|| $rest::CHOSEN_BY_CLIENT_AS_SCOPE)*;

            #[allow(non_snake_case)]
            fn write(&self, parts: &mut KeyParts) {
                let ($first, $($rest,)*) = self;
                $first.write(parts);
                $($rest.write(parts);)*
            }

            #[allow(non_snake_case)]
            fn is_guessable(&self) -> bool {
                let ($first, $($rest,)*) = self;
                $first.is_guessable() $(|| $rest.is_guessable())*
            }
        }
        tuples!($($rest)*);
    )?};
}

tuples!(A B C D E F G H I J K L);
