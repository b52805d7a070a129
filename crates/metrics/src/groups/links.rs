use crate::{Counter, CounterBy, Gauge, Histogram, HistogramBy, book::metrics, label::labels, table::Table};

labels! {
    /// What a message on a link is.
    MessageKind by ["kind"] {
        /// The first message on a link.
        Hello = ["hello"],
        /// The last one.
        Goodbye = ["goodbye"],
        /// A request to an application.
        Request = ["request"],
        /// A request to a node itself.
        ServiceRequest = ["service_request"],
        /// An answer with content.
        Reply = ["reply"],
        /// An answer without.
        Failure = ["failure"],
        /// A hop's report on a traced request.
        Report = ["report"],
        /// A request or an answer that is sealed for another node.
        Sealed = ["sealed"],
        /// An AMOP message to one subscriber.
        AmopPublish = ["amop_publish"],
        /// What came of one.
        AmopResult = ["amop_result"],
        /// A sign that one has come.
        AmopReceived = ["amop_received"],
        /// One of these, sealed for another node.
        AmopSealed = ["amop_sealed"],
        /// An AMOP message to many.
        AmopMulticast = ["amop_multicast"],
        /// Multicasts and broadcasts of a node's applications.
        Batch = ["batch"],
        /// A question for missing ones.
        Wanted = ["wanted"],
        /// A question about statuses.
        StatusQuery = ["status_query"],
        /// Its answer.
        StatusAnswer = ["status_answer"],
    }
}

labels! {
    /// Who a peer is to this node.
    PeerClass by ["peer"] {
        /// Of the same agency.
        OwnAgency = ["own_agency"],
        /// Of another one.
        OtherAgency = ["other_agency"],
        /// Its record has not come yet.
        Unknown = ["unknown"],
    }
}

labels! {
    /// A stream of a link.
    Stream by ["stream"] {
        /// Requests and answers up to 64 KiB.
        Unicast = ["unicast"],
        /// Urgent ones.
        UnicastUrgent = ["unicast_urgent"],
        /// Longer ones, and bulk.
        UnicastLarge = ["unicast_large"],
        /// AMOP and multicasts up to 64 KiB.
        Bridge = ["bridge"],
        /// Urgent ones.
        BridgeUrgent = ["bridge_urgent"],
        /// Longer ones.
        BridgeLarge = ["bridge_large"],
    }
}

labels! {
    /// What is passed on.
    Relayed by ["kind"] {
        /// A request or an answer.
        Unicast = ["unicast"],
        /// An AMOP message to one subscriber, or what came of it.
        Amop = ["amop"],
        /// An AMOP message to many.
        AmopMulticast = ["amop_multicast"],
        /// A batch of multicasts.
        Batch = ["batch"],
    }
}

labels! {
    /// Why a message goes no further.
    DropCause by ["cause"] {
        /// The gate did not admit it: late, of an earlier life, of an expelled source, or over a budget.
        GateUnicast = ["not_admitted_unicast"],
        /// The same of AMOP.
        GateAmop = ["not_admitted_amop"],
        /// The same of an AMOP multicast.
        GateAmopMulticast = ["not_admitted_amop_multicast"],
        /// The same of a batch; most have come another way before.
        GateBatch = ["not_admitted_batch"],
        /// The same of a question for missing ones.
        GateWanted = ["not_admitted_wanted"],
        /// The record of its source did not come, or too much waits for records.
        NoRecord = ["no_record"],
        /// It could not be opened: no key of its source fits.
        Unopened = ["unopened"],
        /// It could not be sealed: no key of its target is known.
        NoKey = ["no_key"],
        /// An AMOP multicast found the link's queue full, or no link.
        LinkFull = ["link_full"],
        /// Too much waits for the node's key to sign.
        KeyBusy = ["key_busy"],
    }
}

labels! {
    /// Who opened a connection.
    Direction by ["direction"] {
        /// The peer.
        Inbound = ["inbound"],
        /// This node.
        Outbound = ["outbound"],
    }
}

labels! {
    /// Why a connection did not become a link.
    LinkRefusal by ["cause"] {
        /// The certificate ended.
        Expired = ["expired"],
        /// It counts from later on.
        NotYetValid = ["not_yet_valid"],
        /// It is revoked.
        Revoked = ["revoked"],
        /// No current revocation list of its issuer is here.
        NoCurrentList = ["no_current_list"],
        /// The access list says no.
        Access = ["access"],
        /// The certificate is for something else.
        Role = ["role"],
        /// Nobody here knows the issuer.
        UnknownIssuer = ["unknown_issuer"],
        /// Anything else that is wrong with the chain.
        Chain = ["chain"],
        /// Key and certificate belong to different nodes.
        Key = ["key"],
        /// The peer refuses this node.
        ByPeer = ["by_peer"],
        /// It is in another network, or its limits differ.
        Network = ["network"],
        /// No common version of the protocol.
        Version = ["version"],
        /// TLS or what follows it failed.
        Handshake = ["handshake"],
        /// It did not end in time, or gave way to another.
        Slow = ["slow"],
        /// Nobody answers, or the connection broke.
        Connection = ["connection"],
        /// Too many connections.
        Limit = ["limit"],
        /// It knocked too often, or too many strangers stand at the port.
        Door = ["door"],
    }
}

metrics! {
    /// What goes over links.
    Links {
        /// Messages that came over links.
        messages_received: CounterBy<(MessageKind, PeerClass)> = "nuncio_link_messages_received",
        /// Messages that were queued for links.
        messages_sent: CounterBy<(MessageKind, PeerClass)> = "nuncio_link_messages_sent",
        /// Bytes of their bodies that came.
        bytes_received: CounterBy<(MessageKind, PeerClass)> = "nuncio_link_bytes_received",
        /// Bytes of their bodies that were queued.
        bytes_sent: CounterBy<(MessageKind, PeerClass)> = "nuncio_link_bytes_sent",
        /// Messages of other nodes that were passed on.
        relayed: CounterBy<Relayed> = "nuncio_relayed_messages",
        /// From when a message of another node was read until it was queued for the next link; the first of each batch that is read.
        relay_time: Histogram = "nuncio_relay_duration_seconds",
        /// How long messages wait in the queue of a link; one at a time of each queue is watched.
        queue_time: HistogramBy<Stream> = "nuncio_link_queue_duration_seconds",
        /// Messages that found the queue of a link full; most go another way or are told as busy.
        full: CounterBy<Stream> = "nuncio_link_queue_full",
        /// Messages that went no further.
        dropped: CounterBy<DropCause> = "nuncio_dropped",
        /// Connections that did not become links.
        refused: CounterBy<(Direction, LinkRefusal)> = "nuncio_link_refused",
        /// Links that came up.
        up: Counter = "nuncio_link_up",
        /// Links that went down.
        down: Counter = "nuncio_link_down",
        /// Bytes that wait in the queues of all links.
        queue_bytes: Gauge = "nuncio_link_queue_bytes",
        /// Bytes for which room is taken in long messages that are being read.
        intake_bytes: Gauge = "nuncio_link_intake_bytes",
        /// Bytes that wait for a peer.
        peer_queue_bytes: Table = "nuncio_peer_queue_bytes" (Table::gauges(PEER)),
        /// Bytes of bodies that came over the streams of a link, and that were queued for them, since it is up.
        peer_bytes: Table = "nuncio_peer_bytes" (Table::counters(PEER_BYTES)),
        /// Round trip to a peer, last measured.
        peer_round_trip: Table = "nuncio_peer_round_trip_seconds" (Table::gauges(PEER)),
    }
}

const PEER_BYTES: &[(&str, &str)] = &[PEER[0], ("direction", "received, sent")];

/// A row is there as long as the link.
const PEER: &[(&str, &str)] = &[("node", "the first digits of a linked peer; at most `[p2p] max_links`")];
