use nuncio_identity::NodeKey;
use tempfile::TempDir;

use super::*;
use crate::MAX_CHUNK;

const MINUTE: Duration = Duration::from_secs(60);

struct Rig {
    directory: TempDir,
    inbox: Arc<Inbox>,
    now: Instant,
}

fn limits() -> Limits {
    Limits { total: 1 << 20, per_sender: 600 << 10, files: 20, open: 4, kept: Duration::from_secs(3600) }
}

fn node() -> NodeId {
    NodeKey::generate().node_id()
}

fn offer(name: &str, content: &[u8]) -> FileOffer {
    let mut hash = Context::new(&SHA256);
    hash.update(content);
    FileOffer { name: name.to_owned(), length: content.len() as u64, sha256: finish(hash) }
}

fn told(answer: Answer) -> (u64, u64, FileState) {
    match answer {
        Answer::Progress(FileProgress { transfer, received, state }) => (transfer, received, state),
        Answer::Refused(reason) => panic!("refused: {reason}"),
    }
}

fn refused(answer: Answer) -> String {
    match answer {
        Answer::Refused(refusal) => refusal.to_string(),
        Answer::Progress(FileProgress { state, .. }) => panic!("{state:?}"),
    }
}

impl Rig {
    fn new(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(directory.path().join("inbox"), limits).unwrap();
        Self { directory, inbox, now: Instant::now() }
    }

    /// As after a kill.
    fn restart(self, limits: Limits) -> Self {
        let Self { directory, inbox, now } = self;
        drop(inbox);
        let inbox = Inbox::open(directory.path().join("inbox"), limits).unwrap();
        Self { directory, inbox, now }
    }

    fn offer(&self, from: NodeId, offer: &FileOffer) -> Answer {
        let (answer, work) = self.inbox.offer(from, offer, self.now);
        work.map(Work::run);
        answer
    }

    fn chunk(&self, from: NodeId, transfer: u64, offset: u64, data: &[u8]) -> Answer {
        let (answer, work) = self.inbox.chunk(from, (transfer, offset), data, self.now);
        work.map(Work::run);
        answer
    }

    /// Sends all that is missing; says how it ended.
    fn send(&self, from: NodeId, name: &str, content: &[u8]) -> FileState {
        let wanted = offer(name, content);
        let (transfer, received, state) = told(self.offer(from, &wanted));
        if state == FileState::Receiving {
            for (index, piece) in content[received as usize..].chunks(MAX_CHUNK).enumerate() {
                told(self.chunk(from, transfer, received + (index * MAX_CHUNK) as u64, piece));
            }
        }
        told(self.offer(from, &wanted)).2
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join("inbox").join(below)
    }

    fn parts(&self) -> usize {
        fs::read_dir(self.path(PARTS)).unwrap().count() - 1
    }
}

#[test]
fn a_file_comes_whole_and_its_sender_is_told_so_however_often_it_asks() {
    let (mut rig, from) = (Rig::new(limits()), node());
    let content: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    assert_eq!(rig.send(from, "a.bin", &content), FileState::Done);
    assert_eq!(fs::read(rig.path(&format!("{from}/a.bin"))).unwrap(), content);
    assert_eq!(rig.send(from, "empty", b""), FileState::Done);
    assert_eq!(rig.parts(), 0);
    // Forgotten, it is compared; and so after a restart.
    rig.now += MINUTE;
    assert_eq!(told(rig.offer(from, &offer("a.bin", &content))).2, FileState::Checking);
    assert_eq!(rig.send(from, "a.bin", &content), FileState::Done);
    let rig = rig.restart(limits());
    assert_eq!(rig.send(from, "a.bin", &content), FileState::Done);
}

#[test]
fn nothing_is_replaced_and_no_sender_has_a_name_of_another() {
    let (rig, [first, second]) = (Rig::new(limits()), [(); 2].map(|()| node()));
    assert_eq!(rig.send(first, "a", b"first"), FileState::Done);
    assert_eq!(rig.send(second, "a", b"other"), FileState::Done);
    assert!(refused(rig.offer(first, &offer("a", b"longer than before"))).contains("there already"));
    // Of the same length: only its SHA-256 tells.
    let same_length = offer("a", b"FIRST");
    assert_eq!(told(rig.offer(first, &same_length)).2, FileState::Checking);
    assert!(refused(rig.offer(first, &same_length)).contains("there already"));
    assert_eq!(fs::read(rig.path(&format!("{first}/a"))).unwrap(), b"first");
    // Two of one name are on their way: the first that is whole has it.
    let [one, two] = [offer("b", b"one"), offer("b", b"two")];
    let [(one, ..), (two_number, ..)] = [&one, &two].map(|offer| told(rig.offer(first, offer)));
    told(rig.chunk(first, one, 0, b"one"));
    told(rig.chunk(first, two_number, 0, b"two"));
    assert!(refused(rig.offer(first, &two)).contains("there already"));
    assert_eq!(fs::read(rig.path(&format!("{first}/b"))).unwrap(), b"one");
    assert_eq!(rig.parts(), 0, "what can never be put anywhere takes no room");
}

#[test]
fn a_transfer_goes_on_after_either_side_was_killed_and_the_former_run_has_no_part_in_it() {
    let (mut rig, from) = (Rig::new(limits()), node());
    let content: Vec<u8> = (0..500_000_u32).map(|number| (number / 7) as u8).collect();
    let wanted = offer("a", &content);
    let (former, ..) = told(rig.offer(from, &wanted));
    told(rig.chunk(from, former, 0, &content[..1000]));
    told(rig.chunk(from, former, 2000, &content[2000..3000]));
    // The sender comes again.
    let (transfer, received, _) = told(rig.offer(from, &wanted));
    assert_eq!(received, 1000);
    assert!(refused(rig.chunk(from, former, 1000, &content[1000..2000])).contains("taken it over"));
    assert_eq!(told(rig.chunk(from, transfer, 1000, &content[1000..2000])).1, 2000, "what came early is forgotten");
    // The receiver is killed.
    rig = rig.restart(limits());
    assert_eq!(told(rig.chunk(from, transfer, 2000, &content[2000..3000])).2, FileState::Unknown);
    assert_eq!(told(rig.offer(from, &wanted)).1, 2000);
    assert_eq!(rig.send(from, "a", &content), FileState::Done);
    assert_eq!(fs::read(rig.path(&format!("{from}/a"))).unwrap(), content);
}

impl Rig {
    /// What a piece is being added to.
    fn open(&self, from: NodeId, offer: &FileOffer) -> Arc<Open> {
        match &self.inbox.table().entries[&part_name(&from.to_string(), offer)].phase {
            Phase::Receiving(open) => Arc::clone(open),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_whose_last_piece_is_written_when_it_is_offered_again_becomes_whole() {
    let (rig, from) = (Rig::new(limits()), node());
    let wanted = offer("a", b"all");
    told(rig.offer(from, &wanted));
    // As far as a piece comes before the offer.
    assert_eq!(rig.open(from, &wanted).take(0, b"all").0.unwrap(), 3);
    let (answer, work) = rig.inbox.offer(from, &wanted, rig.now);
    assert_eq!(told(answer).2, FileState::Checking);
    work.expect("it is to be checked").run();
    assert_eq!(told(rig.offer(from, &wanted)).2, FileState::Done);
}

#[test]
fn nobody_else_waits_for_a_piece_that_is_written_while_its_file_is_offered_again() {
    let (mut rig, [from, other]) = (Rig::new(limits()), [(); 2].map(|()| node()));
    let wanted = offer("a", b"12");
    told(rig.offer(from, &wanted));
    let (open, inbox, now) = (rig.open(from, &wanted), rig.inbox.clone(), rig.now);
    let (writes, again) = (open.lock(), wanted.clone());
    let offered = std::thread::spawn(move || inbox.offer(from, &again, now).0);
    let key = part_name(&from.to_string(), &wanted);
    let is_offered = || rig.inbox.table.try_lock().is_ok_and(|table| table.entries[&key].former.is_some());
    let start = Instant::now();
    while !is_offered() {
        assert!(start.elapsed() < MINUTE / 6, "the table is locked");
        std::thread::yield_now();
    }
    assert_eq!(told(rig.offer(other, &wanted)).2, FileState::Receiving);
    assert_eq!((rig.inbox.statistics().open, rig.inbox.list().unwrap().len()), (2, 2));
    rig.now += MINUTE;
    rig.inbox.tidy(rig.now);
    assert_eq!(rig.inbox.statistics().open, 0, "what is idle is closed");
    drop(writes);
    assert_eq!(told(offered.join().unwrap()).2, FileState::Busy, "it is to be offered once more");
}

#[test]
fn what_has_another_hash_is_gone_and_comes_anew() {
    let (rig, from) = (Rig::new(limits()), node());
    let wanted = offer("a", b"truth");
    let (transfer, ..) = told(rig.offer(from, &wanted));
    assert_eq!(told(rig.chunk(from, transfer, 0, b"lies!")).2, FileState::Checking);
    assert_eq!(told(rig.offer(from, &wanted)).2, FileState::Differs);
    assert_eq!((rig.parts(), rig.path(&format!("{from}/a")).exists()), (0, false));
    assert_eq!(rig.send(from, "a", b"truth"), FileState::Done);
}

#[test]
fn nobody_adds_to_what_another_sends() {
    let (rig, [owner, thief]) = (Rig::new(limits()), [(); 2].map(|()| node()));
    let wanted = offer("a", b"mine");
    let (transfer, ..) = told(rig.offer(owner, &wanted));
    assert_eq!(told(rig.chunk(thief, transfer, 0, b"evil")).2, FileState::Unknown);
    let (other, ..) = told(rig.offer(thief, &wanted));
    assert_eq!(told(rig.chunk(owner, other, 0, b"mine")).2, FileState::Unknown);
    told(rig.chunk(thief, other, 0, b"evil"));
    assert_eq!(told(rig.chunk(owner, transfer, 0, b"mine")).2, FileState::Checking);
    assert_eq!(fs::read(rig.path(&format!("{owner}/a"))).unwrap(), b"mine");
    assert!(!rig.path(&format!("{thief}/a")).exists());
}

#[test]
fn names_that_lead_elsewhere_and_links_are_refused() {
    let (rig, from) = (Rig::new(limits()), node());
    for name in ["", ".", "..", "../a", "/etc/passwd", "a/b", "a\\b", ".nuncio-parts", "a\nb", "a\0b", &"x".repeat(256)]
    {
        assert!(refused(rig.offer(from, &offer(name, b"x"))).contains("name"), "{name:?}");
    }
    let outside = rig.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    // In place of the sender's directory, of the file and of its part.
    std::os::unix::fs::symlink(&outside, rig.path(&from.to_string())).unwrap();
    let wanted = offer("a", b"x");
    let (transfer, ..) = told(rig.offer(from, &wanted));
    told(rig.chunk(from, transfer, 0, b"x"));
    assert!(refused(rig.offer(from, &wanted)).contains("put in its place"));
    fs::remove_file(rig.path(&from.to_string())).unwrap();
    fs::create_dir(rig.path(&from.to_string())).unwrap();
    std::os::unix::fs::symlink(outside.join("new"), rig.path(&format!("{from}/b"))).unwrap();
    assert!(refused(rig.offer(from, &offer("b", b"x"))).contains("there already"));
    let wanted = offer("c", b"x");
    let part = rig.path(PARTS).join(part_name(&from.to_string(), &wanted));
    std::os::unix::fs::symlink(outside.join("new"), part).unwrap();
    refused(rig.offer(from, &wanted));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn nobody_takes_more_room_than_he_may_nor_that_of_all() {
    let (rig, [first, second, third]) = (Rig::new(limits()), [(); 3].map(|()| node()));
    let long = |name: &str, kib: usize| FileOffer { length: (kib << 10) as u64, ..offer(name, b"x") };
    assert!(refused(rig.offer(first, &long("a", 601))).contains("of this sender"));
    // What is only promised counts.
    told(rig.offer(first, &long("a", 400)));
    assert!(refused(rig.offer(first, &long("b", 201))).contains("of this sender"));
    told(rig.offer(second, &long("a", 500)));
    assert!(refused(rig.offer(third, &long("a", 200))).contains("that files may take"));
    assert!(refused(rig.offer(third, &FileOffer { length: u64::MAX, ..long("a", 1) })).contains("left"));
    told(rig.offer(third, &long("a", 100)));
}

#[test]
fn what_lies_there_counts_after_a_restart_and_what_is_taken_away_does_not() {
    let (mut rig, from) = (Rig::new(limits()), node());
    assert_eq!(rig.send(from, "a", &vec![1; 500 << 10]), FileState::Done);
    let more = offer("b", &vec![2; 200 << 10]);
    refused(rig.offer(from, &more));
    rig = rig.restart(limits());
    refused(rig.offer(from, &more));
    fs::remove_file(rig.path(&format!("{from}/a"))).unwrap();
    rig.now += Duration::from_secs(3);
    told(rig.offer(from, &more));
}

#[test]
fn files_are_bounded_in_number_and_empty_ones_take_room() {
    let (rig, from) = (Rig::new(limits()), node());
    let sent = (0..30).filter(|number| match rig.offer(from, &offer(&number.to_string(), b"")) {
        Answer::Progress(_) => true,
        Answer::Refused(reason) => {
            assert!(reason.to_string().contains("20 files"), "{reason}");
            false
        }
    });
    assert_eq!(sent.count(), 20);
    let (small, from) = (Rig::new(Limits { per_sender: 8 << 10, ..limits() }), node());
    assert_eq!([small.send(from, "a", b""), small.send(from, "b", b"x")], [FileState::Done; 2]);
    assert!(refused(small.offer(from, &offer("c", b""))).contains("of this sender"));
}

#[test]
fn transfers_are_bounded_and_who_is_silent_makes_room() {
    let (mut rig, nodes) = (Rig::new(limits()), [(); 3].map(|()| node()));
    let state = |rig: &Rig, from, name: &str| told(rig.offer(from, &offer(name, b"12"))).2;
    let all = |rig: &Rig, from| ["a", "b", "c"].map(|name| state(rig, from, name));
    assert_eq!(
        all(&rig, nodes[0]),
        [FileState::Receiving, FileState::Receiving, FileState::Busy],
        "half of the places"
    );
    assert_eq!(all(&rig, nodes[1]), [FileState::Receiving, FileState::Receiving, FileState::Busy]);
    assert_eq!(state(&rig, nodes[2], "a"), FileState::Busy);
    let (first, ..) = told(rig.offer(nodes[0], &offer("a", b"12")));
    rig.now += MAKES_ROOM;
    told(rig.chunk(nodes[0], first, 0, b"1"));
    assert_eq!(state(&rig, nodes[2], "a"), FileState::Receiving);
    assert_eq!(told(rig.chunk(nodes[0], first, 1, b"2")).2, FileState::Checking, "who is not silent stays");
}

#[test]
fn a_part_waits_so_long_and_no_longer() {
    let (mut rig, from) = (Rig::new(limits()), node());
    let [old, young] = [offer("old", b"123"), offer("young", b"456")];
    for offer in [&old, &young] {
        let (transfer, ..) = told(rig.offer(from, offer));
        told(rig.chunk(from, transfer, 0, b"1"));
    }
    let age = |offer: &FileOffer, age| {
        let part = File::options().write(true).open(rig.path(PARTS).join(part_name(&from.to_string(), offer))).unwrap();
        part.set_modified(SystemTime::now() - age).unwrap();
    };
    age(&old, 2 * limits().kept);
    rig.inbox.tidy(rig.now);
    assert_eq!(rig.parts(), 2, "one that is open stays");
    rig.now += MINUTE;
    rig.inbox.tidy(rig.now);
    assert_eq!(rig.parts(), 1);
    assert_eq!([old, young].map(|offer| told(rig.offer(from, &offer)).1), [0, 1]);
}

#[test]
fn a_directory_is_one_inbox_at_a_time() {
    let rig = Rig::new(limits());
    let second = Inbox::open(rig.path(""), limits()).unwrap_err();
    assert!(second.to_string().contains("another process"), "{second}");
    assert!(Inbox::open(rig.path("lock/below"), limits()).is_ok());
}

#[test]
fn how_transfers_ended_is_remembered_within_bounds() {
    let limits = Limits { files: usize::MAX, total: u64::MAX, per_sender: u64::MAX, ..limits() };
    let (rig, from) = (Rig::new(limits), node());
    for number in 0..2 * MAX_ENDED {
        rig.offer(from, &offer(&number.to_string(), b""));
    }
    assert!(rig.inbox.table().entries.len() <= MAX_ENDED);
}

#[test]
fn offers_that_cost_nothing_make_the_node_read_one_file_at_a_time() {
    let (rig, from) = (Rig::new(limits()), node());
    for name in ["a", "b"] {
        assert_eq!(rig.send(from, name, b"content"), FileState::Done);
    }
    let offered = |name| rig.inbox.offer(from, &offer(name, b"another"), rig.now);
    let (first, work) = offered("a");
    assert_eq!(told(first).2, FileState::Checking);
    assert_eq!(told(offered("b").0).2, FileState::Busy);
    work.unwrap().run();
    assert_eq!(told(offered("b").0).2, FileState::Checking);
}

#[test]
fn what_is_there_and_what_is_coming_is_listed_and_counted() {
    let (rig, from) = (Rig::new(limits()), node());
    assert_eq!((rig.inbox.list().unwrap(), rig.inbox.statistics()), (Vec::new(), Statistics::default()));
    assert_eq!(rig.send(from, "whole", &[1; 1000]), FileState::Done);
    let (transfer, ..) = told(rig.offer(from, &offer("half", &[2; 1000])));
    told(rig.chunk(from, transfer, 0, &[2; 400]));
    told(rig.chunk(from, transfer, 0, &[2; 400]));
    let row = |listed: &Listed| (listed.name.clone(), listed.received, listed.length, listed.state);
    let listed = rig.inbox.list().unwrap();
    let [coming, whole] = [("half", 400, FileState::Receiving), ("whole", 1000, FileState::Done)]
        .map(|(name, received, state)| (Some(name.to_owned()), received, Some(1000), state));
    assert_eq!(listed.iter().map(row).collect::<Vec<_>>(), [coming, whole.clone()]);
    assert!(listed.iter().all(|one| one.sender == from.to_string() && one.modified.is_some()));
    rig.inbox.tidy(rig.now);
    let counted = Statistics { bytes: 1400, whole: 1, differed: 0, open: 1, parts: 1, part_bytes: 400 };
    assert_eq!(rig.inbox.statistics(), counted);
    // Nobody says any more what a part is called.
    let rig = rig.restart(limits());
    let rows: Vec<_> = rig.inbox.list().unwrap().iter().map(row).collect();
    assert_eq!(rows, [(None, 400, None, FileState::Receiving), whole]);
}
