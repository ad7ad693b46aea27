//! What has no type yet.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::payload::{decode, encode};

/// Named values of any type, read and written together with the rest of the ticket.
///
/// Each value is encoded when it is set and decoded when it is asked for: what a request does not
/// look at costs it nothing.
///
/// ```
/// use store_tickets::SessionBag;
///
/// let mut bag = SessionBag::default();
/// bag.set("cart", &vec!["apples", "pears"])?;
/// assert_eq!(bag.get::<Vec<String>>("cart")?.unwrap().len(), 2);
/// assert_eq!(bag.get::<u32>("visits")?, None);
/// # Ok::<(), store_tickets::BagError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionBag(pub(super) BTreeMap<String, ByteBuf>);

/// A value of a [`SessionBag`] is not what it was taken for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BagError {
    /// The value given cannot be encoded; the bag is as it was.
    #[error("the value cannot be encoded")]
    Encode(#[source] rmp_serde::encode::Error),
    /// The value kept is not of the type asked for; it stays where it is.
    #[error("the value is not of the type asked for")]
    Decode(#[source] rmp_serde::decode::Error),
}

impl SessionBag {
    /// Puts a value in, in place of one of the same name.
    ///
    /// # Errors
    /// [`BagError::Encode`].
    pub fn set<V: Serialize + ?Sized>(
        &mut self,
        name: impl Into<String>,
        value: &V,
    ) -> Result<(), BagError> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).map_err(BagError::Encode)?;
        self.0.insert(name.into(), ByteBuf::from(bytes));
        Ok(())
    }

    /// The value of this name.
    ///
    /// # Errors
    /// [`BagError::Decode`] if it is of another type.
    pub fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, BagError> {
        let value = self.0.get(name).map(|bytes| decode(bytes));
        value.transpose().map_err(BagError::Decode)
    }

    /// Takes the value of this name out. Whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Makes the value of this name what it is in another bag: the same, or none.
    pub fn copy(&mut self, name: &str, from: &Self) {
        match from.0.get(name) {
            Some(value) => self.0.insert(name.to_owned(), value.clone()),
            None => self.0.remove(name),
        };
    }

    /// Whether the value of this name is the same in both bags, byte for byte, or is in neither.
    pub fn agrees(&self, name: &str, with: &Self) -> bool {
        self.0.get(name) == with.0.get(name)
    }

    /// The names, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The names only.
impl fmt::Debug for SessionBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_copied_with_its_absence() {
        let mut one = SessionBag::default();
        one.set("n", &1).unwrap();
        one.set("m", &2).unwrap();
        let mut other = SessionBag::default();
        assert!(!other.agrees("n", &one));
        assert!(other.agrees("neither", &one));
        other.copy("n", &one);
        assert!(other.agrees("n", &one));
        assert_eq!(other.get("n").unwrap(), Some(1));
        assert_eq!(other.len(), 1);
        one.copy("m", &other);
        assert_eq!(one, other);
        other.set("n", &3).unwrap();
        assert!(!other.agrees("n", &one));
    }
}
