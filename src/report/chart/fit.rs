//! Least squares polynomials.
//!
//! The polynomial is kept as a sum of polynomials that are orthogonal over the given points, built by their
//! three-term recurrence (G. E. Forsythe, "Generation and use of orthogonal polynomials for data-fitting with a
//! digital computer", 1957). So there is no system of equations to solve, and none that is badly conditioned.

/// Most that makes sense; above it a curve follows noise.
pub const MAX_DEGREE: usize = 9;

/// A fitted polynomial.
#[derive(Debug, Clone, PartialEq)]
pub struct Polynomial {
    /// x is mapped to −1..=1 by these.
    middle: f64,
    half: f64,
    /// y was divided by this.
    scale: f64,
    terms: Vec<Term>,
}

/// `p[k+1](x) = (x − shift) · p[k](x) − drag · p[k−1](x)`, weighted by `weight`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Term {
    weight: f64,
    shift: f64,
    drag: f64,
}

impl Polynomial {
    /// Fits points, all of them finite. The degree is lowered to one less than there are different x. `None`
    /// without a point.
    pub fn fit(points: &[(f64, f64)], degree: usize) -> Option<Self> {
        let (low, high) = range(points.iter().map(|p| p.0))?;
        let half = if high > low { (high - low) / 2.0 } else { 1.0 };
        let middle = low + (high - low) / 2.0;
        let largest = points.iter().map(|p| p.1.abs()).fold(0.0, f64::max);
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let xs: Vec<f64> = points.iter().map(|p| (p.0 - middle) / half).collect();
        let mut rest: Vec<f64> = points.iter().map(|p| p.1 / scale).collect();
        let degree = degree.min(MAX_DEGREE).min(distinct(&xs).saturating_sub(1));
        let (mut before, mut now) = (vec![0.0; xs.len()], vec![1.0; xs.len()]);
        let mut norm_before = 1.0;
        let mut terms: Vec<Term> = Vec::with_capacity(degree + 1);
        for k in 0..=degree {
            let norm = dot(&now, &now);
            // Taken from what is left, not from y, so that rounding errors don't add up.
            let weight = dot(&rest, &now) / norm;
            let shift = xs.iter().zip(&now).map(|(x, p)| x * p * p).sum::<f64>() / norm;
            let drag = if k == 0 { 0.0 } else { norm / norm_before };
            if ![weight, shift, drag].iter().all(|v| v.is_finite()) {
                break;
            }
            rest.iter_mut().zip(&now).for_each(|(r, p)| *r -= weight * p);
            terms.push(Term { weight, shift, drag });
            let next = (0..xs.len()).map(|i| (xs[i] - shift) * now[i] - drag * before[i]).collect();
            before = std::mem::replace(&mut now, next);
            norm_before = norm;
        }
        Some(Self { middle, half, scale, terms })
    }

    /// The degree that it got.
    pub fn degree(&self) -> usize {
        self.terms.len().saturating_sub(1)
    }

    /// Its value.
    pub fn at(&self, x: f64) -> f64 {
        let x = (x - self.middle) / self.half;
        let (mut before, mut now, mut sum) = (0.0, 1.0, 0.0);
        for term in &self.terms {
            sum += term.weight * now;
            let next = (x - term.shift) * now - term.drag * before;
            (before, now) = (now, next);
        }
        sum * self.scale
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn distinct(xs: &[f64]) -> usize {
    let mut sorted = xs.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Nearer than this they can't be told apart by a curve.
    sorted.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    sorted.len()
}

/// The smallest and the largest value.
pub fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, v| {
        Some(range.map_or((v, v), |(low, high): (f64, f64)| (low.min(v), high.max(v))))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{got} is not {want}");
    }

    #[test]
    fn a_polynomial_is_found_again() {
        let cubic = |x: f64| 2.0 - 3.0 * x + 0.5 * x * x * x;
        let points: Vec<_> = (0..12).map(|i| (f64::from(i) * 0.7, cubic(f64::from(i) * 0.7))).collect();
        for degree in [3, 4, 7] {
            let fit = Polynomial::fit(&points, degree).unwrap();
            for x in [0.0, 0.33, 4.0, 7.7, 9.0] {
                near(fit.at(x), cubic(x));
            }
        }
    }

    #[test]
    fn a_line_through_four_points_by_hand() {
        // Sums of x: 10, of y: 26, of x²: 30, of x·y: 76; so y = 1 + 2.2 x.
        let points = [(1.0, 3.0), (2.0, 6.0), (3.0, 7.0), (4.0, 10.0)];
        let line = Polynomial::fit(&points, 1).unwrap();
        near(line.at(0.0), 1.0);
        near(line.at(10.0), 23.0);
        near(Polynomial::fit(&points, 0).unwrap().at(99.0), 6.5);
        // The parabola leaves sums of squares: worked out with normal equations, y = 1 + 2.2 x + 0 x².
        near(Polynomial::fit(&points, 2).unwrap().at(10.0), 23.0);
    }

    #[test]
    fn a_parabola_with_noise_as_numpys_polyfit_gives_it() {
        let points = [(0.5, 1.9), (1.0, 2.6), (1.5, 4.4), (1.8, 7.0), (1.82, 12.1)];
        let fit = Polynomial::fit(&points, 2).unwrap();
        for (x, want) in [(0.5, NUMPY[0]), (1.0, NUMPY[1]), (1.82, NUMPY[2])] {
            near(fit.at(x), want);
        }
    }

    /// `numpy.polyval(numpy.polyfit(x, y, 2), [0.5, 1.0, 1.82])` of the points above.
    const NUMPY: [f64; 3] = [2.165_804_616_432_392_7, 1.776_949_369_393_648_2, 9.549_101_700_064_819];

    #[test]
    fn too_few_points_lower_the_degree() {
        assert_eq!(Polynomial::fit(&[], 3), None);
        let one = Polynomial::fit(&[(2.0, 5.0)], 3).unwrap();
        assert_eq!((one.degree(), one.at(0.0)), (0, 5.0));
        // Two values at one place: their mean.
        near(Polynomial::fit(&[(2.0, 5.0), (2.0, 7.0)], 3).unwrap().at(2.0), 6.0);
        let two = Polynomial::fit(&[(1.0, 1.0), (3.0, 5.0), (3.0, 7.0)], 4).unwrap();
        assert_eq!(two.degree(), 1);
        near(two.at(2.0), 3.5);
    }

    proptest! {
        #[test]
        fn what_is_left_is_orthogonal_to_every_power(
            points in prop::collection::vec((0.0f64..100.0, -50.0f64..50.0), 1..40), degree in 0usize..5,
        ) {
            let fit = Polynomial::fit(&points, degree).unwrap();
            for power in 0..=i32::try_from(fit.degree()).unwrap() {
                let left: f64 = points.iter()
                    .map(|(x, y)| (y - fit.at(*x)) * (x / 50.0 - 1.0).powi(power)).sum();
                prop_assert!(left.abs() < 1e-4, "{} at power {}", left, power);
            }
        }

        #[test]
        fn any_points_give_finite_curves_between_them(
            points in prop::collection::vec((-1e30f64..1e30, -1e30f64..1e30), 1..20), degree in 0usize..20,
        ) {
            let fit = Polynomial::fit(&points, degree).unwrap();
            let (low, high) = range(points.iter().map(|p| p.0)).unwrap();
            for i in 0..=10 {
                prop_assert!(fit.at(low + (high - low) * f64::from(i) / 10.0).is_finite());
            }
        }
    }
}
