use crate::{Counter, Gauge, book::metrics, label::labels};

labels! {
    /// Why a file of another node, or a piece of one, is not taken.
    FileRefusal by ["cause"] {
        /// The sender may send none.
        Access = ["access"],
        /// Its name is none.
        Name = ["name"],
        /// Another file has its name.
        Taken = ["taken"],
        /// A quota of bytes.
        NoRoom = ["no_room"],
        /// The quota of files.
        TooMany = ["too_many"],
        /// Another run of its sender has it.
        TakenOver = ["taken_over"],
        /// A piece does not belong where it says.
        Piece = ["piece"],
        /// The disk.
        Disk = ["disk"],
        /// Too many are on their way: to be offered later.
        Busy = ["busy"],
        /// What came has another SHA-256.
        Differs = ["differs"],
    }
}

metrics! {
    /// Files that other nodes send.
    Files {
        /// Bytes of other nodes' files that were taken.
        bytes: Counter = "nuncio_file_bytes_received",
        /// Files of other nodes that are whole and in their place.
        whole: Counter = "nuncio_files_received",
        /// Files on their way here now.
        open: Gauge = "nuncio_files_open",
        /// Parts of files that lie here, also of those that wait to go on; looked at every 30 s.
        parts: Gauge = "nuncio_file_parts",
        /// Their bytes.
        part_bytes: Gauge = "nuncio_file_parts_bytes",
    }
}
