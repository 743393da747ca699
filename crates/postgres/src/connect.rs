//! Reaching the server: one session, with what every session of ours has set.

use std::sync::Arc;

use pawl_store::StoreError;
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client, SimpleQueryMessage, Statement};

use crate::url::Place;
use crate::{events, group, open, share, tls, trouble};

/// A session that serves the queue, with its statements.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The version of the code that is at work here.
    pub(crate) code: Arc<str>,
    pub(crate) group: [Statement; group::STATEMENTS.len()],
    pub(crate) open: [Statement; open::STATEMENTS.len()],
    pub(crate) share: [Statement; share::STATEMENTS.len()],
    pub(crate) events: [Statement; events::STATEMENTS.len()],
}

/// Who is told of the notifications of other processes.
pub(crate) struct Hint {
    pub(crate) heard: Arc<Notify>,
    /// What our own bear.
    pub(crate) own: String,
}

/// Connects to the first of the hosts that can be written to.
pub(crate) async fn connect(place: &Place, hint: Option<Hint>) -> Result<Client, StoreError> {
    let tls = tls::connector(place).map_err(|why| trouble::no_trust(&place.shown, &why))?;
    let connected = place.config.connect(tls).await;
    let (client, mut connection) = connected.map_err(|error| trouble::describe(&place.shown, &error))?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            if let (AsyncMessage::Notification(said), Some(hint)) = (message, &hint)
                && said.payload() != hint.own
            {
                hint.heard.notify_one();
            }
        }
    });
    let set = "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '5s'; SET statement_timeout = '60s'; \
               SELECT set_config('synchronous_commit', 'on', false) \
               WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')";
    client.batch_execute(set).await.map_err(|error| trouble::describe(&place.shown, &error))?;
    Ok(client)
}

/// Two sessions of ours must be two of the server's: what is set in one, prepared in it or listened for, is there in the next
/// transaction. A pool that gives each transaction any of its own connections breaks that.
pub(crate) async fn check_apart(one: &Client, other: &Client, place: &Place) -> Result<(), StoreError> {
    let numbers = [backend(one).await, backend(other).await];
    match numbers {
        // Some servers have no number to tell.
        [Ok(Some(one)), Ok(Some(other))] if one == other && one > 0 => Err(trouble::pooled(&place.shown, one)),
        [Err(error), _] | [_, Err(error)] => Err(trouble::describe(&place.shown, &error)),
        _ => Ok(()),
    }
}

async fn backend(client: &Client) -> Result<Option<i64>, tokio_postgres::Error> {
    let said = client.simple_query("SELECT pg_backend_pid()").await?;
    Ok(said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|text| text.parse().ok()),
        _ => None,
    }))
}

impl Session {
    pub(crate) async fn begin(place: &Place, code: &Arc<str>) -> Result<Session, StoreError> {
        Self::on(connect(place, None).await?, place, code).await
    }

    /// On a connection to a database that has the tables.
    pub(crate) async fn on(client: Client, place: &Place, code: &Arc<str>) -> Result<Session, StoreError> {
        let session = Self::prepare(client, place, code.clone()).await;
        session.map_err(|error| trouble::describe(&place.shown, &error))
    }

    async fn prepare(client: Client, place: &Place, code: Arc<str>) -> Result<Session, tokio_postgres::Error> {
        client.batch_execute(&format!("SET search_path TO {}", place.schema)).await?;
        let group = prepare_all(&client, &group::STATEMENTS).await?;
        let open = prepare_all(&client, &open::STATEMENTS).await?;
        let share = prepare_all(&client, &share::STATEMENTS).await?;
        let events = prepare_all(&client, &events::STATEMENTS).await?;
        Ok(Session { client, code, group, open, share, events })
    }
}

async fn prepare_all<const N: usize>(
    client: &Client,
    sql: &[&str; N],
) -> Result<[Statement; N], tokio_postgres::Error> {
    let mut prepared = Vec::with_capacity(N);
    for text in sql {
        prepared.push(client.prepare(text).await?);
    }
    Ok(prepared.try_into().unwrap_or_else(|_| unreachable!("as many as there are texts")))
}
