//! The types that implement [`Key`].

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

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

displayed!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

displayed!(std::num::NonZeroU32 std::num::NonZeroU64 std::num::NonZeroU128);

#[cfg(feature = "uuid")]
impl Key for uuid::Uuid {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}

impl<K: Key> Key for Option<K> {
    const CHOSEN_BY_CLIENT: bool = K::CHOSEN_BY_CLIENT;

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
