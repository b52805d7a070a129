use axum::http::{HeaderMap, HeaderName, header};

use crate::api::{ErrorCode, Failure};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Keeps web pages out of a loopback port. A page of any site can make the browser of this machine send requests
/// here; such requests carry an `Origin` of that site, or (images, links, frames) none but a `Sec-Fetch-Site` that says
/// so, or, after the site's name was made to point here, a `Host` that is a name. A browser so old that it sends neither
/// header gets no further than to reading: what changes anything is behind other methods than GET, for which all send
/// `Origin`.
///
/// Over TLS a name may be any: a page's own name never leads to a certificate of this network's.
pub(super) fn judge(headers: &HeaderMap, is_tls: bool) -> Result<(), Failure> {
    if is_acceptable(headers, is_tls) {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Denied, "the admin API answers no web pages of other origins")
        .with_hint("use the node's IP address, or localhost, in the URL"))
}

fn is_acceptable(headers: &HeaderMap, is_tls: bool) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(header::HOST) else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ipv6, _)) => ipv6,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_local = is_tls || name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok();
    // `none`: an address that the user has typed.
    let is_own = text(SEC_FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    is_local
        && is_own
        && text(header::ORIGIN).is_none_or(|origin| {
            let scheme = if is_tls { "https" } else { "http" };
            origin == format!("{scheme}://{host}")
        })
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
}
