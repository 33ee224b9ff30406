//! How people with dichromatic vision see colours, to check that themes keep them apart.
//!
//! The matrices are those of G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A Physiologically-based Model for
//! Simulation of Color Vision Deficiency", IEEE Transactions on Visualization and Computer Graphics 15 (6), 2009, for
//! severity 1.0; they apply to linear RGB. Distances are CIE 1976 ΔE*ab under D65, where about 2.3 is just noticed.

use super::Rgb;
use super::contrast::linear;

/// Rows give red, green and blue of what is seen.
type Matrix = [[f64; 3]; 3];

/// Normal vision, and the three kinds of dichromats.
pub const VISIONS: [(&str, Matrix); 4] = [
    ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn times(matrix: &Matrix, v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// CIELAB of a colour as it is seen: lightness 0 to 100, then green–red and blue–yellow.
pub fn lab(color: Rgb, vision: &Matrix) -> [f64; 3] {
    /// sRGB to XYZ, IEC 61966-2-1.
    const XYZ: Matrix = [
        [0.412_456_4, 0.357_576_1, 0.180_437_5],
        [0.212_672_9, 0.715_152_2, 0.072_175_0],
        [0.019_333_9, 0.119_192_0, 0.950_304_1],
    ];
    let light = [color.0, color.1, color.2].map(linear);
    let [x, y, z] = times(&XYZ, times(vision, light).map(|v| v.clamp(0.0, 1.0)));
    let f = |t: f64| {
        if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 }
    };
    let (x, y, z) = (f(x / 0.950_47), f(y), f(z / 1.088_83));
    [116.0f64.mul_add(y, -16.0), 500.0 * (x - y), 200.0 * (y - z)]
}

/// ΔE*ab of two colours as they are seen.
pub fn distance(a: Rgb, b: Rgb, vision: &Matrix) -> f64 {
    let (a, b) = (lab(a, vision), lab(b, vision));
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The themes that promise to be told apart with any colour vision.
pub const SAFE: [&str; 2] = ["okabe", "tol"];
/// The least distance of colours that stand side by side: five times what is just noticed.
pub const LEAST: f64 = 11.5;

mod tests {
    use super::super::depth::looks;
    use super::super::{Depth, Role, load};
    use super::*;

    /// Roles that are seen beside each other.
    const GROUPS: [&[Role]; 3] = [
        &[Role::Queued, Role::Waiting, Role::Prefill, Role::Decode],
        &[Role::Output, Role::Input, Role::Requests],
        &[Role::Good, Role::Warn, Role::Bad],
    ];

    fn too_near(name: &str) -> Vec<String> {
        let mut near = Vec::new();
        for depth in [Depth::True, Depth::Ansi256] {
            let theme = load(name, None, depth).unwrap();
            let seen = |role| looks(theme.color(role).unwrap()).unwrap();
            for group in GROUPS {
                let pairs =
                    group.iter().enumerate().flat_map(|(i, a)| group[i + 1..].iter().map(move |b| (a, b)));
                for (a, b) in pairs {
                    for (vision, matrix) in &VISIONS {
                        let d = distance(seen(*a), seen(*b), matrix);
                        if d < LEAST {
                            near.push(format!(
                                "{name} {depth:?}, {vision}: {a:?} and {b:?} are {d:.1} apart"
                            ));
                        }
                    }
                }
            }
        }
        near
    }

    #[test]
    fn the_simulation_confuses_what_dichromats_confuse() {
        let [_, (_, prot), (_, deut), (_, trit)] = &VISIONS;
        let (olive, brown) = (Rgb(128, 128, 0), Rgb(165, 107, 0));
        let normal = distance(olive, brown, &VISIONS[0].1);
        assert!(distance(olive, brown, deut) < normal / 2.0);
        assert!(
            distance(Rgb(0, 170, 170), Rgb(60, 160, 230), trit)
                < distance(Rgb(0, 170, 170), Rgb(60, 160, 230), prot)
        );
        assert!((lab(Rgb(255, 255, 255), &VISIONS[0].1)[0] - 100.0).abs() < 0.01);
        for (_, matrix) in &VISIONS {
            assert!(lab(Rgb(128, 128, 128), matrix)[1].abs() < 1.0, "greys stay grey");
        }
    }

    #[test]
    fn safe_themes_keep_series_and_phases_apart_for_everybody() {
        let near: Vec<String> = SAFE.into_iter().flat_map(too_near).collect();
        assert!(near.is_empty(), "{}", near.join("\n"));
        assert!(
            !too_near("dusk").is_empty() || !too_near("contrast").is_empty(),
            "the check finds what is near"
        );
    }
}
