//! What others can make a node of a configuration hold.

use nuncio_bounds::Room;

use crate::{
    Config,
    doors::{gateway_limits, web_limits},
    services::{overlay_config, p2p_door},
};

/// Every bound of a node with this configuration, by the part that keeps it.
pub fn bounds(config: &Config) -> Vec<Room> {
    let links = config.p2p.max_links as usize;
    let mut rooms = nuncio_node::bounds(&overlay_config(config), links, &p2p_door(config), nuncio_admin::LISTENERS);
    if config.gateway.enabled {
        rooms.push(Room { name: "gateway", bounds: gateway_limits(config).bounds() });
    }
    if config.web.enabled {
        let in_flight = gateway_limits(config).in_flight_bytes;
        rooms.push(Room { name: "web door", bounds: web_limits(config).bounds(in_flight) });
    }
    if config.issuer.listen.is_some() {
        rooms.push(Room { name: "enrolment", bounds: crate::enrolment::bounds() });
    }
    rooms.push(Room { name: "what nodes ask this one", bounds: crate::service::bounds() });
    if config.files.directory.is_some() {
        rooms.push(Room { name: "files", bounds: crate::files::bounds(config) });
    }
    rooms.push(Room { name: "audit", bounds: nuncio_audit::bounds() });
    rooms.push(Room { name: "admin API", bounds: nuncio_admin::bounds() });
    rooms
}

#[cfg(test)]
mod tests {
    use nuncio_bounds::Bound;

    use super::*;

    fn sum(config: &Config) -> usize {
        bounds(config).iter().map(Room::sum).fold(0, usize::saturating_add)
    }

    fn named(config: &Config, what: &str) -> Bound {
        let bounds = bounds(config).into_iter().flat_map(|room| room.bounds);
        bounds.into_iter().find(|bound| bound.what == what).unwrap_or_else(|| panic!("no bound on {what}"))
    }

    #[test]
    fn what_the_configuration_says_counts() {
        let config = Config::default();
        let mut smaller = config.clone();
        smaller.p2p.max_links = 16;
        smaller.gateway.enabled = false;
        assert_eq!(named(&config, "TLS").count, 128);
        assert_eq!(named(&smaller, "TLS").count, 16);
        assert!(sum(&smaller) * 2 < sum(&config), "{} of {}", sum(&smaller), sum(&config));
        let mut other = config.clone();
        other.gateway.total_intake = crate::config::Size(1 << 30);
        assert_eq!(sum(&other) - sum(&config), (1 << 30) - (256 << 20));
    }

    #[test]
    fn every_bound_says_what_happens_when_it_is_reached_and_is_named_once() {
        let mut config = Config::default();
        config.web.enabled = true;
        config.files.directory = Some("files".into());
        for room in bounds(&config) {
            for (at, bound) in room.bounds.iter().enumerate() {
                assert!(bound.bytes > 0 && bound.count > 0 && !bound.when_full.is_empty(), "{bound:?}");
                assert!(
                    room.bounds[..at].iter().all(|other| other.what != bound.what),
                    "{}: {}",
                    room.name,
                    bound.what
                );
            }
        }
    }
}
