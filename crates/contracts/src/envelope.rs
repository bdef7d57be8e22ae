//! How a message becomes headers and bytes, and back: CloudEvents binary mode, zstd above 1 KiB.

use crate::message::Message;

/// Bodies above this are compressed.
pub const COMPRESS_ABOVE_BYTES: usize = 1024;
/// Largest body after decompression; more is refused.
pub const MAX_BODY_BYTES: usize = 16 << 20;

pub const CE_ID: &str = "ce-id";
pub const CE_SOURCE: &str = "ce-source";
pub const CE_TYPE: &str = "ce-type";
pub const CE_SPECVERSION: &str = "ce-specversion";
pub const CE_TIME: &str = "ce-time";
pub const CE_SUBJECT: &str = "ce-subject";
pub const CONTENT_TYPE: &str = "content-type";
pub const CONTENT_ENCODING: &str = "Content-Encoding";
pub const TRACEPARENT: &str = "traceparent";

/// Why a message could not be read. The sender is at fault, or the bus.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the message is of type {found:?}, expected {expected:?}")]
    WrongType { found: String, expected: &'static str },
    #[error("Content-Encoding {0:?} is unknown; expected \"zstd\" or none")]
    UnknownEncoding(String),
    #[error("the body does not decompress, or is larger than {MAX_BODY_BYTES} bytes")]
    Decompress(#[source] std::io::Error),
    #[error("the body is not the JSON of {expected}")]
    Json {
        expected: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

/// Headers and body of a message.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Encodes; `source` is the CloudEvents source, e.g. `ottwatch/fetcher/hcm-1`.
pub fn encode<M: Message>(message: &M, source: &str, traceparent: Option<&str>) -> Result<Encoded, serde_json::Error> {
    let json = serde_json::to_vec(message)?;
    let mut headers = vec![
        (CE_SPECVERSION, "1.0".to_owned()),
        (CE_ID, message.message_id().0),
        (CE_SOURCE, source.to_owned()),
        (CE_TYPE, M::TYPE.to_owned()),
        (CE_SUBJECT, message.about()),
        (CONTENT_TYPE, "application/json".to_owned()),
    ];
    if let Some(time) = message.time() {
        headers.push((CE_TIME, time.to_string()));
    }
    if let Some(parent) = traceparent {
        headers.push((TRACEPARENT, parent.to_owned()));
    }
    let body = if json.len() > COMPRESS_ABOVE_BYTES {
        match zstd::bulk::compress(&json, 1) {
            Ok(small) if small.len() < json.len() => {
                headers.push((CONTENT_ENCODING, "zstd".to_owned()));
                small
            }
            _ => json,
        }
    } else {
        json
    };
    Ok(Encoded { headers, body })
}

/// Decodes a body given a header look-up. A missing `ce-type` is accepted (hand-made messages), a wrong one is not.
pub fn decode<'h, M: Message>(header: impl Fn(&str) -> Option<&'h str>, body: &[u8]) -> Result<M, DecodeError> {
    if let Some(found) = header(CE_TYPE)
        && found != M::TYPE
    {
        return Err(DecodeError::WrongType { found: found.to_owned(), expected: M::TYPE });
    }
    let json = decode_body(header(CONTENT_ENCODING), body)?;
    serde_json::from_slice(&json).map_err(|source| DecodeError::Json { expected: M::TYPE, source })
}

/// Undoes the content encoding, at most [`MAX_BODY_BYTES`].
pub fn decode_body<'b>(encoding: Option<&str>, body: &'b [u8]) -> Result<std::borrow::Cow<'b, [u8]>, DecodeError> {
    match encoding {
        None | Some("") | Some("identity") => Ok(body.into()),
        Some("zstd") => zstd::bulk::decompress(body, MAX_BODY_BYTES).map(Into::into).map_err(DecodeError::Decompress),
        Some(other) => Err(DecodeError::UnknownEncoding(other.to_owned())),
    }
}
