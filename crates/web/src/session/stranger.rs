use std::sync::Arc;

use futures::StreamExt as _;
use nuncio_gateway::{Holder, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::{
    Socket,
    ending::{GOODBYE, close_frame, say_goodbye},
    requests::name,
};
use crate::{
    Tokens,
    frame::{Form, Frame, Name, Said, binary, json},
};

/// Pings and the like that a stranger may say before he says who he is.
const CONTROL_FRAMES: usize = 16;

/// The token that a session stands on.
pub(crate) struct Shown {
    pub(crate) tokens: Arc<dyn Tokens>,
    pub(crate) token: String,
    /// The frame that it was shown in; `None` when it was in the request's head.
    pub(crate) in_frame: Option<Name>,
}

/// Reads who a client is that has shown neither certificate nor token: its first frame says so. Whoever calls bounds its
/// time.
pub(crate) async fn prove<S>(socket: &mut Socket<S>, tokens: &Arc<dyn Tokens>) -> Result<(Holder, Shown), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refuse = |reason: &str| Refusal::NoToken { reason: reason.to_owned() };
    let mut others = 0;
    let (form, read) = loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => break (Form::Json, json::read(&text)),
            Some(Ok(Message::Binary(body))) => break (Form::Binary, binary::read(body)),
            Some(Ok(_)) if others < CONTROL_FRAMES => others += 1,
            Some(Ok(_)) => return Err(refuse("it says pings, and not who it is")),
            Some(Err(error)) => return Err(refuse(&nuncio_plain::short(&error.to_string(), 160))),
            None => return Err(refuse("it left")),
        }
    };
    let Ok(Frame { id, said: Said::Token { token } }) = read else {
        return Err(refuse("its first frame is none with a token"));
    };
    let holder = tokens.find(&token).map_err(|reason| Refusal::NoToken { reason })?;
    let in_frame = Some(name(Some(id), form));
    Ok((holder, Shown { tokens: Arc::clone(tokens), token, in_frame }))
}

/// Says to a client why it does not come in, as far as that goes.
pub(crate) async fn dismiss<S>(socket: &mut Socket<S>, refusal: &Refusal)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.get_mut().give_up();
    say_goodbye(socket, close_frame(CloseCode::Policy, refusal), GOODBYE).await;
}
