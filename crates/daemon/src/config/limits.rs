use std::{path::Path, time::Duration};

use super::{Config, Interval, Size};

/// What a node could not work with, or what says nothing any more, of the keys that are numbers.
type Range = (&'static str, u64, u64, u64);

/// The same of those that are spans of time.
type Span = (&'static str, Interval, Duration, Duration);

/// A message of the network fits into whatever has to hold one.
const LEAST_QUEUE: u64 = 64 << 10;

/// The longest name of a topic, and what it counts besides.
const LEAST_TOPICS: u64 = 1 << 10;

/// More than any machine has.
const MOST_BYTES: u64 = 1 << 40;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A clock that adds as much still knows when that is.
const YEARS: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Descriptors are the limit long before.
const MOST_CONNECTIONS: u64 = 1 << 20;

impl Config {
    /// Numbers that are out of range, and paths that are empty.
    pub(super) fn judge_limits(&self) -> Result<(), (&'static str, String)> {
        if let Some((key, _)) = self.paths().into_iter().find(|(_, path)| path.as_os_str().is_empty()) {
            return Err((key, "a path is not empty; leave the key out for its default".to_owned()));
        }
        for (key, value, least, most) in self.counts() {
            if !(least..=most).contains(&value) {
                return Err((key, format!("{value} is not between {least} and {most}")));
            }
        }
        for (key, value, least) in self.sizes() {
            if !(least..=MOST_BYTES).contains(&value.0) {
                return Err((key, format!("{value} is not between {} and {}", Size(least), Size(MOST_BYTES))));
            }
        }
        for (key, value, least, most) in self.spans() {
            if !(least..=most).contains(&value.0) {
                return Err((key, format!("{value} is not between {} and {}", Interval(least), Interval(most))));
            }
        }
        Ok(())
    }

    /// What the web door cannot do without.
    pub(super) fn judge_web(&self) -> Result<(), (&'static str, String)> {
        let web = &self.web;
        if !web.enabled {
            return Ok(());
        }
        if !self.gateway.enabled {
            return Err(("web.enabled", "needs [gateway] enabled, whose certificates and budgets it has".to_owned()));
        }
        let needs_tls = !web.listen.ip().is_loopback() || !web.tokens;
        if !web.tls && needs_tls {
            return Err(("web.tls", "without it, listen is a loopback address and tokens is true".to_owned()));
        }
        match web.origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => {
                Err(("web.origins", format!("{origin:?} is no origin: write https://name or https://name:port")))
            }
            None => Ok(()),
        }
    }

    /// A name that no certificate has would leave its operator everything.
    pub(super) fn judge_read_only(&self) -> Result<(), (&'static str, String)> {
        let is_name = |text: &str| {
            let name = nuncio_admin::server::named(text);
            !name.is_empty() && !name.contains('=') && !name.starts_with('/')
        };
        match self.admin.read_only.iter().find(|text| !is_name(text)) {
            Some(text) => Err((
                "admin.read_only",
                format!("{text:?} is no name: write what the certificate has after CN =, alone"),
            )),
            None => Ok(()),
        }
    }

    fn counts(&self) -> Vec<Range> {
        let (p2p, gateway, web) = (&self.p2p, &self.gateway, &self.web);
        vec![
            ("p2p.target_degree", p2p.target_degree as u64, 0, MOST_CONNECTIONS),
            ("p2p.max_links", p2p.max_links.into(), 1, MOST_CONNECTIONS),
            ("p2p.max_pending_handshakes", p2p.max_pending_handshakes as u64, 4, MOST_CONNECTIONS),
            ("p2p.connections_per_second", p2p.connections_per_second.into(), 1, MOST_CONNECTIONS),
            ("gateway.max_clients", gateway.max_clients as u64, 1, MOST_CONNECTIONS),
            ("gateway.max_pending_handshakes", gateway.max_pending_handshakes as u64, 4, MOST_CONNECTIONS),
            ("gateway.connections_per_second", gateway.connections_per_second.into(), 1, MOST_CONNECTIONS),
            ("audit.keep_files", self.audit.keep_files as u64, 2, 1 << 20),
            ("issuer.per_hour", self.issuer.per_hour.into(), 1, u32::MAX.into()),
            ("files.max_total", self.files.max_total.0, 4 << 10, u64::MAX),
            ("files.max_per_node", self.files.max_per_node.0, 4 << 10, u64::MAX),
            ("files.max_files", self.files.max_files as u64, 1, 1 << 20),
            ("files.max_open", self.files.max_open as u64, 1, 1 << 10),
            ("web.max_clients", web.max_clients as u64, 1, MOST_CONNECTIONS),
            ("web.max_pending_handshakes", web.max_pending_handshakes as u64, 4, MOST_CONNECTIONS),
            ("web.connections_per_second", web.connections_per_second.into(), 1, MOST_CONNECTIONS),
            // None of these is no limit.
            ("gateway.calls_per_second", gateway.calls_per_second.unwrap_or(1).into(), 1, u32::MAX.into()),
        ]
    }

    /// With what they have at the least.
    fn sizes(&self) -> Vec<(&'static str, Size, u64)> {
        let gateway = &self.gateway;
        let queues = [
            ("gateway.client_queue", gateway.client_queue),
            ("gateway.certificate_queue", gateway.certificate_queue),
            ("gateway.total_queue", gateway.total_queue),
            ("gateway.certificate_intake", gateway.certificate_intake),
            ("gateway.total_intake", gateway.total_intake),
            ("gateway.certificate_in_flight", gateway.certificate_in_flight),
            ("gateway.total_in_flight", gateway.total_in_flight),
            ("audit.max_file", self.audit.max_file),
        ];
        let topics = [
            ("gateway.client_topics", gateway.client_topics),
            ("gateway.certificate_topics", gateway.certificate_topics),
            ("gateway.total_topics", gateway.total_topics),
        ];
        let rates = [
            ("gateway.outgoing_limit", gateway.outgoing_limit),
            ("gateway.client_limit", gateway.client_limit),
            ("gateway.topic_limit", gateway.topic_limit),
        ];
        let rates = rates.into_iter().filter_map(|(key, rate)| Some((key, rate?, 1)));
        let queues = queues.into_iter().map(|(key, queue)| (key, queue, LEAST_QUEUE));
        queues.chain(topics.into_iter().map(|(key, topics)| (key, topics, LEAST_TOPICS))).chain(rates).collect()
    }

    fn spans(&self) -> Vec<Span> {
        const TICK: Duration = Duration::from_millis(10);
        const SECOND: Duration = Duration::from_secs(1);
        let (p2p, gateway) = (&self.p2p, &self.gateway);
        vec![
            ("p2p.redial_first", p2p.redial_first, TICK, DAY),
            ("p2p.redial_longest", p2p.redial_longest, TICK, DAY),
            ("p2p.forget_after", p2p.forget_after, SECOND, YEARS),
            ("gateway.client_idle", gateway.client_idle, SECOND, YEARS),
            ("gateway.candidate_timeout", gateway.candidate_timeout, TICK, HOUR),
            ("gateway.publish_timeout", gateway.publish_timeout, TICK, HOUR),
            // Shorter certificates end before their node could have tried a few times to renew them.
            ("issuer.lifetime", self.issuer.lifetime, 10 * SECOND, YEARS),
            ("files.keep_parts", self.files.keep_parts, MINUTE, YEARS),
        ]
    }

    fn paths(&self) -> Vec<(&'static str, &Path)> {
        let (identity, gateway) = (&self.identity, &self.gateway);
        let always = [
            ("data_dir", &self.data_dir),
            ("identity.key", &identity.key),
            ("identity.cert", &identity.cert),
            ("identity.ca", &identity.ca),
        ];
        let optional = [
            ("gateway.key", &gateway.key),
            ("gateway.cert", &gateway.cert),
            ("gateway.ca", &gateway.ca),
            ("gateway.rsa_key", &gateway.rsa_key),
            ("gateway.rsa_cert", &gateway.rsa_cert),
            ("admin.socket", &self.admin.socket),
            ("admin.tokens", &self.admin.tokens),
            ("audit.directory", &self.audit.directory),
            ("issuer.ca", &self.issuer.ca),
            ("files.directory", &self.files.directory),
        ];
        let lists = identity.crl.iter().map(|path| ("identity.crl", path));
        let named = optional.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?)));
        always.into_iter().chain(named).chain(lists).map(|(key, path)| (key, path.as_path())).collect()
    }
}

/// As browsers write it: scheme, name and perhaps a port, and nothing behind.
fn is_origin(text: &str) -> bool {
    let name = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    name.is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Config::parse(text, Path::new("nuncio.toml")).unwrap_err().to_string()
    }

    #[test]
    fn numbers_that_no_node_can_work_with_are_refused() {
        for (text, part) in [
            ("[p2p]\nmax_links = 0", "2:13: p2p.max_links: 0 is not between 1 and"),
            ("[p2p]\nmax_links = 4294967295", "p2p.max_links: 4294967295 is not between"),
            ("[p2p]\nconnections_per_second = 0", "p2p.connections_per_second: 0 is not"),
            ("[gateway]\nmax_clients = 0", "gateway.max_clients: 0 is not between 1"),
            ("[gateway]\nmax_pending_handshakes = 0", "gateway.max_pending_handshakes: 0 is not"),
            ("[gateway]\ntotal_queue = \"1KiB\"", "gateway.total_queue: 1KiB is not between 64KiB and 1024GiB"),
            ("[gateway]\nclient_queue = \"0\"", "gateway.client_queue: 0B is not"),
            ("[web]\nmax_clients = 0", "web.max_clients: 0 is not between 1"),
            ("[p2p]\nforget_after = \"5124095576030000h\"", "2:16: p2p.forget_after: 5124095576030000h is not between"),
            ("[p2p]\nforget_after = \"1ms\"", "p2p.forget_after: 1ms is not between 1s and 876000h"),
            ("[p2p]\nredial_first = \"1ns\"", "p2p.redial_first: 1ns is not between 10ms and 24h"),
            ("[p2p]\nredial_longest = \"9999h\"", "p2p.redial_longest: 9999h is not between"),
            ("[gateway]\nclient_idle = \"1ns\"", "gateway.client_idle: 1ns is not between 1s"),
            ("[gateway]\ncandidate_timeout = \"1ns\"", "gateway.candidate_timeout: 1ns is not"),
            ("[gateway]\npublish_timeout = \"9999h\"", "gateway.publish_timeout: 9999h is not"),
            ("[issuer]\nlifetime = \"1s\"", "issuer.lifetime: 1s is not between 10s"),
            ("[issuer]\nper_hour = 0", "issuer.per_hour: 0 is not between 1"),
            ("[files]\nkeep_parts = \"1s\"", "files.keep_parts: 1s is not between 1m"),
            ("[gateway]\nclient_topics = \"0\"", "gateway.client_topics: 0B is not between 1KiB"),
            ("[gateway]\ntotal_topics = \"9999PiB\"", "gateway.total_topics: 10484711424GiB is not between"),
            ("[gateway]\ntopic_limit = \"0\"", "gateway.topic_limit: 0B is not between 1B"),
            ("[gateway]\ncalls_per_second = 0", "gateway.calls_per_second: 0 is not between 1"),
            ("[audit]\nmax_file = \"1KiB\"", "audit.max_file: 1KiB is not between 64KiB"),
            ("[audit]\nkeep_files = 1", "audit.keep_files: 1 is not between 2"),
            ("[gateway]\nenabled = false\n[web]\nenabled = true", "4:11: web.enabled: needs [gateway] enabled"),
            ("[web]\nenabled = true\ntls = false\ntokens = true", "3:7: web.tls: without it, listen is a loopback"),
            ("[web]\nenabled = true\ntls = false\nlisten = \"127.0.0.1:1\"", "web.tls: without it"),
            ("[web]\nenabled = true\norigins = [\"shop.example\"]", "\"shop.example\" is no origin"),
            ("[web]\nenabled = true\norigins = [\"https://shop.example/\"]", "\"https://shop.example/\" is no origin"),
        ] {
            assert!(refusal(text).contains(part), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn an_empty_path_is_no_directory_by_chance() {
        for (text, key) in [
            ("data_dir = \"\"", "data_dir"),
            ("[identity]\nkey = \"\"", "identity.key"),
            ("[identity]\ncrl = [\"\"]", "identity.crl"),
            ("[admin]\nsocket = \"\"", "admin.socket"),
        ] {
            let said = refusal(text);
            assert!(said.contains(&format!("{key}: a path is not empty")), "{text}: {said}");
        }
    }
}
