//! The URL of a database, taken apart. What is shown of it never holds the password.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use pawl_store::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How the server is trusted, in the words of libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// `disable`, `prefer`, `require`: encrypted perhaps, or for sure; whoever answers.
    Anyone,
    /// `verify-ca`: a server whose certificate a known authority has signed.
    Signed,
    /// `verify-full`: that, and the certificate is of this host.
    Named,
}

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As it is shown to people: without the password.
    pub(crate) shown: String,
    pub(crate) config: Config,
    /// The schema that holds the tables.
    pub(crate) schema: String,
    pub(crate) trust: Trust,
    /// A file with the authorities to trust; none: those of the system.
    pub(crate) roots: Option<PathBuf>,
    /// How long a process that has gone quiet owns its actors; none: the default.
    pub(crate) lease: Option<Duration>,
    /// Whether processes tell each other of work. Without it they find it by looking, each second.
    pub(crate) hints: bool,
}

const CONNECT: Duration = Duration::from_secs(5);

impl Place {
    pub(crate) fn parse(url: &str) -> Result<Place, StoreError> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut schema = "pawl".to_owned();
        let mut mode = "prefer".to_owned();
        let (mut roots, mut lease, mut hints) = (None, None, true);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("schema", value) => schema = value.to_owned(),
                ("sslmode", value) => mode = value.to_owned(),
                ("lease", value) => lease = Some(lease_of(value)?),
                ("hints", "on") => hints = true,
                ("hints", "off") => hints = false,
                ("sslrootcert", value) => roots = (value != "system").then(|| value.into()),
                _ => rest.push(pair),
            }
        }
        let plain = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
        let mut config: Config = plain.parse().map_err(|error: tokio_postgres::Error| {
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            refuse(&why)
        })?;
        check_schema(&schema)?;
        let (ssl, trust) = ssl_mode(&mode, roots.is_some())?;
        config.ssl_mode(ssl).target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("pawl");
        }
        if config.get_hosts().is_empty() {
            return Err(refuse("it names no host"));
        }
        Ok(Place { shown: shown(&config, &schema), config, schema, trust, roots, lease, hints })
    }
}

/// From half a second, so that renewals keep up, to an hour.
fn lease_of(value: &str) -> Result<Duration, StoreError> {
    match value.parse() {
        Ok(ms @ 500..=3_600_000) => Ok(Duration::from_millis(ms)),
        _ => Err(refuse(&format!("lease is {value:?}; expected milliseconds from 500 to 3600000"))),
    }
}

fn ssl_mode(mode: &str, has_roots: bool) -> Result<(SslMode, Trust), StoreError> {
    Ok(match mode {
        "disable" => (SslMode::Disable, Trust::Anyone),
        "prefer" | "allow" => (SslMode::Prefer, Trust::Anyone),
        // As libpq has it: with a file of authorities, `require` means `verify-ca`.
        "require" if !has_roots => (SslMode::Require, Trust::Anyone),
        "require" | "verify-ca" => (SslMode::Require, Trust::Signed),
        "verify-full" => (SslMode::Require, Trust::Named),
        other => {
            let known = "disable, prefer, require, verify-ca or verify-full";
            return Err(refuse(&format!("sslmode is {other:?}; expected {known}")));
        }
    })
}

fn check_schema(schema: &str) -> Result<(), StoreError> {
    let first = schema.chars().next().is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    let others = schema.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
    if first && others && schema.len() <= 41 && !schema.starts_with("pg_") {
        return Ok(());
    }
    Err(refuse(&format!("schema is {schema:?}; expected [a-z_][a-z0-9_]{{0,40}}, not pg_...")))
}

fn shown(config: &Config, schema: &str) -> String {
    let mut text = "postgres://".to_owned();
    if let Some(user) = config.get_user() {
        let _ = write!(text, "{user}@");
    }
    for (n, host) in config.get_hosts().iter().enumerate() {
        let port = config.get_ports().get(n).or(config.get_ports().first()).copied().unwrap_or(5432);
        let comma = if n == 0 { "" } else { "," };
        let _ = match host {
            Host::Tcp(name) => write!(text, "{comma}{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => write!(text, "{comma}{}:{port}", path.display()),
        };
    }
    let database = config.get_dbname().or(config.get_user()).unwrap_or("");
    let _ = write!(text, "/{database} (schema {schema})");
    text
}

fn refuse(why: &str) -> StoreError {
    StoreError::bad_argument(format!(
        "the URL of a PostgreSQL store was not understood: {why}.\n  form      postgres://user:password@host:5432/database\n  \
         options   schema=pawl, sslmode=verify-full, sslrootcert=FILE, connect_timeout=5, lease=10000, hints=on; several \
         hosts: host1,host2"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_hosts_and_schema_and_no_password() {
        let place = Place::parse("postgres://ann:s3cret@a,b:6000/shop?schema=orders&sslmode=verify-full").unwrap();
        assert_eq!(place.shown, "postgres://ann@a:5432,b:6000/shop (schema orders)");
        assert_eq!((place.schema.as_str(), place.trust), ("orders", Trust::Named));
        assert_eq!(place.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(place.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn require_with_a_file_of_authorities_verifies_them() {
        let trust = |url: &str| Place::parse(url).unwrap().trust;
        assert_eq!(trust("postgres://h/d?sslmode=require"), Trust::Anyone);
        assert_eq!(trust("postgres://h/d?sslmode=require&sslrootcert=/ca.pem"), Trust::Signed);
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in [
            "postgres://ann:s3cret@h/d?schema=Orders",
            "postgres://ann:s3cret@h/d?schema=a\"b",
            "postgres://ann:s3cret@h/d?sslmode=maybe",
            "postgres://ann:s3cret@h/d?nonsense=1",
            "postgres://ann:s3cret@h:port/d",
            "postgres://",
        ] {
            let error = Place::parse(url).unwrap_err();
            assert_eq!(error.code.word(), "bad_argument", "{url}");
            assert!(!error.message.contains("s3cret") && error.message.contains("form"), "{error}");
        }
    }
}
