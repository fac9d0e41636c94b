//! The frames that came lately. All members of a room get the same bytes, so all but the first of them are only compared.

use ahash::RandomState;

/// How many frames are remembered; a power of two.
const SLOTS: usize = 4096;

/// Frames, and what each was found to be.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    slots: Vec<Option<(Vec<u8>, T)>>,
    hasher: RandomState,
}

impl<T> Recent<T> {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| None).collect(), hasher: RandomState::new() }
    }

    /// What these bytes are, if they came lately.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<&T> {
        let (known, found) = self.slots[self.slot(bytes)].as_ref()?;
        (known == bytes).then_some(found)
    }

    /// Remembers what these bytes are, in place of others.
    pub(crate) fn remember(&mut self, bytes: &[u8], found: T) {
        let slot = self.slot(bytes);
        match &mut self.slots[slot] {
            Some((known, old)) => {
                known.clear();
                known.extend_from_slice(bytes);
                *old = found;
            }
            empty @ None => *empty = Some((bytes.to_vec(), found)),
        }
    }

    fn slot(&self, bytes: &[u8]) -> usize {
        self.hasher.hash_one(bytes) as usize % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_bytes_are_known() {
        let mut recent = Recent::new();
        for number in 0..3 * SLOTS {
            let frame = format!("frame {number}");
            assert_eq!(recent.find(frame.as_bytes()), None);
            recent.remember(frame.as_bytes(), number);
            assert_eq!(recent.find(frame.as_bytes()), Some(&number));
            assert_eq!(recent.find(format!("{frame} ").as_bytes()), None);
        }
    }
}
