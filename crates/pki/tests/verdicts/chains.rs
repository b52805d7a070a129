//! Chains as renewals, roll-overs and merged consortia leave them.

use super::lab::{Bench, CA, Case, Chain, Issued, spec};

pub(crate) fn cases() -> Vec<Case> {
    let all = [complete(), broken(), rolled_over(), cross_certified(), in_circles(), identified(), in_time()];
    all.into_iter().flatten().collect()
}

fn complete() -> Vec<Case> {
    vec![
        Case::good("leaf below root", |bench| {
            let root = bench.root();
            Chain::new(&bench.leaf(&root), &[], &[&root])
        }),
        Case::good("leaf, agency", |bench| {
            let (root, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[&agency], &[&root])
        }),
        Case::good("leaf, agency, root", |bench| {
            let (root, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[&agency, &root], &[&root])
        }),
        Case::good("leaf, root, agency", |bench| {
            let (root, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[&root, &agency], &[&root])
        }),
        Case::good("agency among those trusted", |bench| {
            let (root, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[], &[&root, &agency])
        }),
        Case::good("only the agency trusted", |bench| {
            let (root, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[&agency, &root], &[&agency])
        }),
        Case::good("something foreign beside it", |bench| {
            let (root, agency) = two(bench);
            let foreign = bench.make(None, &spec("k1-c", "/CN=elsewhere", CA));
            Chain::new(&bench.leaf(&agency), &[&foreign, &agency], &[&root])
        }),
    ]
}

fn broken() -> Vec<Case> {
    vec![
        Case::bad("agency missing", |bench| {
            let (root, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[], &[&root])
        }),
        Case::bad("another root of the same name", |bench| {
            let (_, agency) = two(bench);
            let other = bench.make(None, &spec("k1-c", "/CN=root", CA));
            Chain::new(&bench.leaf(&agency), &[&agency], &[&other])
        }),
        Case::bad("another root of another name", |bench| {
            let (root, agency) = two(bench);
            let other = bench.make(None, &spec("k1-c", "/CN=other", CA));
            Chain::new(&bench.leaf(&agency), &[&agency, &root], &[&other])
        }),
        Case::bad("signed by itself", |bench| {
            let root = bench.root();
            let leaf = bench.make(None, &spec("k1-leaf", "/CN=node0", "basicConstraints=CA:FALSE"));
            Chain::new(&leaf, &[], &[&root])
        }),
        Case::bad("a changed letter", |bench| {
            let root = bench.root();
            let leaf = bench.leaf(&root);
            let mut der = std::fs::read(bench.rewrite(&leaf, "-outform DER").certificate).unwrap();
            let name = der.windows(5).position(|window| window == b"node0").unwrap();
            der[name + 4] = b'1';
            let leaf = Issued { certificate: bench.write("changed.der", &der), ..leaf };
            Chain::new(&leaf, &[], &[&root])
        }),
    ]
}

fn rolled_over() -> Vec<Case> {
    vec![
        Case::good("two roots of one name, chain of the second", |bench| {
            let first = bench.make(None, &spec("k1-c", "/CN=root", CA));
            let (second, agency) = two(bench);
            Chain::new(&bench.leaf(&agency), &[&agency], &[&first, &second])
        }),
        Case::good("new root signed by the old one, which is trusted", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
            let new = bench.make(Some(&old), &spec("k1", "/CN=new", CA));
            let agency = bench.agency(&new);
            Chain::new(&bench.leaf(&agency), &[&agency, &new], &[&old])
        }),
        Case::good("the same with the new root as itself beside it", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
            let new = bench.make(Some(&old), &spec("k1", "/CN=new", CA));
            let itself = bench.make(None, &spec("k1", "/CN=new", CA));
            let agency = bench.agency(&itself);
            Chain::new(&bench.leaf(&agency), &[&agency, &new, &itself], &[&old])
        }),
        Case::good("cross-signed, only the new root trusted", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
            let new = bench.make(Some(&old), &spec("k1", "/CN=new", CA));
            let itself = bench.make(None, &spec("k1", "/CN=new", CA));
            let agency = bench.agency(&new);
            Chain::new(&bench.leaf(&agency), &[&agency, &new, &old], &[&itself])
        }),
        Case::good("new key under the old name, signed by the old key (RFC 4210, NewWithOld)", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=root", CA));
            let with_old = bench.make(Some(&old), &spec("k1", "/CN=root", CA));
            let agency = bench.agency(&with_old);
            Chain::new(&bench.leaf(&agency), &[&agency, &with_old], &[&old])
        }),
        Case::good("old key under the same name, signed by the new key (OldWithNew)", |bench| {
            let new = bench.make(None, &spec("k1", "/CN=root", CA));
            let with_new = bench.make(Some(&new), &spec("k1-c", "/CN=root", CA));
            let agency = bench.agency(&with_new);
            Chain::new(&bench.leaf(&agency), &[&agency, &with_new], &[&new])
        }),
    ]
}

fn cross_certified() -> Vec<Case> {
    vec![
        Case::bad("the cross certificate has ended, only the old root trusted", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
            let new = bench.make(Some(&old), &spec("k1", "/CN=new", CA).days(1));
            let agency = bench.agency(&bench.make(None, &spec("k1", "/CN=new", CA)));
            Chain::new(&bench.leaf(&agency), &[&agency, &new], &[&old])
        })
        .on_day(5),
        Case::good("the cross certificate has ended, the new root is trusted", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
            let new = bench.make(Some(&old), &spec("k1", "/CN=new", CA).days(1));
            let itself = bench.make(None, &spec("k1", "/CN=new", CA));
            let agency = bench.agency(&itself);
            Chain::new(&bench.leaf(&agency), &[&agency, &new], &[&old, &itself])
        })
        .on_day(5),
        Case::bad("cross certificate of the right name and another key", |bench| {
            let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
            let swapped = bench.make(Some(&old), &spec("k1-leaf", "/CN=new", CA));
            let agency = bench.agency(&bench.make(None, &spec("k1", "/CN=new", CA)));
            Chain::new(&bench.leaf(&agency), &[&agency, &swapped], &[&old])
        }),
        crossed(false, "that is no authority's", "basicConstraints=critical,CA:FALSE"),
        crossed(false, "without keyCertSign", "basicConstraints=critical,CA:TRUE\nkeyUsage=cRLSign"),
        crossed(false, "with pathlen 0 above an agency", "basicConstraints=critical,CA:TRUE,pathlen:0"),
        crossed(true, "with pathlen 1 above an agency", "basicConstraints=critical,CA:TRUE,pathlen:1"),
        crossed(
            false,
            "whose name constraints leave the agency out",
            "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;dirName:other\n[other]\nCN=other",
        ),
        crossed(
            false,
            "whose name constraints exclude the leaf",
            "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,excluded;dirName:leaf\n[leaf]\nCN=node0",
        ),
        crossed(false, "for servers only", "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=serverAuth"),
    ]
}

fn in_circles() -> Vec<Case> {
    vec![
        Case::bad("authorities that certify each other, and nobody above them", |bench| {
            let (one, other) = (spec("k1", "/CN=one", CA), spec("k1-b", "/CN=other", CA));
            let [one_itself, other_itself] = [&one, &other].map(|of| bench.make(None, of));
            let loops = [bench.make(Some(&other_itself), &one), bench.make(Some(&one_itself), &other)];
            let root = bench.make(None, &spec("k1-c", "/CN=root", CA));
            Chain::new(&bench.leaf(&one_itself), &[&loops[0], &loops[1]], &[&root])
        }),
        Case::good("authorities that certify each other, one of which is trusted", |bench| {
            let (one, other) = (spec("k1", "/CN=one", CA), spec("k1-b", "/CN=other", CA));
            let [one_itself, other_itself] = [&one, &other].map(|of| bench.make(None, of));
            let loops = [bench.make(Some(&other_itself), &one), bench.make(Some(&one_itself), &other)];
            Chain::new(&bench.leaf(&one_itself), &[&loops[0], &loops[1]], &[&other_itself])
        }),
    ]
}

/// A root that an old one has certified with these extensions; the old one alone is trusted.
fn crossed(accepted: bool, name: &str, extensions: &'static str) -> Case {
    Case::new(accepted, format!("cross certificate {name}"), move |bench| {
        let old = bench.make(None, &spec("k1-c", "/CN=old", CA));
        let new = bench.make(Some(&old), &spec("k1", "/CN=new", extensions));
        let agency = bench.agency(&bench.make(None, &spec("k1", "/CN=new", CA)));
        Chain::new(&bench.leaf(&agency), &[&agency, &new], &[&old])
    })
}

fn identified() -> Vec<Case> {
    vec![
        Case::good("key identifiers that fit", |bench| {
            let root = bench.make(None, &spec("k1", "/CN=root", KEYS));
            let agency = bench.make(Some(&root), &spec("k1-b", "/CN=agency", KEYS_BELOW));
            let leaf =
                bench.make(Some(&agency), &spec("k1-leaf", "/CN=node0", "authorityKeyIdentifier=keyid,issuer:always"));
            Chain::new(&leaf, &[&agency], &[&root])
        }),
        Case::bad("a key identifier that means another key", |bench| {
            let root = bench.make(None, &spec("k1", "/CN=root", KEYS));
            let id = "authorityKeyIdentifier=DER:30168014000102030405060708090a0b0c0d0e0f10111213";
            let leaf = bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", id));
            Chain::new(&leaf, &[], &[&root])
        }),
        Case::bad("an issuer's serial that means another certificate", |bench| {
            let root = bench.make(None, &spec("k1", "/CN=root", CA).with("-set_serial 5"));
            let id = "authorityKeyIdentifier=DER:3003820106";
            let leaf = bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", id));
            Chain::new(&leaf, &[], &[&root])
        }),
        Case::bad("an issuer's name that means another certificate", |bench| {
            // The serial is right; the name beside it is that of somebody else.
            let root = bench.make(None, &spec("k1", "/CN=root", CA).with("-set_serial 5"));
            let id = "authorityKeyIdentifier=DER:3015a110a40e300c310a300806035504030c0178820105";
            let leaf = bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", id));
            Chain::new(&leaf, &[], &[&root])
        }),
        Case::bad("an empty key identifier", |bench| {
            let root = bench.root();
            let leaf = bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", "authorityKeyIdentifier=DER:30028000"));
            Chain::new(&leaf, &[], &[&root])
        }),
        Case::good("four authorities", |bench| authorities(bench, 4)),
        Case::good("seven authorities", |bench| authorities(bench, 7)),
    ]
}

fn in_time() -> Vec<Case> {
    let ends = |root: u32, agency: u32, leaf: u32| {
        move |bench: &Bench<'_>| {
            let root = bench.make(None, &spec("k1", "/CN=root", CA).days(root));
            let agency = bench.make(Some(&root), &spec("k1-b", "/CN=agency", CA).days(agency));
            let leaf = bench.make(Some(&agency), &spec("k1-leaf", "/CN=node0", "").days(leaf));
            Chain::new(&leaf, &[&agency], &[&root])
        }
    };
    vec![
        Case::good("in time", ends(30, 20, 10)).on_day(9),
        Case::bad("leaf ended", ends(30, 20, 10)).on_day(11),
        Case::bad("agency ended", ends(30, 10, 20)).on_day(11),
        Case::bad("root ended", ends(10, 30, 30)).on_day(11),
        Case::bad("not begun", ends(30, 30, 30)).on_day(-1),
        Case::good("only the agency trusted, and the root has ended", |bench| {
            let root = bench.make(None, &spec("k1", "/CN=root", CA).days(10));
            let agency = bench.agency(&root);
            Chain::new(&bench.leaf(&agency), &[&root], &[&agency])
        })
        .on_day(11),
        Case::good("to the year 2126", ends(36_500, 36_500, 36_500)).on_day(30_000),
        Case::good("an ended root beside its renewal", |bench| {
            let old = bench.make(None, &spec("k1", "/CN=root", CA).days(10));
            let new = bench.make(None, &spec("k1", "/CN=root", CA).days(100));
            let agency = bench.agency(&new);
            Chain::new(&bench.leaf(&agency), &[&agency], &[&old, &new])
        })
        .on_day(50),
        Case::good("an ended agency beside its renewal", |bench| {
            let root = bench.root();
            let old = bench.make(Some(&root), &spec("k1-b", "/CN=agency", CA).days(10));
            let new = bench.make(Some(&root), &spec("k1-b", "/CN=agency", CA).days(100));
            Chain::new(&bench.leaf(&new), &[&old, &new], &[&root])
        })
        .on_day(50),
    ]
}

const KEYS: &str = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash";
const KEYS_BELOW: &str = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid";

fn two(bench: &Bench<'_>) -> (Issued, Issued) {
    let root = bench.root();
    let agency = bench.agency(&root);
    (root, agency)
}

fn authorities(bench: &Bench<'_>, count: usize) -> Chain {
    let mut all = vec![bench.root()];
    for number in 1..count {
        let name = format!("/CN=tier{number}");
        all.push(bench.make(all.last(), &spec(["k1-b", "k1-c"][number % 2], &name, CA)));
    }
    let leaf = bench.leaf(&all[count - 1]);
    Chain::new(&leaf, &all[1..].iter().collect::<Vec<_>>(), &[&all[0]])
}
