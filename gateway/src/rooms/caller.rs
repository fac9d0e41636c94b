//! In whose name something is asked.

use std::net::IpAddr;
use std::sync::Arc;

use crate::broker::Author;
use crate::grants::Grants;

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Who.
    pub author: Author,
    /// What the credential allows beyond the policies of room kinds.
    pub grants: Grants,
    /// Where the connection or call comes from.
    pub address: IpAddr,
}

/// In whose name something is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Caller {
    /// Somebody who is logged in.
    Person(Arc<Person>),
    /// The application's back end.
    Api {
        /// The name of its key.
        key: Arc<str>,
        /// In whose name it speaks, if in anybody's.
        from: Option<Author>,
    },
}

impl Caller {
    /// Who an entry is from.
    pub fn author(&self) -> Option<&Author> {
        match self {
            Self::Person(person) => Some(&person.author),
            Self::Api { from, .. } => from.as_ref(),
        }
    }
}
