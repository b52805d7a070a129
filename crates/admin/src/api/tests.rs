use super::*;

#[test]
fn bytes_survive_as_text() {
    for bytes in [b"hello".as_slice(), b"", "grüße\n".as_bytes(), &[0xff, 0, 1]] {
        let (text, encoding) = Encoding::of(bytes);
        assert_eq!(encoding.decode(&text).unwrap(), bytes);
    }
    assert_eq!(Encoding::of(&[0xff]), ("/w==".to_owned(), Encoding::Base64));
    assert_eq!(Encoding::Base64.decode("not base64!"), None);
}

#[test]
fn names_in_json_are_the_contract() {
    let message = Message {
        kind: MessageKind::Multicast,
        from: "ab".into(),
        topic: Some("t".into()),
        data: "x".into(),
        encoding: Encoding::Utf8,
        id: None,
        request: None,
        traceparent: None,
        missing: None,
    };
    assert_eq!(
        serde_json::to_string(&message).unwrap(),
        r#"{"kind":"multicast","from":"ab","topic":"t","data":"x","encoding":"utf8","id":null}"#
    );
    let missing = Some(Missing { first: "a-1-1".into(), last: "a-1-2".into(), messages: 2 });
    let gap = Message { kind: MessageKind::Gap, data: String::new(), missing, ..message };
    assert_eq!(
        serde_json::to_string(&gap).unwrap(),
        r#"{"kind":"gap","from":"ab","topic":"t","data":"","encoding":"utf8","id":null,"missing":{"first":"a-1-1","last":"a-1-2","messages":2}}"#
    );
    let entry = AccessEntry { node_id: "ab".into(), rule: Rule::Deny, origin: "config".into() };
    assert_eq!(serde_json::to_string(&entry).unwrap(), r#"{"node_id":"ab","rule":"deny","origin":"config"}"#);
}

#[test]
fn every_code_is_written_as_its_name_and_unknown_ones_are_read() {
    for code in [ErrorCode::NoRoute, ErrorCode::TimedOut, ErrorCode::TooLarge, ErrorCode::NoHandler, ErrorCode::Busy] {
        assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
    }
    let failure: Failure = serde_json::from_str(r#"{"error":"from_the_future","message":"m"}"#).unwrap();
    assert_eq!(failure.error, ErrorCode::Unknown);
}
