//! A queue whose oldest item needs no memory of its own: most connections never have a second one waiting, and what
//! lies in the struct itself is in the processor's cache with it.

use std::collections::VecDeque;

/// Items in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// The oldest, if there is any.
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// What a burst needed is let go of with its last item, where it was for more than so many.
    const KEPT: usize = 64;

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push_back(&mut self, item: T) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.rest.push_back(item),
        }
    }

    pub(super) fn push_front(&mut self, item: T) {
        if let Some(second) = self.first.replace(item) {
            self.rest.push_front(second);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let first = std::mem::replace(&mut self.first, self.rest.pop_front());
        if self.rest.is_empty() && self.rest.capacity() > Self::KEPT {
            self.rest = VecDeque::new();
        }
        first
    }

    /// From the oldest to the newest.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    /// The newest item that is so, taken out if it is also wanted.
    pub(super) fn take_newest(&mut self, is_so: impl Fn(&T) -> bool, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        match self.rest.iter().rposition(&is_so) {
            Some(index) if is_wanted(&self.rest[index]) => self.rest.remove(index),
            Some(_) => None,
            None => {
                let first = self.first.take_if(|first| is_so(first) && is_wanted(first))?;
                self.first = self.rest.pop_front();
                Some(first)
            }
        }
    }
}

impl<T> FromIterator<T> for Queue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        Self { first: items.next(), rest: items.collect() }
    }
}

impl<T> IntoIterator for Queue<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::collections::vec_deque::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_in_the_order_in_which_they_came() {
        let mut queue = Queue::default();
        (1..=3).for_each(|item| queue.push_back(item));
        assert_eq!(queue.pop_front(), Some(1));
        queue.push_back(4);
        queue.push_front(1);
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(queue.into_iter().rev().collect::<Vec<_>>(), [4, 3, 2, 1]);
    }

    #[test]
    fn only_the_newest_of_its_kind_is_taken_out_of_the_middle_and_only_if_it_is_wanted() {
        let mut queue: Queue<i32> = [2, 1, 4, 3].into_iter().collect();
        let is_even = |item: &i32| item % 2 == 0;
        assert_eq!(queue.take_newest(is_even, |item| *item == 2), None);
        assert_eq!(queue.take_newest(is_even, |item| *item == 4), Some(4));
        assert_eq!(queue.take_newest(is_even, |item| *item == 2), Some(2));
        assert_eq!(queue.into_iter().collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut queue: Queue<usize> = (0..=2 * Queue::<usize>::KEPT).collect();
        while queue.pop_front().is_some() {}
        assert_eq!(queue.rest.capacity(), 0);
        assert!(queue.is_empty());
    }
}
