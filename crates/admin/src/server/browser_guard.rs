use axum::http::{HeaderMap, HeaderName, Uri, header};

use crate::api::{ErrorCode, Failure};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Keeps web pages out of a loopback port. A page of any site can make the browser of this machine send requests
/// here; such requests carry an `Origin` of that site, or (images, links, frames) none but a `Sec-Fetch-Site` that says
/// so, or, after the site's name was made to point here, a `Host` that is a name. A browser so old that it sends neither
/// header gets no further than to reading: what changes anything is behind other methods than GET, for which all send
/// `Origin`.
///
/// Over TLS a name may be any: a page's own name never leads to a certificate of this network's. What is said twice is
/// judged twice.
pub(super) fn judge(headers: &HeaderMap, uri: &Uri, is_tls: bool) -> Result<(), Failure> {
    if is_acceptable(headers, is_tls) && names_one_host(headers, uri) {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Denied, "the admin API answers no web pages of other origins")
        .with_hint("use the node's IP address, or localhost, in the URL"))
}

fn is_acceptable(headers: &HeaderMap, is_tls: bool) -> bool {
    let all = |name: HeaderName| headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("?"));
    let mut hosts = all(header::HOST);
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let is_local = is_tls || is_local(host);
    // `none`: an address that the user has typed.
    let is_own = all(SEC_FETCH_SITE).all(|site| matches!(site, "same-origin" | "none"));
    let scheme = if is_tls { "https" } else { "http" };
    let own_origin = format!("{scheme}://{host}");
    is_local && is_own && all(header::ORIGIN).all(|origin| origin == own_origin)
}

/// `localhost` or an address, with a port or without.
fn is_local(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ipv6, rest)) => (ipv6, rest.strip_prefix(':').unwrap_or(rest)),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let is_name = name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok();
    is_name && port.bytes().all(|digit| digit.is_ascii_digit())
}

/// A request as to a proxy names its host in its first line, too.
fn names_one_host(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    uri.authority().is_none_or(|named| named.as_str().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_names_and_own_origins_pass() {
        let judge = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_acceptable(&headers, false)
        };
        for host in ["127.0.0.1:80", "localhost", "LocalHost:1", "[::1]:80", "10.0.0.1:9"] {
            assert!(judge(host, None), "{host}");
        }
        assert!(judge("127.0.0.1:80", Some("http://127.0.0.1:80")));
        assert!(!judge("127.0.0.1:80", Some("http://evil.example")));
        assert!(!judge("127.0.0.1:80", Some("null")));
        assert!(!judge("evil.example:80", None));
        for (site, passes) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("?", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:80".parse().unwrap());
            headers.insert(SEC_FETCH_SITE, site.parse().unwrap());
            assert_eq!(is_acceptable(&headers, false), passes, "{site}");
        }
        assert!(!is_acceptable(&HeaderMap::new(), false));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "node0.example:8545".parse().unwrap());
        assert!(is_acceptable(&headers, true) && !is_acceptable(&headers, false));
        headers.insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert!(!is_acceptable(&headers, true));
    }

    #[test]
    fn what_is_said_twice_must_hold_twice_and_a_host_is_nothing_but_one() {
        let judge = |said: &[(HeaderName, &str)], uri: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in said {
                headers.append(name, value.parse().unwrap());
            }
            super::judge(&headers, &uri.parse().unwrap(), false).is_ok()
        };
        let (host, origin) = ((header::HOST, "127.0.0.1:80"), (header::ORIGIN, "http://127.0.0.1:80"));
        assert!(judge(&[host.clone(), origin.clone(), origin.clone()], "/v1/status"));
        for (name, value) in [
            (header::HOST, "127.0.0.1:80"),
            (header::HOST, "evil.example"),
            (header::ORIGIN, "http://evil.example"),
            (SEC_FETCH_SITE, "cross-site"),
        ] {
            let own = [(SEC_FETCH_SITE, "same-origin"), host.clone(), origin.clone(), (name.clone(), value)];
            assert!(!judge(&own, "/v1/status"), "{name}: {value}");
        }
        assert!(judge(std::slice::from_ref(&host), "http://127.0.0.1:80/v1/status"));
        assert!(!judge(&[host], "http://evil.example/v1/status"));
        for odd in ["127.0.0.1:80@evil", "[::1]x", "[::1", "127.0.0.1:80:evil", "a@127.0.0.1", ""] {
            assert!(!judge(&[(header::HOST, odd)], "/"), "{odd}");
        }
    }
}
