//! Channels bounded in messages and in bytes.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::{
    AcquireError, OwnedSemaphorePermit, Semaphore,
    mpsc::{self, error::TrySendError},
};

/// Bound: `messages`, and `bytes` of what senders say that each counts. One that counts more than all bytes takes the
/// empty channel for itself. Senders wait, or are refused.
pub(crate) fn channel<T>(messages: usize, bytes: usize) -> (Sender<T>, Receiver<T>) {
    // Who takes messages out and keeps them keeps their room: so the bound is not the channel's.
    let (sender, receiver) = mpsc::unbounded_channel();
    let bytes = bytes.min(Semaphore::MAX_PERMITS).try_into().unwrap_or(u32::MAX);
    let [places, room] = [messages, bytes as usize].map(|permits| Arc::new(Semaphore::new(permits)));
    (Sender { sender, places, room, bytes }, Receiver(receiver))
}

/// Where messages go in.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    sender: mpsc::UnboundedSender<(T, Room)>,
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    bytes: u32,
}

/// How much of a channel is taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    room: Arc<Semaphore>,
    bytes: u32,
}

impl Taken {
    /// Bytes of messages that wait.
    pub(crate) fn held(&self) -> usize {
        (self.bytes as usize).saturating_sub(self.room.available_permits())
    }
}

/// Where messages come out.
#[derive(Debug)]
pub(crate) struct Receiver<T>(mpsc::UnboundedReceiver<(T, Room)>);

/// A place for one message.
#[derive(Debug)]
pub(crate) struct Place<'a, T>(&'a Sender<T>, Room);

/// What a message takes of a channel, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _place: OwnedSemaphorePermit,
    bytes: OwnedSemaphorePermit,
}

impl Room {
    /// Bytes that the message counts.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.num_permits()
    }
}

/// The receiver is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl<T> Sender<T> {
    /// Waits for room.
    pub(crate) async fn send(&self, message: T, bytes: usize) -> Result<(), Closed> {
        let bytes = self.room.clone().acquire_many_owned(self.count(bytes)).await?;
        let room = Room { _place: self.places.clone().acquire_owned().await?, bytes };
        self.sender.send((message, room)).map_err(|_| Closed)
    }

    /// A place, if there is room now.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Result<Place<'_, T>, TrySendError<()>> {
        if self.sender.is_closed() {
            return Err(TrySendError::Closed(()));
        }
        let place = self.places.clone().try_acquire_owned();
        let bytes = self.room.clone().try_acquire_many_owned(self.count(bytes));
        let (Ok(place), Ok(bytes)) = (place, bytes) else { return Err(TrySendError::Full(())) };
        Ok(Place(self, Room { _place: place, bytes }))
    }

    /// Messages and bytes that there is room for.
    pub(crate) fn room(&self) -> (usize, usize) {
        (self.places.available_permits(), self.room.available_permits())
    }

    pub(crate) fn taken(&self) -> Taken {
        Taken { room: Arc::clone(&self.room), bytes: self.bytes }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn count(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), places: self.places.clone(), room: self.room.clone(), bytes: self.bytes }
    }
}

impl<T> Receiver<T> {
    /// The next message, which keeps its room for now; `None` once all senders are gone.
    pub(crate) async fn recv_with_room(&mut self) -> Option<(T, Room)> {
        self.0.recv().await
    }

    /// The same, if it is here.
    pub(crate) fn try_recv_with_room(&mut self) -> Option<(T, Room)> {
        self.0.try_recv().ok()
    }

    /// Whether none is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next message, to be polled.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx).map(|message| message.map(|(message, _)| message))
    }
}

impl<T> Place<'_, T> {
    pub(crate) fn send(self, message: T) {
        let Self(sender, room) = self;
        // Nobody hears it any more if it is not taken.
        let _ = sender.sender.send((message, room));
    }
}

impl From<AcquireError> for Closed {
    fn from(_: AcquireError) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn a_channel_holds_so_many_bytes_and_so_many_messages() {
        let (sender, mut receiver) = channel(3, 100);
        sender.send('a', 60).await.unwrap();
        assert!(matches!(sender.try_reserve(41), Err(TrySendError::Full(()))), "bytes");
        sender.send('b', 40).await.unwrap();
        assert!(sender.send('c', 1).now_or_never().is_none());
        sender.send('d', 0).await.unwrap();
        assert!(matches!(sender.try_reserve(0), Err(TrySendError::Full(()))), "messages");
        assert_eq!(receiver.recv_with_room().await.map(|(message, _)| message), Some('a'));
        sender.try_reserve(60).unwrap().send('e');
    }

    #[tokio::test]
    async fn a_message_larger_than_the_channel_takes_it_for_itself() {
        let (sender, mut receiver) = channel(3, 100);
        sender.send('a', 1).await.unwrap();
        let mut large = std::pin::pin!(sender.send('b', 1 << 40));
        assert!(poll!(large.as_mut()).is_pending());
        assert_eq!(receiver.recv_with_room().await.map(|(message, _)| message), Some('a'));
        assert!(poll!(large.as_mut()).is_ready());
        assert!(sender.try_reserve(1).is_err());
        assert_eq!(receiver.try_recv_with_room().map(|(message, _)| message), Some('b'));
    }

    #[tokio::test]
    async fn who_waits_for_room_is_told_when_the_receiver_goes() {
        let (sender, receiver) = channel(3, 100);
        sender.send('a', 100).await.unwrap();
        let mut waiting = std::pin::pin!(sender.send('b', 100));
        assert!(poll!(waiting.as_mut()).is_pending());
        drop(receiver);
        assert_eq!(waiting.await, Err(Closed));
        assert!(sender.is_closed());
    }
}
