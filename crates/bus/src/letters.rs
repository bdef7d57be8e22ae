//! Dead letters as people look at them: read, sent again, thrown away.

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use ow_contracts::envelope::{self, DecodeError};
use ow_contracts::{DeadLetter, Message};
use ow_domain::Time;
use ow_domain::error::chain;

use crate::publish::Outgoing;
use crate::{Bus, BusError, Published, StreamName};

/// Letters asked for at once.
const SIDE_BY_SIDE: usize = 32;
/// Letters looked at for one page: with a filter that few meet, a page may be short and still have a next one.
const MOST_LOOKED_AT: u64 = 2_000;
/// Headers that the server reads or that stand for one delivery: they do not belong to the message.
const NOT_REPEATED: [&str; 2] = ["nats-", "status"];

/// A dead letter in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct BuriedLetter {
    /// Its number among the dead letters.
    pub number: u64,
    pub buried_at: Time,
    pub letter: DeadLetter,
}

impl BuriedLetter {
    /// The message as it was; `None` when it was too large to be kept.
    pub fn payload(&self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD.decode(&self.letter.payload_base64).ok()?;
        (!payload.is_empty()).then_some(payload)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.letter.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Reads the message in it.
    pub fn decode<M: Message>(&self) -> Result<M, DecodeError> {
        envelope::decode(|name| self.header(name), &self.payload().unwrap_or_default())
    }

    /// The JSON of the message as text, for showing it; `None` when it is not to be had.
    pub fn body(&self) -> Option<String> {
        let payload = self.payload()?;
        let body = envelope::decode_body(self.header(envelope::CONTENT_ENCODING), &payload).ok()?;
        Some(String::from_utf8_lossy(&body).into_owned())
    }
}

/// Newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LetterPage {
    pub letters: Vec<BuriedLetter>,
    /// Numbers below this are on the next page. `None`: there are no more.
    pub next: Option<u64>,
}

impl Bus {
    /// At most `limit` dead letters that `wanted` admits, newest first, with numbers below `before`.
    pub async fn dead_letters(
        &self,
        before: Option<u64>,
        limit: usize,
        wanted: impl Fn(&BuriedLetter) -> bool,
    ) -> Result<LetterPage, BusError> {
        let stream = self.dead_stream().await?;
        let state = stream.get_info().await.map_err(BusError::request("look at the dead letters"))?.state;
        if state.messages == 0 {
            return Ok(LetterPage::default());
        }
        let first = state.first_sequence.max(1);
        let top = before.map_or(state.last_sequence, |before| before.saturating_sub(1).min(state.last_sequence));
        let least = first.max((top + 1).saturating_sub(MOST_LOOKED_AT));
        let mut page = LetterPage::default();
        let mut found = stream::iter((least..=top).rev())
            .map(|number| {
                let stream = &stream;
                async move { (number, letter(stream, number).await) }
            })
            .buffered(SIDE_BY_SIDE);
        while let Some((number, letter)) = found.next().await {
            let Some(letter) = letter?.filter(|letter| wanted(letter)) else { continue };
            page.letters.push(letter);
            if page.letters.len() >= limit {
                page.next = (number > first).then_some(number);
                return Ok(page);
            }
        }
        page.next = (least > first && top >= least).then_some(least);
        Ok(page)
    }

    /// One dead letter; `None` when there is none of this number (any more).
    pub async fn dead_letter(&self, number: u64) -> Result<Option<BuriedLetter>, BusError> {
        letter(&self.dead_stream().await?, number).await
    }

    /// Puts the message back where it was, as it was, and takes the letter away. Whoever gave it up sees it as a new
    /// one. `None`: the letter does not hold its message.
    pub async fn retry_letter(&self, buried: &BuriedLetter) -> Result<Option<Published>, BusError> {
        let Some(payload) = buried.payload() else { return Ok(None) };
        let mut message = PublishMessage::build().payload(Bytes::from(payload));
        for (name, value) in &buried.letter.headers {
            let lower = name.to_ascii_lowercase();
            if !NOT_REPEATED.iter().any(|prefix| lower.starts_with(prefix)) {
                message = message.header(name.as_str(), value.as_str());
            }
        }
        let subject = self.inner.prefix.subject(&buried.letter.subject);
        // Its old id may still be remembered by the server, which would drop it.
        let id = format!("{}/again/{}", buried.letter.message_id().0, buried.number);
        let published = self.send(Outgoing { subject, message: message.message_id(id) }).await?;
        self.discard_letter(buried.number).await?;
        Ok(Some(published))
    }

    /// Takes a letter away; `false` when it was not there.
    pub async fn discard_letter(&self, number: u64) -> Result<bool, BusError> {
        let stream = self.dead_stream().await?;
        match stream.delete_message(number).await {
            Ok(deleted) => Ok(deleted),
            // The server has one word for all that is not there.
            Err(error) => match self.dead_letter(number).await? {
                None => Ok(false),
                Some(_) => Err(BusError::request("delete a dead letter")(error)),
            },
        }
    }

    /// Publishes a message another time although its id is still remembered: `nth` tells the times apart.
    pub async fn publish_again<M: Message>(&self, message: &M, nth: u32) -> Result<Published, BusError> {
        let Outgoing { subject, message: made } = self.outgoing(message)?;
        let id = format!("{}/again/{nth}", message.message_id().0);
        self.send(Outgoing { subject, message: made.message_id(id) }).await
    }

    async fn dead_stream(&self) -> Result<Stream<()>, BusError> {
        self.stream(&self.stream_name(StreamName::Dead)).await
    }
}

async fn letter(stream: &Stream<()>, number: u64) -> Result<Option<BuriedLetter>, BusError> {
    let message = match stream.direct_get(number).await {
        Ok(message) => message,
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BusError::request("read a dead letter")(error)),
    };
    let headers = &message.headers;
    let read =
        envelope::decode::<DeadLetter>(|name| headers.get(name).map(async_nats::HeaderValue::as_str), &message.payload);
    let buried_at = crate::time::from_nats(message.time);
    let letter = read.unwrap_or_else(|error| DeadLetter {
        stream: String::new(),
        subject: message.subject.to_string(),
        seq: number,
        consumer: String::new(),
        reason: format!("the letter itself cannot be read: {}", chain(&error)),
        at: buried_at,
        headers: Vec::new(),
        payload_base64: String::new(),
    });
    Ok(Some(BuriedLetter { number, buried_at, letter }))
}
