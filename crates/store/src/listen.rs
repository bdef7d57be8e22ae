//! Notifications of Postgres (`LISTEN`), on a connection of their own.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::pool::DropGuard;
use crate::{Store, StoreError};

/// Notifications waiting to be read; more are merged into [`Notification::Lost`].
const QUEUE: usize = 256;
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Something was announced, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Payload of a `NOTIFY`.
    Said(String),
    /// We were not listening for a while (start, reconnect, reader too slow): read everything again.
    Lost,
}

/// Listens on one notification channel; reconnects by itself until dropped.
#[derive(Debug)]
pub struct Listener {
    receiver: mpsc::Receiver<Notification>,
    _task: Task,
}

#[derive(Debug)]
struct Task(tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Store {
    /// Starts to listen on `channel` (an identifier of ours, such as [`crate::CONFIG_CHANNEL`]). The first thing
    /// told is [`Notification::Lost`], once the server listens: what is read after it misses nothing.
    pub fn listen(&self, channel: &'static str) -> Result<Listener, StoreError> {
        let config = self.postgres_config()?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(async move {
            while !sender.is_closed() {
                if let Err(error) = listen_once(&config, channel, &sender).await {
                    tracing::warn!(channel, error = %error.chain(), "not listening to PostgreSQL, will connect again");
                }
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        });
        Ok(Listener { receiver, _task: Task(task) })
    }
}

async fn listen_once(
    config: &tokio_postgres::Config,
    channel: &'static str,
    sender: &mpsc::Sender<Notification>,
) -> Result<(), StoreError> {
    let (client, mut connection) = config.connect(NoTls).await.map_err(|error| StoreError::Connect(Box::new(error)))?;
    let (ended, mut end) = mpsc::channel::<()>(1);
    let out = sender.clone();
    let driver = DropGuard(tokio::spawn(async move {
        let _ended = ended;
        let mut lost = false;
        loop {
            let message = std::future::poll_fn(|cx| connection.poll_message(cx)).await;
            let Some(Ok(message)) = message else { return };
            let AsyncMessage::Notification(note) = message else { continue };
            if lost && out.try_send(Notification::Lost).is_ok() {
                lost = false;
            }
            // Full: the reader is slow and will read everything again.
            lost |= out.try_send(Notification::Said(note.payload().to_owned())).is_err();
        }
    }));
    client.batch_execute(&format!("LISTEN {channel}")).await.map_err(StoreError::query("LISTEN"))?;
    if sender.send(Notification::Lost).await.is_err() {
        return Ok(());
    }
    tokio::select! {
        _ = end.recv() => {}
        () = sender.closed() => {}
    }
    drop(driver);
    Ok(())
}

impl Listener {
    /// The next notification. `None` never comes while the listener lives. Cancel safe.
    pub async fn recv(&mut self) -> Option<Notification> {
        self.receiver.recv().await
    }
}
