//! How often something happened, by name.

use std::collections::BTreeMap;

/// Counts of things that are named as they come, like error codes. For what is rare.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub(crate) fn add(&mut self, name: &str) {
        if let Some(count) = self.0.get_mut(name) {
            *count += 1;
        } else {
            self.0.insert(name.to_owned(), 1);
        }
    }

    fn merge(&mut self, other: Self) {
        for (name, count) in other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    #[cfg(test)]
    pub(crate) fn to_counts(&self) -> Vec<(String, u64)> {
        self.0.iter().map(|(name, count)| (name.clone(), *count)).collect()
    }

    pub(crate) fn into_counts(self) -> BTreeMap<String, u64> {
        self.0
    }
}

macro_rules! tallies {
    (counts { $($(#[$count_doc:meta])* $count:ident,)* } names { $($(#[$tally_doc:meta])* $tally:ident,)* }) => {
        /// What happened to the messages and connections of one thread.
        #[derive(Debug, Default)]
        pub(crate) struct Tallies {
            $($(#[$count_doc])* pub(crate) $count: u64,)*
            $($(#[$tally_doc])* pub(crate) $tally: Tally,)*
        }

        impl Tallies {
            /// Takes the other's counts in.
            pub(crate) fn merge(&mut self, other: Self) {
                $(self.$count += other.$count;)*
                $(self.$tally.merge(other.$tally);)*
            }
        }
    };
}

tallies! {
    counts {
        /// Messages handed to a socket, for the first time.
        sent,
        /// `sent` that named an earlier entry.
        duplicates,
        /// Messages that were answered with an error.
        refused,
        /// Messages that were sent again with the same key, because their connection had ended first.
        sent_again,
        /// Messages that were sent and never answered.
        unanswered,
        /// Entries that came to anybody, replayed or live.
        deliveries,
        /// Connections that were opened and welcomed.
        welcomed,
        /// Times a churning client left and rejoined a room, or disconnected and resumed.
        churned,
        /// Clients that were ever welcome.
        came,
        /// Clients that were connected and in all of their rooms when the run ended, or had left as the scenario says.
        stayed,
    }
    names {
        /// `error` frames by code.
        errors,
        /// Ends of connections that the gateway or the network made, by code.
        closes,
        /// Connections that could not be opened, by reason.
        failures,
        /// What the gateway said of itself: `draining`, `degraded`, `restored`, `removed`.
        notices,
        /// Frames that the protocol does not allow where they came.
        breaches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_counted_by_their_names_over_all_threads() {
        let [mut one, mut other] =
            [Tallies { sent: 2, ..Tallies::default() }, Tallies { sent: 3, ..Tallies::default() }];
        one.errors.add("gone");
        other.errors.add("gone");
        other.errors.add("internal");
        one.merge(other);
        assert_eq!(one.sent, 5);
        assert_eq!(one.errors.to_counts(), [("gone".to_owned(), 2), ("internal".to_owned(), 1)]);
    }
}
