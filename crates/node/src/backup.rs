//! Copying a store while it is in use, on a thread of Node's pool.

use std::path::PathBuf;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;
use pawl_store::whole::{Source, copy};
use pawl_store::{OpenOptions, StoreError};

pub struct BackUp {
    url: String,
    file: PathBuf,
}

impl Task for BackUp {
    type Output = Option<Vec<String>>;
    type JsValue = Option<Vec<String>>;

    fn compute(&mut self) -> Result<Self::Output> {
        let done = pawl_store::back_up(&self.url, &self.file);
        Ok(done.err().map(|error| vec![error.code.word().to_owned(), error.message]))
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

/// Copies all that is committed in a store into a new file. Resolves to null, or to the code and the message of what is wrong.
#[napi(ts_return_type = "Promise<[code: string, message: string] | null>")]
pub fn back_up(url: String, file: String) -> AsyncTask<BackUp> {
    AsyncTask::new(BackUp { url, file: file.into() })
}

/// What became of a copy. Every field is present, `null` for none.
#[napi(object)]
pub struct Copied {
    pub actors: f64,
    /// The code and the message of what is wrong: nothing was copied.
    pub failed: Option<Vec<String>>,
}

pub struct CopyStore {
    pub(crate) from: From,
    pub(crate) to: String,
}

/// Where a copy comes from.
pub(crate) enum From {
    Url(String),
    /// What only its owner can tell.
    Rows(Box<dyn Source + Send>),
}

impl CopyStore {
    fn copy(&mut self) -> std::result::Result<u64, StoreError> {
        match &mut self.from {
            From::Rows(rows) => copy(&mut **rows, target(&self.to)?),
            From::Url(url) if pawl_postgres::serves(url) => {
                let mut source = pawl_postgres::source(url)?;
                copy(&mut *source, target(&self.to)?)
            }
            From::Url(url) => {
                let mut source = pawl_store::source(url)?;
                copy(&mut *source, target(&self.to)?)
            }
        }
    }
}

fn target(url: &str) -> std::result::Result<Box<dyn pawl_store::whole::Target>, StoreError> {
    if pawl_postgres::serves(url) {
        return pawl_postgres::target(url);
    }
    pawl_store::target(url, &OpenOptions::new(std::sync::Arc::new(|| {})))
}

impl Task for CopyStore {
    type Output = Copied;
    type JsValue = Copied;

    fn compute(&mut self) -> Result<Copied> {
        Ok(match self.copy() {
            Ok(actors) => Copied { actors: actors as f64, failed: None },
            Err(error) => Copied { actors: 0.0, failed: Some(vec![error.code.word().to_owned(), error.message]) },
        })
    }

    fn resolve(&mut self, _: Env, copied: Copied) -> Result<Copied> {
        Ok(copied)
    }
}

/// Copies all that is committed in a store into an empty one, beside whoever writes it.
#[napi(ts_return_type = "Promise<Copied>")]
pub fn copy_store(from: String, to: String) -> AsyncTask<CopyStore> {
    AsyncTask::new(CopyStore { from: From::Url(from), to })
}
