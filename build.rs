//! Hands what the build was made for to the program: `--version`, recordings and the CPU check tell it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo:rustc-env=FASTGEN_TARGET={}", of("TARGET"));
    println!("cargo:rustc-env=FASTGEN_TARGET_FEATURES={}", of("CARGO_CFG_TARGET_FEATURE"));
    let mut features: Vec<String> = std::env::vars()
        .filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase))
        .filter(|name| name != "default")
        .map(|name| name.replace('_', "-"))
        .collect();
    features.sort();
    println!("cargo:rustc-env=FASTGEN_FEATURES={}", features.join(","));
}
