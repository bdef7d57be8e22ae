//! A small real SMTP server: EHLO, STARTTLS, AUTH PLAIN and LOGIN, one message after another, errors on request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::AbortOnDropHandle;

/// Largest message taken.
const MAX_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpSecurity {
    #[default]
    None,
    StartTls,
    Tls,
}

#[derive(Debug, Clone, Default)]
pub struct SmtpOptions {
    pub security: SmtpSecurity,
    /// Name and password that must be given.
    pub login: Option<(String, String)>,
}

/// A message as it was taken.
#[derive(Debug, Clone)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body as sent, dots unstuffed.
    pub raw: String,
    pub tls: bool,
}

impl Mail {
    /// Value of a header, unfolded; not decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// Subject with its encoded words decoded (base64 and Q, UTF-8).
    pub fn subject(&self) -> String {
        decode_words(&self.header("Subject").unwrap_or_default())
    }

    /// Body with soft line breaks and `=XX` of quoted-printable, or base64 parts, decoded as far as tests need it.
    pub fn text(&self) -> String {
        let body = self.raw.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let mut out = String::new();
        for part in body.split("\r\n\r\n") {
            let packed: String = part.split_whitespace().collect();
            match STANDARD.decode(&packed).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) if packed.len() > 40 => out.push_str(&text),
                _ => out.push_str(&unquote(&part.replace("=\r\n", ""), '=')),
            }
            out.push_str("\n\n");
        }
        out
    }
}

fn decode_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let parts: Vec<&str> = from[2..].splitn(4, '?').collect();
        let [_, kind, payload, tail] = parts[..] else { break };
        // White space between two encoded words is none (RFC 2047 §6.2).
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        match kind {
            "b" | "B" => {
                out.push_str(
                    &STANDARD.decode(payload).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default(),
                );
            }
            _ => out.push_str(&unquote(&payload.replace('_', " "), '=')),
        }
        rest = tail.strip_prefix('=').unwrap_or(tail);
        after_word = true;
    }
    out + rest
}

fn unquote(text: &str, mark: char) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(mark as u8);
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Default)]
struct Shared {
    mails: Mutex<Vec<Mail>>,
    faults: Mutex<VecDeque<String>>,
}

/// The server. Ends with this value.
pub struct SmtpSink {
    address: SocketAddr,
    ca_pem: String,
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

impl SmtpSink {
    pub async fn start(options: SmtpOptions) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        let key = tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let shared = Arc::new(Shared::default());
        let (state, options) = (shared.clone(), Arc::new(options));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, options, acceptor) = (state.clone(), options.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let talk = serve(stream, &state, &options, &acceptor);
                    let _ = tokio::time::timeout(Duration::from_secs(60), talk).await;
                });
            }
        });
        Ok(Self { address, ca_pem: made.cert.pem(), shared, _task: AbortOnDropHandle::new(task) })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate to trust (for `localhost`).
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The next messages are answered with these lines (`451 4.7.1 later`) and not taken.
    pub fn fail_next(&self, answers: impl IntoIterator<Item = &'static str>) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.extend(answers.into_iter().map(ToOwned::to_owned));
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub async fn wait(&self, what: &str, limit: Duration, enough: impl Fn(&[Mail]) -> bool) -> Vec<Mail> {
        super::until(what, limit, || {
            let mails = self.mails();
            if enough(&mails) { Ok(mails) } else { Err(format!("the mail server has {mails:?}")) }
        })
        .await
    }
}

async fn serve(stream: TcpStream, shared: &Shared, options: &SmtpOptions, acceptor: &TlsAcceptor) -> Result<()> {
    if options.security == SmtpSecurity::Tls {
        return talk(acceptor.accept(stream).await?, shared, options, true, true).await.map(drop);
    }
    if let Some(plain) = talk(stream, shared, options, false, true).await? {
        talk(acceptor.accept(plain).await?, shared, options, true, false).await?;
    }
    Ok(())
}

/// One conversation. Gives the stream back when the client has asked for TLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
    options: &SmtpOptions,
    tls: bool,
    greet: bool,
) -> Result<Option<S>> {
    let mut io = BufReader::new(stream);
    if greet {
        say(&mut io, "220 sink ESMTP").await?;
    }
    let mut known = options.login.is_none();
    let (mut from, mut to) = (String::new(), Vec::new());
    loop {
        let Some(line) = line(&mut io).await? else { return Ok(None) };
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let mut answer = vec!["sink".to_owned(), "8BITMIME".to_owned(), "SMTPUTF8".to_owned()];
                if options.security == SmtpSecurity::StartTls && !tls {
                    answer.push("STARTTLS".to_owned());
                } else if options.login.is_some() {
                    answer.push("AUTH PLAIN LOGIN".to_owned());
                }
                for (n, word) in answer.iter().enumerate() {
                    let mark = if n + 1 == answer.len() { ' ' } else { '-' };
                    say(&mut io, &format!("250{mark}{word}")).await?;
                }
            }
            "HELO" | "NOOP" | "RSET" => say(&mut io, "250 ok").await?,
            "STAR" if options.security == SmtpSecurity::StartTls && !tls => {
                say(&mut io, "220 go on").await?;
                return Ok(Some(io.into_inner()));
            }
            "AUTH" => {
                known = login(&mut io, &line, options).await?;
                say(&mut io, if known { "235 welcome" } else { "535 5.7.8 authentication failed" }).await?;
            }
            "MAIL" if options.security == SmtpSecurity::StartTls && !tls => {
                say(&mut io, "530 5.7.0 STARTTLS first").await?
            }
            "MAIL" if !known => say(&mut io, "530 5.7.0 authentication required").await?,
            "MAIL" => {
                (from, to) = (address(&line), Vec::new());
                say(&mut io, "250 ok").await?;
            }
            "RCPT" => {
                to.push(address(&line));
                say(&mut io, "250 ok").await?;
            }
            "DATA" => {
                say(&mut io, "354 end with a dot").await?;
                let mut raw = String::new();
                while let Some(line) = self::line(&mut io).await?.filter(|l| l != ".") {
                    anyhow::ensure!(raw.len() < MAX_BYTES, "message too large");
                    raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                    raw.push_str("\r\n");
                }
                let fault = shared.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                if let Some(answer) = fault {
                    say(&mut io, &answer).await?;
                    continue;
                }
                let mail = Mail { from: from.clone(), to: to.clone(), raw, tls };
                shared.mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                say(&mut io, "250 2.0.0 queued").await?;
            }
            "QUIT" => {
                say(&mut io, "221 bye").await?;
                return Ok(None);
            }
            _ => say(&mut io, "502 not known").await?,
        }
    }
}

async fn login<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut BufReader<S>,
    line: &str,
    options: &SmtpOptions,
) -> Result<bool> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = |b64: &str| STANDARD.decode(b64).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let given = if words.get(1).is_some_and(|w| w.eq_ignore_ascii_case("LOGIN")) {
        say(io, "334 VXNlcm5hbWU6").await?;
        let name = text(&self::line(io).await?.unwrap_or_default());
        say(io, "334 UGFzc3dvcmQ6").await?;
        (name, text(&self::line(io).await?.unwrap_or_default()))
    } else {
        let packed = text(words.get(2).copied().unwrap_or_default());
        let mut parts = packed.split('\0').skip(1);
        (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned())
    };
    Ok(options.login.as_ref().is_none_or(|expected| *expected == given))
}

fn address(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address).to_owned()
}

async fn line<S: AsyncRead + Unpin>(io: &mut BufReader<S>) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    if io.read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()))
}

async fn say<S: AsyncWrite + AsyncRead + Unpin>(io: &mut BufReader<S>, text: &str) -> Result<()> {
    io.get_mut().write_all(format!("{text}\r\n").as_bytes()).await?;
    Ok(io.get_mut().flush().await?)
}
