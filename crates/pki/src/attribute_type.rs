use der::oid::{ObjectIdentifier, db::DB};

/// What `openssl` and others call types that no list of RFC 4519 or RFC 3280 has under that name.
const FURTHER: [(&str, &str); 11] = [
    ("E", "1.2.840.113549.1.9.1"),
    ("unstructuredName", "1.2.840.113549.1.9.2"),
    ("unstructuredAddress", "1.2.840.113549.1.9.8"),
    ("jurisdictionL", "1.3.6.1.4.1.311.60.2.1.1"),
    ("jurisdictionST", "1.3.6.1.4.1.311.60.2.1.2"),
    ("jurisdictionC", "1.3.6.1.4.1.311.60.2.1.3"),
    ("S", "2.5.4.8"),
    ("streetAddress", "2.5.4.9"),
    ("generation", "2.5.4.44"),
    ("role", "2.5.4.72"),
    ("organizationIdentifier", "2.5.4.97"),
];

/// The object identifier of a type of attribute in a distinguished name, with dots, whichever of its names is given: `CN`,
/// `commonName`, `emailAddress`, `2.5.4.3`, `OID.2.5.4.3`. `None` for what nobody calls so.
pub fn attribute_type(name: &str) -> Option<String> {
    let dotted =
        name.get(..4).filter(|begin| begin.eq_ignore_ascii_case("OID.")).map_or(name, |begin| &name[begin.len()..]);
    if let Ok(oid) = dotted.parse::<ObjectIdentifier>() {
        return Some(oid.to_string());
    }
    let further =
        FURTHER.iter().find(|(further, _)| further.eq_ignore_ascii_case(name)).map(|(_, oid)| (*oid).to_owned());
    further.or_else(|| DB.by_name(name).map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_one_type_whatever_it_is_called() {
        for names in [
            &["CN", "cn", "commonName", "2.5.4.3", "oid.2.5.4.3"][..],
            &["email", "emailAddress", "EMAILADDRESS", "E"],
            &["ST", "S", "stateOrProvinceName"],
            &["unstructuredName", "1.2.840.113549.1.9.2"],
        ] {
            let first = attribute_type(names[0]);
            assert!(first.is_some() && names.iter().all(|name| attribute_type(name) == first), "{names:?}");
        }
        for none in ["", "agency", "2.5.", "OID.", "机构机构"] {
            assert_eq!(attribute_type(none), None, "{none}");
        }
    }
}
