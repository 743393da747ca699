//! The URLs by which stores are named.

use std::path::{Path, PathBuf};

use crate::error::StoreError;

const FORMS: &str = "  forms     sqlite:PATH      a file, relative to the working directory: sqlite:./shop.db\n            \
                     memory:          a new store in memory, gone when it is closed\n            memory:NAME      one of \
                     this process that can be closed and opened again";

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Url {
    Memory { name: Option<String> },
    Sqlite { path: PathBuf },
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("memory", name)) => Ok(Self::Memory { name: (!name.is_empty()).then(|| name.to_owned()) }),
            Some(("sqlite", ":memory:")) => Err(refuse(url, "for a store in memory write memory:")),
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('\0') => {
                Ok(Self::Sqlite { path: Path::new(path).to_owned() })
            }
            Some(("sqlite", _)) => Err(refuse(url, "sqlite: needs the path of a file")),
            _ => Err(refuse(url, "there is no store of that kind")),
        }
    }
}

fn refuse(url: &str, found: &str) -> StoreError {
    StoreError::bad_argument(format!("{url:?} does not name a store: {found}.\n{FORMS}")).with("url", url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_forms_are_taken_apart() {
        assert_eq!(Url::parse("memory:").unwrap(), Url::Memory { name: None });
        assert_eq!(Url::parse("memory:a:b").unwrap(), Url::Memory { name: Some("a:b".to_owned()) });
        assert_eq!(Url::parse("sqlite:./shop.db").unwrap(), Url::Sqlite { path: "./shop.db".into() });
        assert_eq!(Url::parse("sqlite:/a b/ö?.db").unwrap(), Url::Sqlite { path: "/a b/ö?.db".into() });
    }

    #[test]
    fn anything_else_is_refused_with_the_list_of_what_is_known() {
        for url in ["", "memory", "sqlite:", "sqlite::memory:", "sqlite:a\0b", "postgres://h/db", "./shop.db"] {
            let error = Url::parse(url).unwrap_err();
            assert_eq!(error.code.word(), "bad_argument");
            assert!(error.message.contains("sqlite:PATH") && error.message.contains("memory:NAME"), "{error}");
        }
    }
}
