use std::{net::SocketAddr, time::Duration};

use rustls_pki_types::UnixTime;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{capture::read_until, tcp};
use crate::{HttpAnswer, Target};

/// Most bytes read of an answer: its head.
const MAX_HEAD: usize = 8 << 10;

/// Longest status line that is kept, in characters.
const MAX_STATUS: usize = 80;

pub(super) async fn ask_plain(address: SocketAddr, target: &Target, patience: Duration) -> Option<HttpAnswer> {
    ask(tcp::connect(address, patience).await?, target, patience).await
}

/// Asks for the head of `/`; `None` when the answer is not HTTP.
pub(super) async fn ask<S>(mut stream: S, target: &Target, patience: Duration) -> Option<HttpAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let question = format!("HEAD / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    timeout(patience, async {
        stream.write_all(question.as_bytes()).await?;
        stream.flush().await
    })
    .await
    .ok()?
    .ok()?;
    let whole = |bytes: &[u8]| bytes.windows(4).any(|window| window == b"\r\n\r\n");
    let (head, _) = read_until(&mut stream, MAX_HEAD, Instant::now() + patience, whole).await;
    parse(&head, UnixTime::now())
}

/// Reads the head of an answer.
pub(super) fn parse(head: &[u8], received: UnixTime) -> Option<HttpAnswer> {
    let text = String::from_utf8_lossy(head.strip_prefix(b"HTTP/").map(|_| head)?);
    let mut lines = text.lines();
    let status: String = nuncio_plain::short(lines.next()?, MAX_STATUS);
    let date = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("date"))
        .and_then(|(_, value)| instant(value.trim()));
    Some(HttpAnswer { status, date, received })
}

fn instant(date: &str) -> Option<UnixTime> {
    let parsed = jiff::fmt::rfc2822::parse(date).ok()?;
    let seconds = u64::try_from(parsed.timestamp().as_second()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_date_are_read_and_nothing_else_is_http() {
        let now = UnixTime::now();
        let head = b"HTTP/1.1 404 Not Found\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nDate: no";
        let answer = parse(head, now).unwrap();
        assert_eq!(answer.status, "HTTP/1.1 404 Not Found");
        assert_eq!(answer.date.map(|date| date.as_secs()), Some(784_111_777));
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nDate: soon\r\n\r\n", now).unwrap().date, None);
        assert_eq!(parse(b"SSH-2.0-OpenSSH", now), None);
    }
}
