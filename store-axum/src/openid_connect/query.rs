//! Query strings and forms.

use url::form_urlencoded;

/// The parameters of a query or a form.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

/// A parameter is there more than once: whoever reads the first and whoever reads the last see
/// different requests (RFC 6749 section 3.1 forbids it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated;

impl Parameters {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    pub(super) fn of_query(query: Option<&str>) -> Self {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    /// The parameter of this name.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(other, _)| other == name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(Repeated),
            None => Ok(first.map(|(_, value)| value.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once_or_not_at_all() {
        let all = Parameters::of_query(Some("a=1&b=x%26y+z&a=2&c&d="));
        assert_eq!(all.get("a"), Err(Repeated));
        assert_eq!(all.get("b"), Ok(Some("x&y z")));
        assert_eq!(all.get("c"), Ok(Some("")));
        assert_eq!(all.get("d"), Ok(Some("")));
        assert_eq!(all.get("e"), Ok(None));
        assert_eq!(Parameters::of_query(None).get("a"), Ok(None));
    }
}
