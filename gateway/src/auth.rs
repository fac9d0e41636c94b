//! Who somebody is: tokens, the keys that check them, and what they grant.
