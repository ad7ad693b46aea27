//! Servers that the environment names.

use std::env;

use super::ServerKind;

/// What the environment says about a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Not a word.
    Nothing,
    /// That there is none.
    None,
    /// Where it is.
    Url(String),
}

/// Reads the variable for `kind`; empty is the same as not set.
pub(super) fn from_env(kind: ServerKind) -> Named {
    parse(&env::var(kind.url_variable()).unwrap_or_default())
}

fn parse(value: &str) -> Named {
    match value.trim() {
        "" => Named::Nothing,
        "none" => Named::None,
        url => Named::Url(url.to_owned()),
    }
}

/// The URL of a database on the server at `server_url`: the same but for its path.
pub(super) fn of_database(server_url: &str, database: &str) -> String {
    let mut url: url::Url = server_url
        .parse()
        .expect("a URL that has been connected to");
    url.set_path(database);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_takes_the_place_of_the_one_in_the_url() {
        assert_eq!(
            of_database(
                "postgres://me:pa%40ss@db.test:5433/postgres?sslmode=disable",
                "test_1"
            ),
            "postgres://me:pa%40ss@db.test:5433/test_1?sslmode=disable",
        );
    }

    #[test]
    fn a_database_is_added_to_a_url_without_one() {
        assert_eq!(
            of_database("mysql://root@127.0.0.1", "test_1"),
            "mysql://root@127.0.0.1/test_1"
        );
    }

    #[test]
    fn a_variable_may_be_empty_or_decline_or_name_a_server() {
        assert_eq!(parse(""), Named::Nothing);
        assert_eq!(parse("none"), Named::None);
        assert_eq!(
            parse("mysql://root@db/"),
            Named::Url("mysql://root@db/".to_owned())
        );
    }
}
