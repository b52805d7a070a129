//! When what a node shows or trusts ends: its certificate, its agency's, roots, the SDK port's, revocation lists.

use nuncio_admin::Lifetime;
use nuncio_pki::{Certificate, Identity, Policy, tls::ChannelServerTls};

/// Of the certificates that this node shows, and of the authorities of its SDK port besides the roots of nodes.
pub(crate) fn of_own(identity: &Identity, channel: Option<&ChannelServerTls>, policy: &Policy) -> Vec<Lifetime> {
    // What another root says for this one is shown too, and not missed when it ends.
    let chain: Vec<_> = identity.certificate.presented().cloned().collect();
    let kinds = ["node"].into_iter().chain(std::iter::repeat("agency"));
    let mut lifetimes: Vec<_> = kinds.zip(&chain).map(|(kind, one)| of(kind, one)).collect();
    if let Some(channel) = channel {
        let shown = [("sdk_port", Some(channel.certificate())), ("sdk_port_rsa", channel.rsa_certificate())];
        let shown = shown.into_iter().filter_map(|(kind, one)| Some((kind, one?)));
        let authorities = channel.authorities().iter().map(|one| ("sdk_authority", one));
        let known = |one: &Certificate| chain.contains(one) || policy.anchors().contains(one);
        lifetimes.extend(shown.chain(authorities).filter(|(_, one)| !known(one)).map(|(kind, one)| of(kind, one)));
    }
    lifetimes
}

/// Of what is trusted now: roots, and revocation lists, which the network renews too.
pub(crate) fn of_policy(policy: &Policy) -> Vec<Lifetime> {
    let roots = policy.anchors().iter().map(|root| of("root", root));
    let lists = policy.lists().iter().filter_map(|list| {
        let due = list.next_update()?.as_secs();
        let life = due.saturating_sub(list.this_update().as_secs());
        Some(Lifetime { kind: "revocation_list", subject: list.issuer(), not_after: due, life })
    });
    roots.chain(lists).collect()
}

fn of(kind: &'static str, certificate: &Certificate) -> Lifetime {
    let [begins, ends] = [certificate.not_before(), certificate.not_after()].map(|at| at.as_secs());
    Lifetime { kind, subject: certificate.subject(), not_after: ends, life: ends.saturating_sub(begins) }
}

#[cfg(test)]
mod tests {
    use nuncio_pki::tls::{ChannelPaths, RsaPaths, channel_server_config};
    use nuncio_testkit::TestAuthority;

    use super::*;

    #[test]
    fn each_certificate_in_use_is_counted_once_by_its_kind() {
        let (authority, directory) = (TestAuthority::new(), tempfile::tempdir().unwrap());
        let at = |name: &str| directory.path().join(name);
        authority.write_node_directory(&at("node"), "node0");
        authority.write_channel_directory(&at("rsa"));
        let (identity, policy) = Identity::load(&nuncio_pki::IdentityPaths::in_directory(at("node"))).unwrap();
        let policy = policy.with_crls(vec![authority.revoke(&authority.node("gone"))]).unwrap();
        let rsa = RsaPaths { key: at("rsa/node.key"), cert: at("rsa/node.crt"), ca: Some(at("rsa/ca.crt")) };
        let paths = ChannelPaths { rsa: Some(rsa), ..ChannelPaths::in_directory(at("node")) };
        let channel = channel_server_config(&paths).unwrap();
        let kinds = |lifetimes: Vec<Lifetime>| lifetimes.iter().map(|one| one.kind).collect::<Vec<_>>();
        assert_eq!(kinds(of_own(&identity, None, &policy)), ["node", "agency"]);
        let own = of_own(&identity, Some(&channel), &policy);
        assert_eq!(own[0].not_after, identity.certificate.not_after.as_secs());
        assert_eq!(kinds(own), ["node", "agency", "sdk_port_rsa", "sdk_authority"]);
        assert_eq!(kinds(of_policy(&policy)), ["root", "revocation_list"]);
    }
}
