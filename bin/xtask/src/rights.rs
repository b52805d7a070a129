//! The book's page about roles, from the types that enforce them.

use std::fmt::Write;

use nuncio_audit::Scope;
use nuncio_pki::{Door, Role};
use nuncio_rights::{Act, Rights};

const HEAD: &str = "\
# Who may do what

<!-- Written by `cargo xtask generate` from crates/pki/src/credential, crates/rights, crates/audit and crates/admin. Do not edit:
     CI compares it. -->

A certificate that leads to a trusted authority says who somebody is; its **role** says where they may come in. Each door
demands one role, in the TLS handshake and of both ends. Whoever has another one is refused there, and the refusal names
both roles and the command that mends it.
";

const STATED: &str = "
## How a certificate states its role

By an extended key usage of Nuncio's. Where there is none, by an OU of the subject, as FISCO BCOS's `build_chain.sh` and
earlier releases of Nuncio write it. A usage counts alone: the OU beside it does not.

";

const TOPICS: &str = "
## What may be done with topics

Behind the doors, `[rights]` of each node's configuration says who may do what with which topics: see
[Rights and namespaces](rights-and-namespaces.md). `crates/rights/src/judge.rs` is the one place that decides it, for nodes and SDKs
alike.

| right | whoever has it may |
|---|---|
";

const TAIL: &str = "
RSA certificates of `build_chain.sh` have the OU `agency` at both ends of the SDK port: they count as either, and are no
nodes', whose keys are on secp256k1. An authority has no role, and no door takes it.

A certificate that has neither a usage of Nuncio's nor any OU was made by a tool that knows no roles: every door takes it. An
authority that wants its nodes and SDKs told apart writes one of the two.

`gen_node_cert.sh` writes the OU `node` for SDKs too, and other tools write what they like. For a network of such certificates
there is `[identity] roles = \"any\"`: only Nuncio's usages count then, and who states none is let in at every door. Whoever has an
SDK's certificate can run a node with it. The node says so at every start and in the warnings of `nuncio status`.

`nuncio cert inspect FILE` shows the role of a certificate, `nuncio cert issue --kind` and `nuncio ca sign --kind` give it;
the authority decides it, not the request. A renewal keeps it.
";

const OPERATORS: &str = "
## Operators

Who asks the admin API has a scope: over the unix socket by his user (`[admin] full_users`), over TCP by his token (`nuncio token make
--scope`) or by his operator's certificate (`[admin] certificate_scope`, `read_only`). Over TCP nobody is answered without. `[admin]
metrics_listen` answers `GET /metrics` to anybody, and nothing else; the page of the dashboard at `/` is anybody's too, and holds nothing. See [Audit and operators](audit-and-operators.md).

| scope | may |
|---|---|
";

const ROUTES: &str = "
The scope that each request needs follows from its method: reading changes nothing, takes no message and needs `read`; all else needs
`full`, and stands in the audit log with who did it.

| request | scope |
|---|---|
";

/// The page.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a string cannot fail.
    let _ = page.write_str("\n## Doors\n\n| door | role | who passes may |\n|---|---|---|\n");
    for door in Door::ALL {
        let unstated = if door.takes_unstated() { ", or none stated" } else { "" };
        let acts = door.acts().join("; ");
        let _ = writeln!(page, "| {} | `{}`{unstated} | {acts} |", door.words(), door.role());
    }
    for role in Role::ALL.into_iter().filter(|role| Door::ALL.iter().all(|door| door.role() != *role)) {
        let _ = writeln!(page, "| none yet | `{role}` | nothing by its certificate |");
    }
    let _ = write!(page, "{STATED}| role | extended key usage | OU |\n|---|---|---|\n");
    for role in Role::ALL {
        let unit = role.unit().map_or_else(|| "–".to_owned(), |unit| format!("`{unit}`"));
        let _ = writeln!(page, "| `{role}` | `{}` | {unit} |", role.usage());
    }
    page.push_str(TAIL);
    page.push_str(TOPICS);
    for act in Act::ALL {
        let _ = writeln!(page, "| `{act}` | {} |", act.words());
    }
    page.push_str("\nWhat decides, first to last:\n\n");
    for (number, words) in (1..).zip(Rights::ORDER) {
        let _ = writeln!(page, "{number}. {words}");
    }
    page.push_str(OPERATORS);
    for scope in Scope::ALL {
        let _ = writeln!(page, "| `{scope}` | {} |", scope.acts().join("; "));
    }
    page.push_str(ROUTES);
    for (method, path, scope) in nuncio_admin::routes() {
        let _ = writeln!(page, "| `{method} {path}` | `{scope}` |");
    }
    page
}
