//! What may be asked of a figure.

/// A bound, and on which side of it is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    /// Whether the value is on the good side. What is no number is on neither.
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_at_all_is_on_the_good_side_of_a_lower_bound_only_where_that_is_nothing() {
        for value in [0.0, -0.0, -5.0] {
            assert!(Limit::AtMost(0.0).is_met(value) && !Limit::AtLeast(1.0).is_met(value), "{value}");
        }
        assert!(Limit::AtLeast(0.0).is_met(-0.0));
        assert!(!Limit::AtLeast(0.0).is_met(f64::NAN) && !Limit::AtMost(0.0).is_met(f64::NAN));
    }
}
