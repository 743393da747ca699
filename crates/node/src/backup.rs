//! Copying a store while it is in use, on a thread of Node's pool.

use std::path::PathBuf;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;

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
