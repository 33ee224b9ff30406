//! Was this binary built for this CPU? It is built with `target-cpu=native`, so that the engine is fast; on
//! another CPU it would die of an illegal instruction. This room is asked first, and says so instead.
//!
//! The standard `is_x86_feature_detected!` is of no use here: for a feature that the build assumes it answers
//! `true` without looking. So CPUID is read directly, in plain integer code without loops or tables: this
//! function is itself compiled for the build's CPU, and must not give the compiler an occasion to use it. That is
//! what `black_box` is for: without it the checks are merged into vector instructions.

/// The first few CPU features that the build assumes and this CPU lacks, as bits of [`NAMES`]; 0 if it has all.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
pub fn missing() -> u32 {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::hint::black_box;

    macro_rules! check {
        ($missing:ident, $($feature:literal: $register:expr, $bit:literal => $name:literal;)*) => {
            $(if cfg!(target_feature = $feature) && (black_box($register) >> $bit) & 1 == 0 {
                $missing = black_box($missing | 1 << $name);
            })*
        };
    }
    let most = __cpuid(0).eax;
    let one = __cpuid(1);
    let (seven, more) = if most >= 7 {
        let leaf = __cpuid_count(7, 0);
        (leaf.ebx, leaf.ecx)
    } else {
        (0, 0)
    };
    let mut missing = 0_u32;
    check! { missing,
        "sse3": one.ecx, 0 => 0; "ssse3": one.ecx, 9 => 1; "sse4.1": one.ecx, 19 => 2;
        "sse4.2": one.ecx, 20 => 3; "popcnt": one.ecx, 23 => 4; "avx": one.ecx, 28 => 5;
        "fma": one.ecx, 12 => 6; "f16c": one.ecx, 29 => 7; "movbe": one.ecx, 22 => 8;
        "avx2": seven, 5 => 9; "bmi1": seven, 3 => 10; "bmi2": seven, 8 => 11;
        "adx": seven, 19 => 12; "sha": seven, 29 => 13;
        "avx512f": seven, 16 => 14; "avx512dq": seven, 17 => 15; "avx512ifma": seven, 21 => 16;
        "avx512cd": seven, 28 => 17; "avx512bw": seven, 30 => 18; "avx512vl": seven, 31 => 19;
        "avx512vbmi": more, 1 => 20; "avx512vbmi2": more, 6 => 21; "gfni": more, 8 => 22;
        "vaes": more, 9 => 23; "vpclmulqdq": more, 10 => 24; "avx512vnni": more, 11 => 25;
        "avx512bitalg": more, 12 => 26; "avx512vpopcntdq": more, 14 => 27;
    }
    missing
}

/// On other architectures the baseline is what is built for, or the system refuses the binary itself.
#[cfg(not(target_arch = "x86_64"))]
pub fn missing() -> u32 {
    0
}

/// Names of the bits of [`missing`].
const NAMES: [&str; 28] = [
    "sse3",
    "ssse3",
    "sse4.1",
    "sse4.2",
    "popcnt",
    "avx",
    "fma",
    "f16c",
    "movbe",
    "avx2",
    "bmi1",
    "bmi2",
    "adx",
    "sha",
    "avx512f",
    "avx512dq",
    "avx512ifma",
    "avx512cd",
    "avx512bw",
    "avx512vl",
    "avx512vbmi",
    "avx512vbmi2",
    "gfni",
    "vaes",
    "vpclmulqdq",
    "avx512vnni",
    "avx512bitalg",
    "avx512vpopcntdq",
];

/// Writes the message for a CPU that lacks something, straight to standard error. Called before anything else
/// ran; what it uses of the standard library is compiled for any CPU of the architecture.
#[cold]
#[inline(never)]
pub fn explain(missing: u32) {
    use std::io::Write as _;
    let mut err = std::io::stderr();
    let _ = err.write_all(b"fastgen-tui: this binary was built for another CPU; this one lacks:");
    let mut bit = 0;
    while bit < NAMES.len() {
        if missing >> bit & 1 == 1 {
            let _ = err.write_all(b" ");
            let _ = err.write_all(NAMES[bit].as_bytes());
        }
        bit += 1;
    }
    let _ = err.write_all(
        b".\nBuild it on this machine (cargo build --release), or for many machines with\n\
          RUSTFLAGS=\"-C target-cpu=x86-64-v3\" cargo build --release (slower, needs AVX2).\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_that_built_this_can_run_it() {
        assert_eq!(missing(), 0);
    }
}
