use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::core::StreamMuxer;
use tokio::io::DuplexStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::{
    broken::StreamsError,
    connection::MAX_STREAMS,
    frame::{Frame, HEAD, Kind},
    streams::{Stream, Streams},
    window::INITIAL,
};
use crate::multiplexer::WINDOW;

type Pipe = Compat<DuplexStream>;
type End = Streams<Pipe>;

fn pipe(room: usize) -> (Pipe, Pipe) {
    let (near, far) = tokio::io::duplex(room);
    (near.compat(), far.compat())
}

fn pair(room: usize) -> [End; 2] {
    let (near, far) = pipe(room);
    [Streams::over(near, true), Streams::over(far, false)]
}

fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn turn(end: &mut End) -> Poll<StreamsError> {
    Pin::new(end).poll(&mut idle()).map(|event| event.expect_err("no other event"))
}

fn open(end: &mut End) -> Result<Stream<Pipe>, StreamsError> {
    match Pin::new(end).poll_outbound(&mut idle()) {
        Poll::Ready(opened) => opened,
        Poll::Pending => panic!("it never waits"),
    }
}

fn accept(end: &mut End) -> Option<Stream<Pipe>> {
    match Pin::new(end).poll_inbound(&mut idle()) {
        Poll::Ready(accepted) => Some(accepted.expect("it lives")),
        Poll::Pending => None,
    }
}

/// What the far end makes of these bytes.
async fn told(bytes: &[u8]) -> Poll<StreamsError> {
    let (mut near, far) = pipe(bytes.len().max(1));
    let mut own = Streams::over(far, false);
    near.write_all(bytes).await.expect("there is room");
    // Several turns: it reads only so much in one.
    for _ in 0..1000 {
        if let Poll::Ready(reason) = turn(&mut own) {
            return Poll::Ready(reason);
        }
        while accept(&mut own).is_some() {}
    }
    Poll::Pending
}

fn frames(frames: &[(u32, Kind)]) -> Vec<u8> {
    frames.iter().flat_map(|&(stream, kind)| Frame { stream, kind }.encode()).collect()
}

#[tokio::test]
async fn whoever_breaks_a_rule_ends_the_connection_and_no_more() {
    let ended = |reason: Poll<StreamsError>| matches!(reason, Poll::Ready(StreamsError::Rule(_)));
    for (broken, rule) in [
        (vec![(2, Kind::Open)], "a number of the other side"),
        (vec![(1, Kind::Open), (1, Kind::Open)], "one number twice"),
        (vec![(5, Kind::Open), (3, Kind::Open)], "numbers that fall"),
        (vec![(u32::MAX, Kind::Open), (u32::MAX, Kind::Open)], "the last number twice"),
        (vec![(u32::MAX, Kind::Open), (u32::MAX - 1, Kind::Open)], "a number of the other side, behind the last one"),
        (vec![(1, Kind::Data(1))], "data on no stream"),
        (vec![(2, Kind::Data(1))], "data on a stream that this side never opened"),
        (vec![(1, Kind::Finish)], "the end of no stream"),
        (vec![(2, Kind::Credit(1))], "credit for a stream that this side never opened"),
        (vec![(1, Kind::Open), (1, Kind::Finish), (1, Kind::Data(1))], "data behind the end"),
        (vec![(1, Kind::Open), (1, Kind::Reset), (1, Kind::Finish)], "two ends"),
        (vec![(1, Kind::Open), (1, Kind::Data(INITIAL + 1))], "more than the window"),
        (vec![(1, Kind::Open), (1, Kind::Credit((1 << 24) - 1))], "more credit than can be"),
    ] {
        assert!(ended(told(&frames(&broken)).await), "{rule}");
    }
    assert!(ended(told(&[9; HEAD]).await), "no frame");
    let crowd = |count: usize| (0..count).map(|n| (2 * n as u32 + 1, Kind::Open)).collect::<Vec<_>>();
    let of_streams_in_use = |count| async move {
        let (mut near, far) = pipe(1 << 20);
        let (mut own, mut kept) = (Streams::over(far, false), Vec::new());
        near.write_all(&frames(&crowd(count))).await.expect("there is room");
        let outcome = turn(&mut own);
        kept.extend(std::iter::from_fn(|| accept(&mut own)));
        outcome
    };
    assert!(of_streams_in_use(MAX_STREAMS).await.is_pending());
    assert!(matches!(of_streams_in_use(MAX_STREAMS + 1).await, Poll::Ready(StreamsError::TooMany)));
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_for_ever_cost_a_bounded_room_with_a_peer_that_reads_nothing() {
    let (mut near, far) = pipe(64);
    let mut own = Streams::over(far, false);
    let mut ended = None;
    for n in 0..100_000_u32 {
        let _ = near.write_all(&frames(&[(2 * n + 1, Kind::Open), (2 * n + 1, Kind::Reset)])).await;
        while accept(&mut own).is_some() {}
        if let Poll::Ready(reason) = turn(&mut own) {
            ended = Some((n, reason));
            break;
        }
    }
    assert!(matches!(ended, Some((_, StreamsError::TooMany))), "what it would be told waits: {ended:?}");
}

#[test]
fn a_peer_that_is_not_read_sends_no_more_than_the_window_on_all_its_streams() {
    const PIPE: usize = 64 << 10;
    let [mut peer, mut own] = pair(PIPE);
    let cx = &mut idle();
    let (mut streams, mut taken, mut sent, mut unmoved) = (Vec::new(), Vec::new(), 0, 0);
    while unmoved < 100 {
        let before = sent;
        if streams.len() < MAX_STREAMS {
            streams.push(open(&mut peer).expect("there may be more"));
        }
        for stream in &mut streams {
            if let Poll::Ready(Ok(written)) = Pin::new(stream).poll_write(cx, &[0; 16 << 10]) {
                sent += written;
            }
        }
        for end in [&mut peer, &mut own] {
            assert!(turn(end).is_pending(), "it lives");
        }
        taken.extend(accept(&mut own));
        unmoved = if sent == before { unmoved + 1 } else { 0 };
    }
    assert_eq!((streams.len(), taken.len(), sent), (MAX_STREAMS, MAX_STREAMS, MAX_STREAMS * INITIAL));
    assert!(sent <= WINDOW && open(&mut peer).is_err());
}

#[test]
fn a_stream_that_is_not_read_holds_up_no_other_and_none_writes_all_the_time() {
    let [mut peer, mut own] = pair(32 << 10);
    let cx = &mut idle();
    let mut out: Vec<_> = (0..4).map(|_| open(&mut peer).expect("there may be more")).collect();
    let (mut taken, mut read, mut buffer) = (Vec::new(), [0; 4], vec![0; 64 << 10]);
    for _ in 0..2000 {
        for stream in &mut out {
            while Pin::new(&mut *stream).poll_write(cx, &[7; 40_000]).is_ready() {}
        }
        assert!(turn(&mut peer).is_pending() && turn(&mut own).is_pending());
        taken.extend(accept(&mut own));
        for (n, stream) in taken.iter_mut().enumerate().skip(1) {
            while let Poll::Ready(Ok(bytes)) = Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                read[n] += bytes;
            }
        }
    }
    let (least, most) = (read[1..].iter().min().unwrap(), read[1..].iter().max().unwrap());
    assert!(*least > 1 << 20 && most / least < 2, "{read:?}");
    assert_eq!(read[0], 0);
}

#[test]
fn who_writes_little_waits_for_no_other_and_those_who_write_much_go_on() {
    let [mut peer, mut own] = pair(32 << 10);
    let cx = &mut idle();
    let mut much: Vec<_> = (0..4).map(|_| open(&mut peer).expect("there may be more")).collect();
    let mut little = open(&mut peer).expect("there may be more");
    let (mut taken, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let (mut waits, mut waited, mut written, mut moved) = (0, 0, [0; 4], 0);
    for round in 0..4000 {
        let wants = round % 10 == 9 || waits > 0;
        // It comes last each time.
        for (n, stream) in much.iter_mut().enumerate() {
            while let Poll::Ready(Ok(bytes)) = Pin::new(&mut *stream).poll_write(cx, &[7; 40_000]) {
                written[n] += bytes;
                waits += if waits > 0 { bytes } else { 0 };
            }
        }
        if wants {
            match Pin::new(&mut little).poll_write(cx, &[1; 100]) {
                Poll::Ready(bytes) => {
                    moved += bytes.expect("it lives");
                    (waits, waited) = (0, waited.max(waits));
                }
                Poll::Pending => waits = waits.max(1),
            }
        }
        assert!(turn(&mut peer).is_pending() && turn(&mut own).is_pending());
        taken.extend(accept(&mut own));
        for stream in &mut taken {
            while let Poll::Ready(Ok(1..)) = Pin::new(&mut *stream).poll_read(cx, &mut buffer) {}
        }
    }
    assert!(moved > 10_000, "{moved}");
    assert!(waited <= 1, "{waited} bytes of others went first");
    let (least, most) = (written.iter().min().unwrap(), written.iter().max().unwrap());
    assert!(*least > 1 << 20 && most / least < 2, "{written:?}");
}

/// Writes what it was given on each stream, in pieces of all lengths, and closes.
async fn send(mut stream: impl AsyncWrite + Unpin, content: Vec<u8>, piece: usize) {
    for piece in content.chunks(piece) {
        stream.write_all(piece).await.expect("it is read");
        stream.flush().await.expect("it is read");
    }
    stream.close().await.expect("it is read");
}

async fn receive(mut stream: impl AsyncRead + Unpin, room: usize) -> Vec<u8> {
    let (mut content, mut buffer) = (Vec::new(), vec![0; room]);
    loop {
        match stream.read(&mut buffer).await.expect("it is written") {
            0 => return content,
            read => content.extend_from_slice(&buffer[..read]),
        }
    }
}

#[tokio::test]
async fn whatever_is_written_is_read_in_order_and_to_its_end_on_every_stream() {
    for (room, seed) in [(1, 1_u64), (100, 2), (5000, 3), (64 << 10, 4), (1 << 20, 5)] {
        let [mut near, mut far] = pair(room);
        let scale = if room < 100 { 1000 } else { 100_000 };
        let mut expected = BTreeMap::new();
        let mut tasks = Vec::new();
        for n in 0..8_u64 {
            let stream = open(&mut near).expect("there may be more");
            let length = (n * seed * 7919 % 7) as usize * scale + n as usize + 1;
            let content: Vec<u8> =
                std::iter::once(n as u8).chain((1..length as u64).map(|at| ((at * (n + seed)) >> 3) as u8)).collect();
            expected.insert(n as u8, content.clone());
            tasks.push(tokio::spawn(send(stream, content, [1000, 64 << 10, 5000, 300_000][n as usize % 4])));
        }
        let driver = tokio::spawn(async move {
            let closed = std::future::poll_fn(|cx| Pin::new(&mut near).poll(cx)).await;
            assert!(matches!(closed, Err(StreamsError::Closed)));
        });
        let mut readers = Vec::new();
        while readers.len() < expected.len() {
            let stream = std::future::poll_fn(|cx| {
                if let Poll::Ready(Err(reason)) = Pin::new(&mut far).poll(cx) {
                    panic!("{reason}");
                }
                Pin::new(&mut far).poll_inbound(cx)
            });
            let stream = stream.await.expect("it lives");
            readers.push(tokio::spawn(receive(stream, [10, 70_000, 4000][readers.len() % 3])));
        }
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let drive = tokio::spawn(async move {
            std::future::poll_fn(|cx| {
                assert!(Pin::new(&mut far).poll(cx).is_pending(), "it lives");
                Pin::new(&mut stopped).poll(cx).map(drop)
            })
            .await;
            std::future::poll_fn(|cx| Pin::new(&mut far).poll_close(cx)).await.expect("it closes");
        });
        for reader in readers {
            let content = reader.await.expect("it ends");
            assert_eq!(Some(&content), expected.get(&content[0]), "room {room}");
        }
        for task in tasks {
            task.await.expect("it ends");
        }
        stop.send(()).expect("it waits");
        drive.await.expect("it ends");
        driver.await.expect("it ends");
    }
}

#[test]
fn streams_that_have_ended_are_forgotten_by_both_sides() {
    let [mut near, mut far] = pair(4096);
    for n in 0..10 * MAX_STREAMS {
        let mut stream = open(&mut near).expect("those before are gone");
        assert!(Pin::new(&mut stream).poll_write(&mut idle(), &[1; 1000]).is_ready());
        if n % 2 == 0 {
            assert!(Pin::new(&mut stream).poll_close(&mut idle()).is_ready());
        }
        let _ = turn(&mut near);
        assert!(turn(&mut far).is_pending());
        let theirs = accept(&mut far).expect("it was opened");
        drop(stream);
        for _ in 0..3 {
            assert!(turn(&mut near).is_pending() && turn(&mut far).is_pending());
        }
        drop(theirs);
        for _ in 0..3 {
            assert!(turn(&mut near).is_pending() && turn(&mut far).is_pending());
        }
    }
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_stream_is_woken_when_another_reads_its_data_of_the_socket() {
    let [mut near, mut far] = pair(4096);
    let (mut first, mut second) = (open(&mut near).unwrap(), open(&mut near).unwrap());
    let _ = (turn(&mut near), turn(&mut far));
    let (mut own_first, mut own_second) = (accept(&mut far).unwrap(), accept(&mut far).unwrap());
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let mut buffer = [0; 16];
    assert!(Pin::new(&mut own_second).poll_read(&mut Context::from_waker(&waker), &mut buffer).is_pending());
    assert!(Pin::new(&mut second).poll_write(&mut idle(), b"second").is_ready());
    assert!(Pin::new(&mut first).poll_write(&mut idle(), b"first").is_ready());
    let _ = turn(&mut near);
    let before = woken.0.load(Ordering::SeqCst);
    assert!(matches!(Pin::new(&mut own_first).poll_read(&mut idle(), &mut buffer), Poll::Ready(Ok(5))));
    assert!(woken.0.load(Ordering::SeqCst) > before);
    assert!(matches!(
        Pin::new(&mut own_second).poll_read(&mut Context::from_waker(&waker), &mut buffer),
        Poll::Ready(Ok(6))
    ));
}

#[tokio::test]
async fn long_data_is_left_to_its_reader_and_comes_to_the_connection_where_nobody_reads() {
    const LENGTH: usize = 48 << 10;
    let (mut near, far) = pipe(HEAD + LENGTH);
    let mut far = Streams::over(far, false);
    near.write_all(&frames(&[(1, Kind::Open), (3, Kind::Open)])).await.expect("there is room");
    let _ = turn(&mut far);
    let (mut other, mut own) = (accept(&mut far).expect("open"), accept(&mut far).expect("open"));
    let mut buffer = vec![0; LENGTH];
    for is_read in [true, false] {
        near.write_all(&frames(&[(3, Kind::Data(LENGTH))])).await.expect("there is room");
        near.write_all(&vec![7; LENGTH]).await.expect("there is room");
        assert!(Pin::new(&mut other).poll_read(&mut idle(), &mut [0; 16]).is_pending());
        if !is_read {
            let _ = turn(&mut far);
        }
        let Poll::Ready(Ok(kept)) = Pin::new(&mut own).poll_read(&mut idle(), &mut buffer) else { panic!("it came") };
        assert_eq!(kept < LENGTH / 2, is_read, "{kept} bytes were put aside");
        own.read_exact(&mut buffer[kept..]).await.expect("it came");
        assert!(buffer.iter().all(|byte| *byte == 7));
        buffer.fill(0);
    }
}

#[tokio::test]
async fn whoever_polls_its_streams_after_the_connection_gets_all_the_same() {
    let [mut near, mut far] = pair(1000);
    let mut stream = open(&mut near).expect("there may be more");
    let content: Vec<u8> = (0..500_000_u32).map(|at| (at >> 4) as u8).collect();
    let (expected, mut words) = (content.clone(), Vec::new());
    let writing = async {
        let writing = send(&mut stream, content, 30_000);
        tokio::pin!(writing);
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut near).poll(cx).is_pending(), "it lives");
            writing.as_mut().poll(cx)
        })
        .await;
        // Its end is still to be read.
        std::future::poll_fn(|cx| Pin::new(&mut near).poll(cx)).await.expect_err("no other event")
    };
    let reading = async {
        let mut own = std::future::poll_fn(|cx| Pin::new(&mut far).poll_inbound(cx)).await.expect("it lives");
        let reading = own.read_to_end(&mut words);
        tokio::pin!(reading);
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut far).poll(cx).is_pending(), "it lives");
            reading.as_mut().poll(cx)
        })
        .await
        .expect("it is written");
    };
    tokio::select! {
        reason = writing => panic!("{reason}"),
        () = reading => {}
    }
    assert_eq!(words, expected);
}

#[tokio::test]
async fn a_task_that_reads_once_and_no_more_leaves_the_socket_to_the_connections_own() {
    let [mut near, mut far] = pair(1000);
    let [mut once, mut often] =
        [open(&mut near).expect("there may be more"), open(&mut near).expect("there may be more")];
    let (taken, mut streams) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(std::future::poll_fn(move |cx| {
        while let Poll::Ready(stream) = Pin::new(&mut far).poll_inbound(cx) {
            taken.send(stream.expect("it lives")).expect("it is taken");
        }
        Pin::new(&mut far).poll(cx).map(|_| panic!("it lives"))
    }));
    let driving =
        tokio::spawn(std::future::poll_fn(move |cx| Pin::new(&mut near).poll(cx).map(|_| panic!("it lives"))));
    let mut own = Vec::new();
    for stream in [&mut once, &mut often] {
        stream.write_all(b"?").await.expect("it is read");
        stream.flush().await.expect("it is read");
        own.push(streams.recv().await.expect("it comes"));
    }
    let mut buffer = [0; 1];
    own[0].read_exact(&mut buffer).await.expect("it is written");
    let waiting = tokio::spawn(async move {
        let mut words = Vec::new();
        often.read_to_end(&mut words).await.expect("it is written");
        words
    });
    tokio::task::yield_now().await;
    // The last to ask the socket reads once, and nothing afterwards.
    let last = tokio::spawn(async move {
        let mut buffer = [0; 1];
        once.read_exact(&mut buffer).await.expect("it is written");
        once
    });
    tokio::task::yield_now().await;
    own[0].write_all(b"!").await.expect("it is read");
    own[0].flush().await.expect("it is read");
    let _once = last.await.expect("it ends");
    let sent = vec![7; 60_000];
    own[1].write_all(&sent).await.expect("it is read");
    own[1].flush().await.expect("it is read");
    own[1].close().await.expect("it is read");
    let words =
        tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.expect("somebody reads the socket");
    assert_eq!(words.expect("it ends"), sent);
    drop((serving, driving));
}

#[tokio::test]
async fn behind_the_last_number_there_is_none_on_either_side() {
    let last = |is_dialer| if is_dialer { u32::MAX - 1 } else { u32::MAX };
    for is_dialer in [true, false] {
        let (mut near, far) = pipe(1 << 10);
        let mut own = Streams::over(far, is_dialer);
        near.write_all(&frames(&[(last(is_dialer), Kind::Open), (last(is_dialer), Kind::Reset)])).await.expect("room");
        assert!(turn(&mut own).is_pending());
        drop(accept(&mut own).expect("it is the peer's to use"));
        assert!(turn(&mut own).is_pending(), "it is over");
        near.write_all(&frames(&[(u32::MAX, Kind::Open)])).await.expect("room");
        assert!(matches!(turn(&mut own), Poll::Ready(StreamsError::Rule(_))), "dialer: {is_dialer}");
    }
}
