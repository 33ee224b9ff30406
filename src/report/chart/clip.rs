//! Lines cut at the edges of a plot.

use super::canvas::Place;

/// A plot's edges, in units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Frame {
    pub fn has(&self, (x, y): Place) -> bool {
        // A marker on the very edge belongs to the plot, whatever rounding did.
        let near = 1e-6;
        x >= self.left - near && x <= self.right + near && y >= self.top - near && y <= self.bottom + near
    }

    /// The pieces of a line that are inside.
    pub fn clip(&self, line: &[Place]) -> Vec<Vec<Place>> {
        let mut pieces: Vec<Vec<Place>> = Vec::new();
        for pair in line.windows(2) {
            let Some((from, to)) = self.inside(pair[0], pair[1]) else { continue };
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&from) => piece.push(to),
                _ => pieces.push(vec![from, to]),
            }
        }
        pieces
    }

    /// The part of a straight line that is inside (Y.-D. Liang and B. A. Barsky, "A New Concept and Method for
    /// Line Clipping", 1984).
    fn inside(&self, from: Place, to: Place) -> Option<(Place, Place)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        let sides = [
            (-dx, from.0 - self.left),
            (dx, self.right - from.0),
            (-dy, from.1 - self.top),
            (dy, self.bottom - from.1),
        ];
        for (toward, room) in sides {
            if toward == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if toward < 0.0 {
                enter = enter.max(room / toward);
            } else {
                leave = leave.min(room / toward);
            }
        }
        let at = |share: f64| (from.0 + dx * share, from.1 + dy * share);
        // Ends that are inside stay as they are, to the last bit, so that pieces join.
        let start = if enter > 0.0 { at(enter) } else { from };
        let end = if leave < 1.0 { at(leave) } else { to };
        (enter <= leave).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Frame = Frame { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };

    #[test]
    fn a_line_that_leaves_and_comes_back_is_two_pieces() {
        let line = [(1.0, 5.0), (5.0, 5.0), (5.0, 15.0), (7.0, 15.0), (7.0, 5.0)];
        let pieces = FRAME.clip(&line);
        assert_eq!(pieces, [vec![(1.0, 5.0), (5.0, 5.0), (5.0, 10.0)], vec![(7.0, 10.0), (7.0, 5.0)]]);
        assert_eq!(FRAME.clip(&[(-5.0, -5.0), (-1.0, 20.0)]), Vec::<Vec<Place>>::new());
        assert_eq!(FRAME.clip(&[(-5.0, 5.0), (15.0, 5.0)]), [vec![(0.0, 5.0), (10.0, 5.0)]]);
    }

    proptest! {
        #[test]
        fn nothing_is_left_outside(line in prop::collection::vec((-1e5f64..1e5, -1e5f64..1e5), 0..20)) {
            for place in FRAME.clip(&line).into_iter().flatten() {
                prop_assert!(FRAME.has(place), "{:?}", place);
            }
        }
    }
}
