//! An aggregator's state as bytes, so that a replay can go on from the middle of a recording.
//!
//! Integers are LEB128 varints, so small ones take a byte; floats are their bits, so that nothing is rounded; structures
//! are their fields one after the other. The bytes name nothing and have no versions: whoever keeps them must keep
//! with them which build wrote them. Reading is safe on any bytes: what makes no sense gives `None`, and no more room is
//! asked for than there are bytes.

mod events;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Goes into bytes and comes back.
pub(crate) trait Pack: Sized {
    fn pack(&self, out: &mut Vec<u8>);
    /// `None` if the bytes are not what [`Pack::pack`] gives.
    fn unpack(from: &mut &[u8]) -> Option<Self>;
}

/// A structure is the fields named here, in this order; those behind `;` start afresh.
macro_rules! pack {
    ($name:ident { $($field:ident),* $(,)? $(; $fresh:ident: $value:expr)* }) => {
        impl $crate::metrics::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                $($crate::metrics::pack::Pack::pack(&self.$field, out);)*
            }
            fn unpack(from: &mut &[u8]) -> Option<Self> {
                Some(Self {
                    $($field: $crate::metrics::pack::Pack::unpack(from)?,)*
                    $($fresh: $value,)*
                })
            }
        }
    };
}
pub(crate) use pack;

/// An enum without fields is its number in this list.
macro_rules! pack_enum {
    ($name:ident { $($variant:ident),* $(,)? }) => {
        impl $crate::metrics::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            fn unpack(from: &mut &[u8]) -> Option<Self> {
                let number = $crate::metrics::pack::byte(from)?;
                $(if number == Self::$variant as u8 {
                    return Some(Self::$variant);
                })*
                None
            }
        }
    };
}
pub(crate) use pack_enum;

pub(crate) fn byte(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

fn bytes<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

impl Pack for u64 {
    #[inline]
    fn pack(&self, out: &mut Vec<u8>) {
        let mut left = *self;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }

    #[inline]
    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let next = byte(from)?;
            value |= u64::from(next & 0x7F) << shift;
            if next < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl Pack for u32 {
    fn pack(&self, out: &mut Vec<u8>) {
        u64::from(*self).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        u64::unpack(from)?.try_into().ok()
    }
}

impl Pack for u16 {
    fn pack(&self, out: &mut Vec<u8>) {
        u64::from(*self).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        u64::unpack(from)?.try_into().ok()
    }
}

impl Pack for usize {
    fn pack(&self, out: &mut Vec<u8>) {
        (*self as u64).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        u64::unpack(from)?.try_into().ok()
    }
}

impl Pack for u128 {
    fn pack(&self, out: &mut Vec<u8>) {
        ((*self >> 64) as u64).pack(out);
        (*self as u64).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(u128::from(u64::unpack(from)?) << 64 | u128::from(u64::unpack(from)?))
    }
}

impl Pack for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(byte(from)? != 0)
    }
}

impl Pack for f64 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(Self::from_le_bytes(bytes(from, 8)?.try_into().ok()?))
    }
}

impl Pack for f32 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(Self::from_le_bytes(bytes(from, 4)?.try_into().ok()?))
    }
}

impl Pack for String {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let length = usize::unpack(from)?;
        Some(std::str::from_utf8(bytes(from, length)?).ok()?.to_owned())
    }
}

impl Pack for Box<str> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        String::unpack(from).map(String::into_boxed_str)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.is_some().pack(out);
        if let Some(value) = self {
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::unpack(from)? { Some(T::unpack(from)?) } else { None })
    }
}

impl<T: Pack> Pack for Arc<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        T::unpack(from).map(Arc::new)
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        T::unpack(from).map(Box::new)
    }
}

impl<T: Pack, const N: usize> Pack for [T; N] {
    fn pack(&self, out: &mut Vec<u8>) {
        for value in self {
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let values: Option<Vec<T>> = (0..N).map(|_| T::unpack(from)).collect();
        values?.try_into().ok()
    }
}

/// How many values follow. Each takes a byte at least, so more than there are bytes is nonsense.
fn count(from: &mut &[u8]) -> Option<usize> {
    usize::unpack(from).filter(|n| *n <= from.len())
}

/// Lists of all kinds: how many, then each.
macro_rules! pack_list {
    ($name:ident [$($bound:tt)*]) => {
        impl<T: Pack $($bound)*> Pack for $name<T> {
            fn pack(&self, out: &mut Vec<u8>) {
                self.len().pack(out);
                for value in self {
                    value.pack(out);
                }
            }
            fn unpack(from: &mut &[u8]) -> Option<Self> {
                let n = count(from)?;
                (0..n).map(|_| T::unpack(from)).collect()
            }
        }
    };
}
pack_list!(Vec []);
pack_list!(VecDeque []);
pack_list!(BTreeSet [+ Ord]);

impl<K: Pack + Ord, V: Pack> Pack for BTreeMap<K, V> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        for (key, value) in self {
            key.pack(out);
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let n = count(from)?;
        (0..n).map(|_| <(K, V)>::unpack(from)).collect()
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?))
    }
}

impl<A: Pack, B: Pack, C: Pack> Pack for (A, B, C) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
        self.2.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?, C::unpack(from)?))
    }
}

/// Ascending times as their differences.
pub(crate) fn pack_ascending(times: &[u64], out: &mut Vec<u8>) {
    // Whole microseconds, as all times of our recordings are, take a byte or two less.
    let unit = if times.is_sorted() && times.iter().all(|time| time % 1000 == 0) { 1000 } else { 1 };
    (times.len(), unit).pack(out);
    let mut before = 0;
    for time in times {
        (time.wrapping_sub(before) / unit).pack(out);
        before = *time;
    }
}

/// Back from [`pack_ascending`].
pub(crate) fn unpack_ascending(from: &mut &[u8]) -> Option<Vec<u64>> {
    let (n, unit) = <(usize, u64)>::unpack(from).filter(|(n, _)| *n <= from.len())?;
    let mut at = 0_u64;
    let next = |_| {
        at = at.wrapping_add(u64::unpack(from)?.wrapping_mul(unit));
        Some(at)
    };
    (0..n).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_nothing_is_left() {
        let value = (u64::MAX, (0.1_f64, f64::INFINITY), vec![Some("ä".to_owned()), None]);
        let mut out = Vec::new();
        value.pack(&mut out);
        u128::MAX.pack(&mut out);
        let mut from = &out[..];
        assert_eq!(Pack::unpack(&mut from), Some(value));
        assert_eq!(u128::unpack(&mut from), Some(u128::MAX));
        assert!(from.is_empty());
    }

    #[test]
    fn times_come_back_whether_whole_microseconds_or_not() {
        for times in [vec![5, 1_005, 7_000_006, 1 << 62, u64::MAX], vec![1_000, 5_000, 5_000], vec![]] {
            let mut out = Vec::new();
            pack_ascending(&times, &mut out);
            assert_eq!(unpack_ascending(&mut &out[..]), Some(times));
        }
    }

    #[test]
    fn nonsense_gives_nothing_and_asks_for_no_room() {
        assert_eq!(Vec::<u64>::unpack(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1][..]), None);
        assert_eq!(u64::unpack(&mut &[0xFF; 12][..]), None);
        assert_eq!(String::unpack(&mut &[2, 0xFF, 0xFE][..]), None);
        assert_eq!(u32::unpack(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F][..]), None);
    }
}
