use super::*;

#[test]
fn addresses_are_read_and_written() {
    for (text, address) in [
        ("unix:/run/a.sock", Address::Unix("/run/a.sock".into())),
        ("unix:data/admin.sock", Address::Unix("data/admin.sock".into())),
        ("./data/admin.sock", Address::Unix("./data/admin.sock".into())),
        ("http://127.0.0.1:8080", Address::Http("127.0.0.1:8080".into())),
        ("http://[::1]:8080/", Address::Http("[::1]:8080".into())),
    ] {
        assert_eq!(text.parse(), Ok(address.clone()), "{text}");
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    for text in ["", "unix:", "http://", "http://host", "http://host:port", "http://:1", "ftp://h:1", "h:1"] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

#[test]
fn every_byte_that_has_a_meaning_in_a_path_is_escaped() {
    assert_eq!(escape("a/b?c=d&e f%"), "a%2Fb%3Fc%3Dd%26e%20f%25");
    assert_eq!(escape("ü"), "%C3%BC");
    assert_eq!(path::with_query("/p", &[("k", "a b"), ("k", "1")]), "/p?k=a%20b&k=1");
}
