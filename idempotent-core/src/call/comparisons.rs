//! Finds out, where a type is named, how its values can be compared.
//!
//! The attribute writes `.comparing(|results| results.compare_ok())`, where the types of the results
//! are known. The compiler looks for the method on each of three types in turn, through `Deref`: on
//! the first two it exists only if the type is `PartialEq`, or `Debug` as well. So nobody is asked for
//! a bound, and a type parameter without one is compared by its encoding.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Deref;

use super::bounds::Memoizable;
use crate::codec::Comparison;

/// The comparisons of a function's results.
pub type Results<T, E> = WithDebug<Result<T, E>>;

pub(super) const fn results<T, E>() -> Results<T, E> {
    WithDebug(WithEquality(ByEncoding(PhantomData)))
}

/// For types that are `PartialEq` and `Debug`.
#[derive(Debug)]
pub struct WithDebug<R>(WithEquality<R>);

/// For types that are `PartialEq`.
#[derive(Debug)]
pub struct WithEquality<R>(ByEncoding<R>);

/// For all others.
#[derive(Debug)]
pub struct ByEncoding<R>(PhantomData<fn() -> R>);

impl<T: Memoizable + PartialEq + Debug, E> WithDebug<Result<T, E>> {
    /// How to compare an `Ok`.
    #[must_use]
    pub fn compare_ok(&self) -> Option<Comparison<T>> {
        Some(Comparison::by_equality_and_debug())
    }
}

impl<T, E: Memoizable + PartialEq + Debug> WithDebug<Result<T, E>> {
    /// How to compare an `Err`.
    #[must_use]
    pub fn compare_err(&self) -> Option<Comparison<E>> {
        Some(Comparison::by_equality_and_debug())
    }
}

impl<T: Memoizable + PartialEq, E> WithEquality<Result<T, E>> {
    /// How to compare an `Ok`.
    #[must_use]
    pub fn compare_ok(&self) -> Option<Comparison<T>> {
        Some(Comparison::by_equality())
    }
}

impl<T, E: Memoizable + PartialEq> WithEquality<Result<T, E>> {
    /// How to compare an `Err`.
    #[must_use]
    pub fn compare_err(&self) -> Option<Comparison<E>> {
        Some(Comparison::by_equality())
    }
}

impl<T, E> ByEncoding<Result<T, E>> {
    /// `None`: an `Ok` is compared by its encoding.
    #[must_use]
    pub fn compare_ok(&self) -> Option<Comparison<T>> {
        None
    }

    /// `None`: an `Err` is compared by its encoding.
    #[must_use]
    pub fn compare_err(&self) -> Option<Comparison<E>> {
        None
    }
}

impl<R> Deref for WithDebug<R> {
    type Target = WithEquality<R>;

    fn deref(&self) -> &WithEquality<R> {
        &self.0
    }
}

impl<R> Deref for WithEquality<R> {
    type Target = ByEncoding<R>;

    fn deref(&self) -> &ByEncoding<R> {
        &self.0
    }
}
