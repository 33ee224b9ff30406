//! How hard the GPUs worked: FastGen's plot of tensor-parallel sizes.
//!
//! After `plot_tp_sizes.py`: a query costs 2 × parameters × (prompt + generated tokens) operations; by the query
//! throughput and over the GPUs of a replica, that is TFLOP/s of each.

use super::setting::Setting;
use crate::model::{Shape, find_shape};

const TERA: f64 = 1e12;

/// TFLOP/s of each GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tflops {
    /// With the shape's parameters and the measured tokens.
    pub measured: Option<f64>,
    /// As the original: with the parameters of the model's name and the tokens asked for on average.
    pub nominal: Option<f64>,
}

/// For a query throughput and the mean tokens (prompt, generated) of a request.
pub fn tflops(setting: &Setting, queries_per_s: Option<f64>, tokens: Option<(f64, f64)>) -> Tflops {
    // The original knows one replica only; several share the queries.
    let gpus = f64::from(setting.tensor_parallel) * f64::from(setting.replicas);
    let by = |parameters: Option<f64>, tokens: Option<(f64, f64)>| {
        let (prompt, generated) = tokens?;
        Some(2.0 * parameters? * (prompt + generated) * queries_per_s? / gpus / TERA)
    };
    let exact = parameters(&setting.model).map(|n| n as f64);
    let named = nominal_parameters(&setting.model).or(exact);
    Tflops {
        measured: by(exact.or(named), tokens),
        nominal: by(named, setting.prompt_tokens.zip(setting.output_tokens)),
    }
}

/// Parameters of a model whose shape is known, by the shape's name or by a hub id or file that means it.
pub fn parameters(model: &str) -> Option<u64> {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let known = |name: &str| find_shape(name).ok().map(Shape::parameters);
    known(&name).or_else(|| {
        let plain = name.replacen("llama-", "llama", 1).replacen("meta-", "", 1);
        let parts: Vec<&str> = plain.split('-').collect();
        // `Llama-2-7b-hf` means `llama2-7b`: an ending more or less is another training of the same shape.
        (2..=parts.len()).find_map(|n| known(&parts[..n].join("-")))
    })
}

/// Parameters as a model's name tells them: 7 billion for `Llama-2-7b-hf`.
pub fn nominal_parameters(model: &str) -> Option<f64> {
    let size = |part: &str| {
        let lower = part.to_ascii_lowercase();
        let (number, unit) = match (lower.strip_suffix('b'), lower.strip_suffix('m')) {
            (Some(number), _) => (number, 1e9),
            (None, Some(number)) => (number, 1e6),
            (None, None) => return None,
        };
        let digits = number.starts_with(|c: char| c.is_ascii_digit());
        number.parse::<f64>().ok().filter(|n| digits && *n > 0.0 && n.is_finite()).map(|n| n * unit)
    };
    model.split(['-', '_', '/', ' ']).filter_map(size).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_parameters() {
        let names =
            ["meta-llama/Llama-2-7b-hf", "llama2-70b", "tinyllama-1.1b", "SmolLM2-135M-Instruct", "tiny"];
        let nominal = names.map(nominal_parameters);
        assert_eq!(nominal, [Some(7e9), Some(7e10), Some(1.1e9), Some(1.35e8), None]);
        assert_eq!(nominal_parameters("Mixtral-8x7B"), None);
        assert_eq!(parameters("meta-llama/Llama-2-7b-hf"), Some(6_738_415_616));
        assert_eq!(parameters("meta-llama/Meta-Llama-3-8B-Instruct"), Some(8_030_261_248));
        assert_eq!(parameters("mistralai/Mistral-7B-v0.1"), Some(7_241_732_096));
        assert_eq!(parameters("HuggingFaceTB/SmolLM2-135M"), Some(134_515_008));
        assert!(parameters("tiny").is_some());
        assert_eq!((parameters("gpt2"), parameters("")), (None, None));
    }

    #[test]
    fn the_formula_is_fastgens() {
        let setting = Setting {
            model: "meta-llama/Llama-2-13b-hf".into(),
            tensor_parallel: 4,
            replicas: 1,
            prompt_tokens: Some(2600.0),
            output_tokens: Some(60.0),
            ..Setting::default()
        };
        let of = tflops(&setting, Some(2.5), Some((2500.0, 58.0)));
        // plot_tp_sizes.py: throughput * 13 * (2600 + 60) * 2 * 1e-3 / 4
        let original: f64 = 2.5 * 13.0 * 2660.0 * 2.0 * 1e-3 / 4.0;
        assert!((of.nominal.unwrap() - original).abs() < 1e-9 * original);
        let measured = 2.5 * 13.015_864_32 * 2558.0 * 2.0 * 1e-3 / 4.0;
        assert!((of.measured.unwrap() - measured).abs() < 1e-9 * measured);
        let two = tflops(&Setting { replicas: 2, ..setting.clone() }, Some(5.0), Some((2500.0, 58.0)));
        assert_eq!(two, of);
        assert_eq!(tflops(&setting, None, None), Tflops::default());
    }
}
